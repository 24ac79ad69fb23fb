"""Codes from a file: a text file with one code a line, or CSV with a column of codes.

The file is read piece by piece, and how far it was read is kept with the codes: a transaction for
each piece, and who was killed goes on after the last piece that was committed.
"""

import csv
import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, BinaryIO

from sqlalchemy import Connection, select, update

from schedules.coupons import batches
from schedules.coupons.codes import is_code
from schedules.coupons.tables import coupon_import_findings, coupon_imports

_import = coupon_imports.c
_LINES = 10_000
_LONGEST_LINE = 4_096
_FINDINGS = 1_000
_HEADERS = frozenset(
    {"code", "codes", "coupon", "coupon_code", "券码", "优惠码", "兑换码", "核销码"}
)
_UNREADABLE = {
    b"\xff\xfe": "is UTF-16 text",
    b"\xfe\xff": "is UTF-16 text",
    b"PK\x03\x04": "is a spreadsheet or an archive",
    b"\xd0\xcf\x11\xe0": "is a spreadsheet",
}


class Fault(StrEnum):
    """What is wrong with a line."""

    NOT_A_CODE = "not_a_code"
    A_NUMBER_CUT_SHORT = "number_cut_short"  # 6.90123E+12, as spreadsheets save long numbers
    TOO_LONG = "too_long"
    TWICE_IN_FILE = "twice_in_file"  # in the same piece of it
    KNOWN = "known"  # on record already, in this batch or another, or from earlier in the file


class UnreadableFile(ValueError):
    """No text that could hold codes; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Import:
    """How far a file was taken over. ``position`` counts bytes, ``line`` lines."""

    id: int
    batch_id: str
    name: str
    fingerprint: str
    position: int
    line: int
    imported: int
    duplicates: int
    bad: int
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A line that gave no code. Kept for the first thousand of an import; counted for all."""

    line: int
    fault: Fault


def fingerprint(file: BinaryIO) -> str:
    """The SHA-256 of the file, read from its beginning."""
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def begin(
    connection: Connection, batch_id: str, *, name: str, fingerprint: str, now: datetime
) -> Import:
    """Begin to import a file, or find the unfinished import of the same file.

    Raises KeyError for an unknown batch.
    """
    if batches.locked(connection, batch_id) is None:
        raise KeyError(batch_id)
    unfinished = select(coupon_imports).where(
        _import.batch_id == batch_id,
        _import.fingerprint == fingerprint,
        _import.finished_at.is_(None),
    )
    for row in connection.execute(unfinished.order_by(_import.id)):
        return _read(row)
    begun = connection.execute(
        coupon_imports.insert()
        .values(
            batch_id=batch_id,
            name=name,
            fingerprint=fingerprint,
            position=0,
            line=0,
            code_column=0,
            imported=0,
            duplicates=0,
            bad=0,
            started_at=now,
        )
        .returning(coupon_imports)
    )
    return _read(begun.one())


def take_piece(
    connection: Connection, import_id: int, file: BinaryIO, now: datetime, lines: int = _LINES
) -> Import:
    """Take over the next ``lines`` lines of the file that the import was begun for.

    Call it, a transaction each, until the import is finished. Two processes may do so at once.
    Raises UnreadableFile, before anything of the file is taken.
    """
    statement = select(coupon_imports).where(_import.id == import_id).with_for_update()
    row = connection.execute(statement).one()
    if row.finished_at is not None:
        return _read(row)
    piece = _Piece(line=row.line, column=row.code_column)
    file.seek(row.position)
    if row.position == 0:
        _refuse_unreadable(file)
    for _ in range(lines):
        raw = file.readline(_LONGEST_LINE)
        if not raw:
            break
        too_long = _skip_rest(file, raw)
        piece.add(raw, too_long)
    fresh = batches.add_codes(connection, row.batch_id, set(piece.codes))
    piece.faults += [(line, Fault.KNOWN) for code, line in piece.codes.items() if code not in fresh]
    duplicates = sum(fault in (Fault.TWICE_IN_FILE, Fault.KNOWN) for _, fault in piece.faults)
    known_findings = row.duplicates + row.bad
    _keep(connection, import_id, piece.faults, max(0, _FINDINGS - known_findings))
    taken = connection.execute(
        update(coupon_imports)
        .where(_import.id == import_id, _import.position == row.position)
        .values(
            position=file.tell(),
            line=piece.line,
            code_column=piece.column,
            imported=row.imported + len(fresh),
            duplicates=row.duplicates + duplicates,
            bad=row.bad + len(piece.faults) - duplicates,
            finished_at=None if file.read(1) else now,
        )
        .returning(coupon_imports)
    )
    return _read(taken.one())


