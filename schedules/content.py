"""What one message of an offer carries, and its JSON form in the database."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Text:
    text: str


@dataclass(frozen=True, kw_only=True)
class Image:
    """``path`` is the absolute path of an image file that existed when the offer was loaded."""

    path: str


@dataclass(frozen=True, kw_only=True)
class LinkCard:
    """``thumbnail`` is an absolute file path or an http(s) address; empty means none."""

    title: str
    url: str
    description: str = ""
    thumbnail: str = ""


@dataclass(frozen=True, kw_only=True)
class MiniProgramCard:
    """``username`` is the program's original id (``gh_…@app``); ``thumbnail`` as in LinkCard."""

    title: str
    app_id: str
    page_path: str
    username: str = ""
    description: str = ""
    thumbnail: str = ""


type_of = {"text": Text, "image": Image, "link": LinkCard, "mini_program": MiniProgramCard}

Content = Text | Image | LinkCard | MiniProgramCard


def to_json(content: Content) -> dict[str, str]:
    """The JSON form: the fields of the dataclass and its ``kind``."""
    kind = next(kind for kind, cls in type_of.items() if isinstance(content, cls))
    return {"kind": kind, **asdict(content)}


def from_json(stored: Mapping[str, Any]) -> Content:
    """The inverse of ``to_json``; raises KeyError for a kind that is not known here."""
    fields = {name: value for name, value in stored.items() if name != "kind"}
    content: Content = type_of[stored["kind"]](**fields)
    return content
