"""Importing a library without what it imports for features that are not used here."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def leaving_out(modules: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """While it lasts, imports of these modules get the stand-in, or an ImportError for None.

    What is imported already stays as it is, and so does what others import afterwards.
    """
    placed = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(placed)  # type: ignore[arg-type]  # None is how Python marks what is absent
    try:
        yield
    finally:
        for name in placed:
            sys.modules.pop(name, None)
