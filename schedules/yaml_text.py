"""YAML read as plain text values that remember their lines.

Every scalar stays the text that was written: ``618`` is a title, ``on`` a tag, and a leading zero
of an app id survives. Whoever validates the values decides what they mean.
"""

from dataclasses import dataclass

import yaml

Value = str | list["Value"] | dict[str, "Value"]
Path = tuple[str | int, ...]

_MAX_DEPTH = 20


@dataclass(frozen=True, kw_only=True)
class Document:
    """``lines`` gives the line (from 1) of each value and key by its path, ``()`` the top."""

    value: Value
    lines: dict[Path, int]

    def line_of(self, path: Path) -> int | None:
        """The line of the value at ``path``, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


class Unreadable(ValueError):
    """Text that is not one plain YAML document."""

    def __init__(self, message: str, remedy: str, line: int | None) -> None:
        super().__init__(message)
        self.message, self.remedy, self.line = message, remedy, line


def parse(text: str) -> Document:
    """Read one document; raises Unreadable with the line."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise Unreadable(
            f"this is not YAML: {said}",
            "check indentation, quotes and colons here and in the line above",
            mark.line + 1 if mark else None,
        ) from error
    except yaml.YAMLError as error:
        # The reader's complaint about a forbidden character spans lines and quotes the text.
        raise Unreadable(
            "there is a character in it that YAML does not allow",
            "save it as plain UTF-8 text",
            _line_at(text, getattr(error, "position", None)),
        ) from error
    except RecursionError as error:
        raise Unreadable(
            "it is nested too deeply", "follow the form of the sample offers", None
        ) from error
    if node is None:
        raise Unreadable("the file is empty", "fill it in, or delete it", None)
    lines: dict[Path, int] = {}
    return Document(value=_value_of(node, (), lines, set()), lines=lines)


def _value_of(node: yaml.Node, path: Path, lines: dict[Path, int], seen: set[int]) -> Value:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if id(node) in seen:
        raise Unreadable(
            "anchors and aliases (& and *) are not used in offers", "write the value out", line
        )
    seen.add(id(node))
    if len(path) > _MAX_DEPTH:
        raise Unreadable("it is nested too deeply", "follow the form of the sample offers", line)
    if isinstance(node, yaml.SequenceNode):
        return [_value_of(item, (*path, i), lines, seen) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        fields: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key, key_line = str(key_node.value), key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise Unreadable("a key must be a plain word", "check the colons", key_line)
            if key in fields:
                raise Unreadable(f"{key!r} is given twice", "keep one of them", key_line)
            lines[(*path, key)] = key_line
            fields[key] = _value_of(value_node, (*path, key), lines, seen)
        return fields
    return str(node.value)


def _line_at(text: str, position: int | None) -> int | None:
    return None if position is None else text.count("\n", 0, position) + 1
