"""The port that turns texts into vectors."""

from __future__ import annotations

from typing import Protocol


class Embeddings(Protocol):
    """LangChain's `langchain_core.embeddings.Embeddings`, by its shape: any of its embeddings fits.

    Named here because importing LangChain costs a start half a second of CPU and 10 MB, which only
    those pay who have configured a hosted model.
    """

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector a text, all of one length."""
        ...

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question, of the same length."""
        ...
