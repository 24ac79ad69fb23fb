"""The visible mark that text written by a model carries.

Measures for Labelling AI-Generated Synthetic Content (in force since 2025-09-01): a label that
people see at the beginning, the end or a suitable place of the text. It is not configurable.
Text quoted from the knowledge base word for word and text written by people carry none.
"""

from __future__ import annotations

MARK = "（AI生成）"


def labelled(text: str) -> str:
    """The text with the mark at its end, once."""
    return text if text.endswith(MARK) else f"{text}\n{MARK}"