def findings(connection: Connection, import_id: int) -> list[Finding]:
    """The lines that gave no code, in the order of the file; at most the first thousand."""
    table = coupon_import_findings
    statement = select(table).where(table.c.import_id == import_id).order_by(table.c.line)
    return [
        Finding(line=row.line, fault=Fault(row.problem)) for row in connection.execute(statement)
    ]


def imports_of(connection: Connection, batch_id: str) -> list[Import]:
    """Every import into a batch, oldest first."""
    statement = select(coupon_imports).where(_import.batch_id == batch_id).order_by(_import.id)
    return [_read(row) for row in connection.execute(statement)]


class _Piece:
    """Codes and faults found in some lines."""

    def __init__(self, *, line: int, column: int) -> None:
        self.line, self.column = line, column
        self.codes: dict[str, int] = {}
        self.faults: list[tuple[int, Fault]] = []

    def add(self, raw: bytes, too_long: bool) -> None:
        self.line += 1
        if too_long:
            self.faults.append((self.line, Fault.TOO_LONG))
            return
        cells = _cells(raw)
        if self.line == 1 and (headed := _code_column(cells)) is not None:
            self.column = headed
            return
        if not any(cells):
            return
        code = cells[self.column] if self.column < len(cells) else ""
        if not is_code(code):
            self.faults.append((self.line, _fault_of(code)))
        elif code in self.codes:
            self.faults.append((self.line, Fault.TWICE_IN_FILE))
        else:
            self.codes[code] = self.line


def _cells(raw: bytes) -> list[str]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("gb18030", "replace")  # what spreadsheets in China save CSV as
    text = text.strip("\r\n")
    delimiter = next((sign for sign in "\t;" if sign in text), ",")
    try:
        read = next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        return [text.strip()]
    # A tab or apostrophe before a number keeps a spreadsheet from rounding it.
    return [cell.strip().lstrip("'").strip() for cell in read]


def _code_column(cells: list[str]) -> int | None:
    return next((at for at, cell in enumerate(cells) if cell.casefold() in _HEADERS), None)


def _fault_of(code: str) -> Fault:
    mantissa, sign, exponent = code.upper().partition("E+")
    if sign and exponent.isdigit() and mantissa.replace(".", "").isdigit():
        return Fault.A_NUMBER_CUT_SHORT
    return Fault.NOT_A_CODE


def _skip_rest(file: BinaryIO, raw: bytes) -> bool:
    """Whether the line goes on after ``raw``; its rest is passed over."""
    if raw.endswith(b"\n") or len(raw) < _LONGEST_LINE:
        return False
    while rest := file.readline(_LONGEST_LINE):
        if rest.endswith(b"\n"):
            break
    return True


def _refuse_unreadable(file: BinaryIO) -> None:
    beginning = file.read(512)
    file.seek(0)
    for sign, what in _UNREADABLE.items():
        if beginning.startswith(sign):
            raise UnreadableFile(f"the file {what}; save it as CSV in UTF-8")
    if b"\x00" in beginning:
        raise UnreadableFile("the file is no text; save the codes as CSV in UTF-8")


def _keep(
    connection: Connection, import_id: int, faults: list[tuple[int, Fault]], most: int
) -> None:
    rows = [
        {"import_id": import_id, "line": line, "problem": fault}
        for line, fault in sorted(faults)[:most]
    ]
    if rows:
        connection.execute(coupon_import_findings.insert(), rows)


def _read(row: Any) -> Import:
    return Import(**{name: row._mapping[name] for name in Import.__dataclass_fields__})
