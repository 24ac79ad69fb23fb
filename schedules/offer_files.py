"""Offers as YAML files: a folder of them, read so that each problem names its file and line.

A date without a time in ``valid`` covers that whole day in the offer's time zone; ``at`` and
``valid`` are local to that zone unless they carry an offset. Images are paths from the file.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Literal

from schedules import about as abouts
from schedules import offer_checks, offer_form, recurrence, yaml_text
from schedules.content import Content, Image, LinkCard, MiniProgramCard, Text
from schedules.offer_checks import Context
from schedules.offer_form import ContentShape, Finding, OfferFile
from schedules.offers import Audience, Loaded, Offer, Problem
from schedules.recurrence import Cron, InvalidSchedule, Moments, Schedule
from schedules.yaml_text import Unreadable

MAX_FILE_BYTES = 1_000_000


def read_folder(
    folder: Path,
    *,
    known_tags: Collection[str] | None,
    known_groups: Collection[str] | None,
    now: datetime,
    default_time_zone: str,
) -> Loaded:
    """See ``offers.load``."""
    if not folder.is_dir():
        problem = Problem(
            path=folder,
            line=None,
            field=None,
            message="the folder of offers does not exist",
            remedy="create it, or correct the path in the configuration",
        )
        return Loaded(offers=(), problems=(problem,), broken=(".",))
    context = Context(
        folder=folder.resolve(),
        known_tags=known_tags,
        known_groups=known_groups,
        now=now,
        default_time_zone=default_time_zone,
    )
    offers: list[tuple[Path, Offer]] = []
    problems: list[Problem] = []
    broken: list[str] = []
    for path in _offer_files(folder):
        source = path.relative_to(folder).as_posix()
        offer, its_problems = _read_file(path, source, context)
        problems += its_problems
        if offer is None:
            broken.append(source)
        else:
            offers.append((path, offer))
    # Of two files with one id, the one named like it is the original and the other a copy.
    offers.sort(key=lambda found: found[0].stem != found[1].id)
    unique: dict[str, Offer] = {}
    for path, offer in offers:
        original = unique.setdefault(offer.id, offer)
        if original is not offer:
            problems.append(
                Problem(
                    path=path,
                    line=_line_of_id(path),
                    field="id",
                    message=f"{original.source} has the id {offer.id!r} already",
                    remedy="give each offer an id of its own",
                )
            )
            broken.append(path.relative_to(folder).as_posix())
    return Loaded(offers=tuple(unique.values()), problems=tuple(problems), broken=tuple(broken))


def _offer_files(folder: Path) -> list[Path]:
    paths = (path for path in folder.rglob("*") if path.suffix in (".yaml", ".yml"))
    return sorted(
        path
        for path in paths
        # Editors leave hidden copies beside the file that is being edited.
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and (path.is_file() or path.is_symlink())
    )


def _read_file(path: Path, source: str, context: Context) -> tuple[Offer | None, list[Problem]]:
    try:
        document = yaml_text.parse(_text_of(path))
    except Unreadable as error:
        return None, [
            Problem(
                path=path,
                line=error.line,
                field=None,
                message=error.message,
                remedy=error.remedy,
            )
        ]
    offer, findings = _examine(document.value, source, context)
    problems = [
        Problem(
            path=path,
            line=document.line_of(finding.at),
            field=offer_form.field_name(finding.at),
            message=finding.message,
            remedy=finding.remedy,
            severity=finding.severity,
        )
        for finding in findings
    ]
    return offer, problems


def _text_of(path: Path) -> str:
    try:
        raw = path.read_bytes() if path.stat().st_size <= MAX_FILE_BYTES else None
    except OSError as error:
        raise Unreadable(
            f"the file cannot be read: {error.strerror}", "check its permissions", None
        ) from error
    if raw is None:
        raise Unreadable("the file is larger than 1 MB", "an offer holds a few messages", None)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Unreadable("the file is not UTF-8 text", "save it as UTF-8", line) from error


def _line_of_id(path: Path) -> int | None:
    return yaml_text.parse(_text_of(path)).line_of(("id",))


def _examine(
    value: yaml_text.Value, source: str, context: Context
) -> tuple[Offer | None, list[Finding]]:
    """The offer, or None where a finding is an error."""
    if not isinstance(value, dict):
        return None, [
            Finding(
                at=(), message="an offer is written as 'field: value'", remedy="see the samples"
            )
        ]
    defaults = {"id": Path(source).stem, "time_zone": context.default_time_zone}
    read = offer_form.read({**defaults, **value})
    if isinstance(read, list):
        return None, read
    findings: list[Finding] = []
    offer = _offer_of(read, source, context, findings)
    if offer is not None:
        findings += offer_checks.doubts_about_times(offer, context.now)
        findings += offer_checks.doubts_about_content(offer)
    findings += offer_checks.doubts_about_audience(read.audience, context)
    if any(finding.severity == "error" for finding in findings):
        return None, findings
    return offer, findings


def _offer_of(
    shape: OfferFile, source: str, context: Context, findings: list[Finding]
) -> Offer | None:
    """The offer; what stands in its way is added to ``findings``."""
    content = []
    for position, message in enumerate(shape.content):
        content.append(_content_of(message, position, source, context, findings))
    try:
        schedule = _schedule_of(shape, findings)
        valid_from = _bound(shape, "from", findings)
        valid_until = _bound(shape, "to", findings)
    except InvalidSchedule as error:
        known = "Asia/Shanghai, Asia/Tokyo or another IANA name"
        findings.append(Finding(at=("time_zone",), message=str(error), remedy=f"use {known}"))
        return None
    if valid_from and valid_until and valid_until <= valid_from:
        findings.append(
            Finding(
                at=("valid", "to"),
                message="the offer ends before it begins",
                remedy="put 'to' after 'from'",
            )
        )
    if any(finding.severity == "error" for finding in findings):
        return None
    return Offer(
        id=shape.id,
        title=shape.title,
        audience=Audience(
            tags=frozenset(shape.audience.tags),
            groups=frozenset(shape.audience.groups),
            exclude_tags=frozenset(shape.audience.exclude_tags),
        ),
        schedule=schedule,
        content=tuple(content),
        valid_from=valid_from,
        valid_until=valid_until,
        grace_minutes=shape.grace_minutes,
        source=source,
        about=_about_of(shape),
    )


def _about_of(shape: OfferFile) -> abouts.About:
    declared = shape.about.model_dump() | {"sources": tuple(shape.about.sources)}
    promotes = None if shape.about.promotes is None else shape.about.promotes == "true"
    return abouts.About(**declared | {"promotes": promotes})


def _schedule_of(shape: OfferFile, findings: list[Finding]) -> Schedule:
    recurrence.zone(shape.time_zone)
    if shape.schedule.cron is not None:
        cron = Cron(expression=shape.schedule.cron, time_zone=shape.time_zone)
        try:
            recurrence.check(cron)
        except InvalidSchedule as error:
            findings.append(
                Finding(
                    at=("schedule", "cron"),
                    message=f"the cron expression will not do: {error}",
                    remedy='write minute hour day month weekday, as in "0 20 * * fri"',
                )
            )
        return cron
    moments = []
    for index, written in enumerate(shape.schedule.at or []):
        moment = _moment(written)
        if isinstance(moment, datetime):
            moments.append(moment)
        else:
            findings.append(
                Finding(
                    at=("schedule", "at", index),
                    message=f"{written!r} is not a date with a time",
                    remedy="write it as 2026-11-11 20:00",
                )
            )
    return Moments(at=tuple(moments), time_zone=shape.time_zone)


def _moment(written: str) -> datetime | date | None:
    """A date with a time, a date alone, or None for anything else."""
    try:
        if len(written) == len("2026-11-11"):
            return date.fromisoformat(written)
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    # Years outside of this overflow when moved between time zones.
    return moment if 1970 < moment.year < 9000 else None


def _bound(
    shape: OfferFile, which: Literal["from", "to"], findings: list[Finding]
) -> datetime | None:
    written = shape.valid.from_ if which == "from" else shape.valid.to
    if written is None:
        return None
    moment = _moment(written)
    zone = recurrence.zone(shape.time_zone)
    if isinstance(moment, datetime):
        return moment.astimezone(UTC) if moment.tzinfo else recurrence.instant_of(moment, zone)
    if moment is not None and 1970 < moment.year < 9000:
        day = moment if which == "from" else moment + timedelta(days=1)
        return recurrence.instant_of(datetime.combine(day, time()), zone)
    findings.append(
        Finding(
            at=("valid", which),
            message=f"{written!r} is not a date",
            remedy="write it as 2026-11-11 or 2026-11-11 20:00",
        )
    )
    return None


def _content_of(
    shape: ContentShape, position: int, source: str, context: Context, findings: list[Finding]
) -> Content:
    beside = context.folder / Path(source).parent

    def file(written: str, *field: str) -> str:
        path = (beside / written).resolve()
        message = offer_checks.fault_of_image(path, context.folder)
        if message is not None:
            findings.append(
                Finding(
                    at=("content", position, *field),
                    message=f"image {written!r} {message}",
                    remedy="put a PNG, JPEG, GIF or WebP of at most 10 MB into the offers folder "
                    "and give its path from this file",
                )
            )
        return str(path)

    def thumbnail(written: str, kind: str) -> str:
        is_address = written.startswith(("http://", "https://"))
        return written if is_address or not written else file(written, kind, "thumbnail")

    if shape.link is not None:
        fields = shape.link.model_dump()
        return LinkCard(**fields | {"thumbnail": thumbnail(shape.link.thumbnail, "link")})
    if shape.mini_program is not None:
        fields = shape.mini_program.model_dump()
        preview = thumbnail(shape.mini_program.thumbnail, "mini_program")
        return MiniProgramCard(**fields | {"thumbnail": preview})
    if shape.image is not None:
        return Image(path=file(shape.image, "image"))
    return Text(text=shape.text or "")
