"""The form of an offer's file, and plain words for what does not fit it."""

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from schedules import yaml_text

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+\S*$")]


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[list[Name], BeforeValidator(_listed)]
Times = Annotated[list[Words], BeforeValidator(_listed), Field(min_length=1)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AudienceShape(_Shape):
    tags: Names = []
    groups: Names = []
    exclude_tags: Names = []

    @model_validator(mode="after")
    def _reaches_somebody(self) -> "AudienceShape":
        if not self.tags and not self.groups:
            raise _finding("nobody would get this offer", "name tags or groups")
        return self


class ScheduleShape(_Shape):
    at: Times | None = None
    cron: Words | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> "ScheduleShape":
        if (self.at is None) == (self.cron is None):
            raise _finding(
                "a schedule has either 'at' or 'cron'",
                'write at: 2026-11-11 20:00, or cron: "0 20 * * fri"',
            )
        return self


class ValidShape(_Shape):
    from_: Words | None = Field(None, alias="from")
    to: Words | None = None


class LinkShape(_Shape):
    title: Words
    url: Address
    description: str = ""
    thumbnail: str = ""


class MiniProgramShape(_Shape):
    title: Words
    app_id: Words
    page_path: Words
    username: str = ""
    description: str = ""
    thumbnail: str = ""


class ContentShape(_Shape):
    text: Words | None = None
    image: Words | None = None
    link: LinkShape | None = None
    mini_program: MiniProgramShape | None = None

    @model_validator(mode="after")
    def _is_one_message(self) -> "ContentShape":
        if len(self.model_fields_set) != 1:
            raise _finding(
                "each item of 'content' is one message",
                "begin each of text, image, link and mini_program with its own dash",
            )
        return self


Money = Annotated[str, StringConstraints(pattern=r"^\d{1,12}(\.\d{1,2})?$")]


class AboutShape(_Shape):
    """What the review asks of a writer; see ``schedules.about``."""

    market: Literal["CN", "JP", ""] = ""
    goods: Literal["general", "cosmetics", "health_food", "food", "medical", ""] = ""
    language: str = ""
    promotes: Literal["true", "false"] | None = None
    product: str = ""
    price: Money | Literal[""] = ""
    was: Money | Literal[""] = ""
    basis: str = ""
    prize_value: Money | Literal[""] = ""
    conditions: str = ""
    sources: Names = []

    @model_validator(mode="after")
    def _prices_are_of_a_product(self) -> "AboutShape":
        if (self.price or self.was) and not (self.product and self.price):
            raise _finding("a 'was' price needs the product and its price now", "add them")
        return self


class OfferFile(_Shape):
    """The form of an offer's file."""

    # Ids become part of delivery keys, where a colon separates.
    id: Annotated[str, StringConstraints(pattern=r"^[^\s:/\\#?]{1,100}$")]
    title: Words
    audience: AudienceShape
    schedule: ScheduleShape
    content: Annotated[list[ContentShape], Field(min_length=1)]
    time_zone: Words
    valid: ValidShape = ValidShape()
    grace_minutes: Annotated[int, Field(ge=1, le=7 * 24 * 60)] = 60
    about: AboutShape = AboutShape()


@dataclass(frozen=True, kw_only=True)
class Finding:
    at: yaml_text.Path
    message: str
    remedy: str
    severity: Literal["error", "warning"] = "error"


def read(fields: dict[str, yaml_text.Value]) -> OfferFile | list[Finding]:
    """The fields of a file in their form, or everything that is wrong with the form."""
    try:
        return OfferFile.model_validate(fields)
    except ValidationError as error:
        return [_finding_of(details) for details in error.errors(include_url=False)]


def field_name(path: yaml_text.Path) -> str | None:
    """A path as people write it: ``content[0].text``; None for the whole file."""
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else f".{part}"
    return name.lstrip(".") or None


def _finding(message: str, remedy: str) -> PydanticCustomError:
    # Pydantic formats the message as a template, so braces in it must not stand alone.
    return PydanticCustomError("offer", "{said}", {"said": message, "remedy": remedy})


def _finding_of(details: ErrorDetails) -> Finding:
    at: yaml_text.Path = details["loc"]
    context: dict[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "offer":
            return Finding(at=at, message=context["said"], remedy=context["remedy"])
        case "missing":
            return Finding(at=at, message="this field is missing", remedy=f"add '{at[-1]}:'")
        case "extra_forbidden":
            fields = _fields_beside(at)
            return Finding(
                at=at,
                message=f"unknown field {at[-1]!r}",
                remedy=did_you_mean(str(at[-1]), fields),
            )
        case "string_too_short" | "too_short":
            return Finding(at=at, message="this is empty", remedy="fill it in")
        case "string_pattern_mismatch" if at[-1] == "id":
            return Finding(
                at=at,
                message="an id is at most 100 characters without spaces and : / \\ # ?",
                remedy="use letters, digits and dashes",
            )
        case "string_pattern_mismatch" if "about" in at:
            return Finding(at=at[:2], message="this is no amount", remedy="write 258 or 19.90")
        case "string_pattern_mismatch":
            return Finding(at=at, message="this is not a web address", remedy="begin with https://")
        case "string_type":
            return Finding(at=at, message="this must be one text", remedy="check the indentation")
        case "model_type" | "list_type":
            return Finding(at=at, message="this has the wrong form", remedy="see the sample offers")
    return Finding(at=at, message=details["msg"].lower(), remedy="correct the value")


def did_you_mean(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known are: {', '.join(sorted(known)[:10]) or 'none yet'}"


def _fields_beside(at: yaml_text.Path) -> list[str]:
    """The fields that are allowed where ``at`` points to."""
    shapes: dict[str, type[BaseModel]] = {
        "audience": AudienceShape,
        "schedule": ScheduleShape,
        "valid": ValidShape,
        "content": ContentShape,
        "link": LinkShape,
        "mini_program": MiniProgramShape,
        "about": AboutShape,
    }
    owner = next((part for part in reversed(at[:-1]) if isinstance(part, str)), "")
    fields = shapes.get(owner, OfferFile).model_fields
    return [field.alias or name for name, field in fields.items()]
