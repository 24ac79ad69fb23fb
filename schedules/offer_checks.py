"""Findings about an offer that its form alone does not show."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from schedules import recurrence, yaml_text
from schedules.content import Image, Text
from schedules.offer_form import AudienceShape, Finding, did_you_mean
from schedules.offers import Offer
from schedules.recurrence import Cron

MAX_IMAGE_BYTES = 10_000_000
# Larger ones are refused on the way through a Wechaty gateway: a message of 4 MiB, in base64.
SENT_IMAGE_BYTES = 3_000_000
LONGEST_TEXT = 2000  # characters in one WeChat message
OFTEN_A_DAY = 12  # about two posts a day are usual; a cron with "*" for the hour is a slip
_IMAGE_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a file is checked against."""

    folder: Path
    known_tags: Collection[str] | None
    known_groups: Collection[str] | None
    now: datetime
    default_time_zone: str


def fault_of_image(path: Path, folder: Path) -> str | None:
    if not path.is_relative_to(folder):
        return "lies outside of the offers folder"
    try:
        with path.open("rb") as image:
            beginning = image.read(12)
        size = path.stat().st_size
    except (OSError, ValueError):
        return "cannot be read or does not exist"
    is_webp = beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP"
    if not is_webp and not beginning.startswith(_IMAGE_SIGNATURES):
        return "is not an image that WeChat shows"
    return f"has {size / 1e6:.1f} MB" if size > MAX_IMAGE_BYTES else None


def doubts_about_content(offer: Offer) -> Iterator[Finding]:
    for position, message in enumerate(offer.content):
        if isinstance(message, Text) and len(message.text) > LONGEST_TEXT:
            yield Finding(
                at=("content", position, "text"),
                message=f"the text has {len(message.text)} characters; WeChat takes {LONGEST_TEXT}",
                remedy="shorten it, or make two messages of it",
                severity="warning",
            )
        if isinstance(message, Image) and (size := _size_of(message.path)) > SENT_IMAGE_BYTES:
            yield Finding(
                at=("content", position, "image"),
                message=f"the image has {size / 1e6:.1f} MB; a Wechaty gateway takes "
                f"{SENT_IMAGE_BYTES / 1e6:.1f} MB and would refuse it",
                remedy="save it smaller",
                severity="warning",
            )


def _size_of(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:  # gone since it was checked; the next look at the folder says so
        return 0


def doubts_about_times(offer: Offer, now: datetime) -> Iterator[Finding]:
    if offer.valid_until is not None and offer.valid_until <= now:
        yield Finding(
            at=("valid", "to"),
            message="the offer is over",
            remedy="delete the file, or give it new dates",
            severity="warning",
        )
        return
    if isinstance(offer.schedule, Cron):
        yield from _doubts_about_cron(offer, now)
        return
    zone = recurrence.zone(offer.time_zone)
    for index, moment in enumerate(offer.schedule.at):
        instant = moment if moment.tzinfo else recurrence.instant_of(moment, zone)
        at: yaml_text.Path = ("schedule", "at", index)
        if not offer.is_valid_at(instant):
            yield Finding(
                at=at,
                message=f"{moment} lies outside of the offer's validity",
                remedy="change the time or 'valid'",
            )
        elif instant <= now:
            yield Finding(
                at=at,
                message=f"{moment} has passed and will not be posted",
                remedy="give a time in the future",
                severity="warning",
            )


def _doubts_about_cron(offer: Offer, now: datetime) -> Iterator[Finding]:
    at: yaml_text.Path = ("schedule", "cron")
    first = offer.next_occurrence(now)
    if first is None:
        yield Finding(
            at=at,
            message="the cron expression never fires while the offer is valid",
            remedy="change it or 'valid'",
        )
        return
    a_day_later = first + timedelta(days=1, microseconds=-1)
    posts = 1 + sum(1 for _ in offer.occurrences(first, a_day_later))
    if posts > OFTEN_A_DAY:
        yield Finding(
            at=at,
            message=f"it would be posted {posts} times in a day",
            remedy='give one hour and minute, as in "0 20 * * *"',
            severity="warning",
        )


def doubts_about_audience(audience: AudienceShape, context: Context) -> Iterator[Finding]:
    named = (
        ("tags", audience.tags, context.known_tags, "error"),
        ("exclude_tags", audience.exclude_tags, context.known_tags, "error"),
        # Groups appear and are renamed in the chat, without anybody touching a file.
        ("groups", audience.groups, context.known_groups, "warning"),
    )
    for field, names, known, severity in named:
        for index, name in enumerate(names):
            if known is None or name in known:
                continue
            kind = "group" if field == "groups" else "tag"
            yield Finding(
                at=("audience", field, index),
                message=f"no group {'is called' if kind == 'group' else 'has the tag'} {name!r}",
                remedy=did_you_mean(name, known),
                severity="error" if severity == "error" else "warning",
            )
