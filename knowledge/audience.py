"""Whom an entry is meant for, and what one group may see."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ScopeKind(StrEnum):
    """The three audiences an entry can have."""

    ALL = "all"
    TAGS = "tags"
    GROUP = "group"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The audience of one entry: everybody, groups with any of some tags, or one group.

    `names` holds the tags (kind `tags`) or the single group key (kind `group`); it is empty for
    `all`. Build one with `everybody()`, `for_tags()` or `for_group()`.
    """

    kind: ScopeKind = ScopeKind.ALL
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind is ScopeKind.ALL and self.names:
            raise ValueError("scope all: takes no names")
        if self.kind is ScopeKind.TAGS and not self.names:
            raise ValueError("scope tags: name at least one tag")
        if self.kind is ScopeKind.GROUP and len(self.names) != 1:
            raise ValueError("scope group: name exactly one group")

    @property
    def marks(self) -> tuple[str, ...]:
        """The audience as index terms: `all`, or one `tag:…` / `group:…` each."""
        if self.kind is ScopeKind.ALL:
            return ("all",)
        prefix = "tag" if self.kind is ScopeKind.TAGS else "group"
        return tuple(f"{prefix}:{name}" for name in self.names)

    def __str__(self) -> str:
        return " ".join(self.marks)


def everybody() -> Scope:
    """Every group may be answered from the entry."""
    return Scope()


def for_tags(*tags: str) -> Scope:
    """Groups that carry at least one of `tags`."""
    return Scope(kind=ScopeKind.TAGS, names=tuple(sorted(set(tags))))


def for_group(group: str) -> Scope:
    """One group only."""
    return Scope(kind=ScopeKind.GROUP, names=(group,))


def read_scope(text: str) -> Scope:
    """The scope written as `all`, `tag:vip tag:tokyo` or `group:vip-1`; blank means `all`.

    Raises ValueError with what is accepted.
    """
    marks = [mark for mark in text.replace(",", " ").replace("，", " ").split() if mark]
    if not marks or marks == ["all"]:
        return everybody()
    kinds = {mark.partition(":")[0] for mark in marks}
    names = [mark.partition(":")[2] for mark in marks]
    if all(names) and kinds == {"tag"}:
        return for_tags(*names)
    if all(names) and kinds == {"group"} and len(names) == 1:
        return for_group(names[0])
    raise ValueError(f"audience {text!r}: write all, tag:NAME (one or more) or group:NAME")


@dataclass(frozen=True, kw_only=True)
class SearchScope:
    """Where a question was asked: the group's key and its tags."""

    group: str
    tags: frozenset[str] = frozenset()

    @property
    def marks(self) -> tuple[str, ...]:
        """The scoped marks that this group may see, beside `all`."""
        return (f"group:{self.group}", *(f"tag:{tag}" for tag in sorted(self.tags)))

    def sees(self, scope: Scope) -> bool:
        """Whether an entry of that scope may be used in this group."""
        return scope.kind is ScopeKind.ALL or not set(self.marks).isdisjoint(scope.marks)
