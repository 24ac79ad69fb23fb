"""Codes from files, and marking what ran out."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from coupon_shop import NOON, claims, code_of, made
from sqlalchemy import func, select

from agent.database import Database
from schedules.coupons import batches, importing, reconciling
from schedules.coupons.batches import Batch, State
from schedules.coupons.importing import Fault, Import
from schedules.coupons.tables import coupon_codes


def imported(database: Database, content: bytes, lines: int = 10_000, batch: str = "b") -> Import:
    """A file taken over in pieces of so many lines, a transaction each."""
    file = io.BytesIO(content)
    with database.transaction() as connection:
        batches.create(connection, Batch(id=batch, offer_id="o", title="t"), NOON)
        at = importing.begin(
            connection,
            batch,
            name="codes.csv",
            fingerprint=importing.fingerprint(file),
            now=NOON,
        )
    while at.finished_at is None:
        with database.transaction() as connection:
            at = importing.take_piece(connection, at.id, file, NOON, lines=lines)
    return at


def faults(database: Database, done: Import) -> dict[int, Fault]:
    with database.reading() as connection:
        return {one.line: one.fault for one in importing.findings(connection, done.id)}


def codes(database: Database, batch: str = "b") -> list[str]:
    with database.reading() as connection:
        return [line.code for line in reconciling.lines(connection, batch, claimed_only=False)]


def test_a_text_file_gives_a_code_a_line(database: Database) -> None:
    done = imported(database, b"AAAA-1\r\n\r\n  BBBB-2 \nCCCC_3")
    assert (done.imported, done.duplicates, done.bad, done.line) == (3, 0, 0, 4)
    assert codes(database) == ["AAAA-1", "BBBB-2", "CCCC_3"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_a_table_gives_its_column_of_codes(tmp_path: Path, encoding: str, sign: str) -> None:
    from agent import schema

    database = Database(f"sqlite:///{tmp_path / 'shequn.db'}")
    schema.upgrade(database)
    rows = ["序号,券码,备注", '1,"AAAA1111",给会员', "2,'000123456789,", "3,BBBB2222,满减"]
    text = "\n".join(rows).replace(",", sign)
    done = imported(database, text.encode(encoding))
    assert faults(database, done) == {}
    assert codes(database) == ["000123456789", "AAAA1111", "BBBB2222"]
    database.close()


def test_what_is_no_code_is_told_by_line(database: Database) -> None:
    lines = [
        b"GOOD1111",
        b"=HYPERLINK(1)",
        b"6.90123E+12",
        b"with space",
        b"GOOD1111",
        b"abc",
        b"x" * 9_000,
        b"\xff\xfe\x00garbage",
        "券码一".encode(),
        b"GOOD2222",
    ]
    done = imported(database, b"\n".join(lines))
    assert (done.imported, done.duplicates, done.bad) == (2, 1, 7)
    assert faults(database, done) == {
        2: Fault.NOT_A_CODE,
        3: Fault.A_NUMBER_CUT_SHORT,
        4: Fault.NOT_A_CODE,
        5: Fault.TWICE_IN_FILE,
        6: Fault.NOT_A_CODE,
        7: Fault.TOO_LONG,
        8: Fault.NOT_A_CODE,
        9: Fault.NOT_A_CODE,
    }
    assert codes(database) == ["GOOD1111", "GOOD2222"]


def test_a_code_belongs_to_one_batch(database: Database) -> None:
    imported(database, b"AAAA1\nBBBB2", batch="first")
    second = imported(database, b"BBBB2\nCCCC3", batch="second")
    assert (second.imported, second.duplicates) == (1, 1)
    assert faults(database, second) == {1: Fault.KNOWN}
    assert codes(database, "second") == ["CCCC3"]


@pytest.mark.parametrize(
    "content", ["AAAA1\nBBBB2".encode("utf-16"), b"PK\x03\x04rest", b"AAAA1\x00\x01"]
)
def test_a_file_that_is_no_text_is_refused_with_what_to_do(
    database: Database, content: bytes
) -> None:
    with pytest.raises(importing.UnreadableFile, match="CSV in UTF-8"):
        imported(database, content)
    assert codes(database) == []


def test_an_empty_file_and_one_long_line_come_to_an_end(database: Database) -> None:
    assert imported(database, b"").line == 0
    long = imported(database, b"A" * 1_000_000, batch="c")
    assert (long.line, long.imported, long.bad) == (1, 0, 1)


def test_the_same_file_again_adds_nothing(database: Database) -> None:
    content = b"".join(b"CODE%05d\n" % number for number in range(300))
    assert imported(database, content, lines=70).imported == 300
    again = imported(database, content, lines=110)
    assert (again.imported, again.duplicates) == (0, 300)
    with database.reading() as connection:
        kept = batches.find(connection, "b")
    assert kept is not None
    assert kept.codes == 300


def test_findings_are_kept_for_a_thousand_lines_and_counted_for_all(database: Database) -> None:
    done = imported(database, b"?\n" * 2_500, lines=600)
    assert done.bad == 2_500
    assert sorted(faults(database, done)) == list(range(1, 1_001))


IMPORTING_PROCESS = """
import sys
from datetime import datetime, UTC
from agent.database import Database
from schedules.coupons import importing

database = Database(sys.argv[1])
now = datetime.now(UTC)
with open(sys.argv[2], "rb") as file:
    with database.transaction() as connection:
        at = importing.begin(connection, "b", name="codes", now=now,
                             fingerprint=importing.fingerprint(file))
    while at.finished_at is None:
        with database.transaction() as connection:
            at = importing.take_piece(connection, at.id, file, now, lines=500)
"""


def test_an_import_of_20000_codes_survives_being_killed(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "codes.txt"
    wanted = [f"K{number:06d}" for number in range(20_000)]
    # Every thousandth line is there again later on.
    path.write_text("\n".join(wanted + wanted[::1_000]) + "\n", encoding="ascii")
    with database.transaction() as connection:
        batches.create(connection, Batch(id="b", offer_id="o", title="t"), NOON)
    kills = 0
    count = select(func.count()).select_from(coupon_codes)
    while True:
        process = import_process(database, path)
        threshold = 4_000 * (kills + 1)
        while process.poll() is None and kills < 2:
            with database.reading() as connection:
                if (connection.scalar(count) or 0) >= threshold:
                    process.send_signal(signal.SIGKILL)
                    break
            time.sleep(0.005)
        if process.wait(timeout=120) == 0:
            break
        kills += 1
    assert kills > 0
    with database.reading() as connection:
        (done,) = importing.imports_of(connection, "b")
        kept = batches.find(connection, "b")
        found = importing.findings(connection, done.id)
    assert (done.line, done.imported, done.duplicates, done.bad) == (20_020, 20_000, 20, 0)
    assert kept is not None
    assert kept.codes == 20_000
    assert {one.fault for one in found} == {Fault.KNOWN}
    assert codes(database) == wanted


def import_process(database: Database, path: Path) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", IMPORTING_PROCESS, database.url, str(path)],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=root,
    )


def test_two_processes_may_import_the_same_file_at_once(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "codes.txt"
    path.write_text("\n".join(f"K{number:05d}" for number in range(6_000)), encoding="ascii")
    with database.transaction() as connection:
        batches.create(connection, Batch(id="b", offer_id="o", title="t"), NOON)
    processes = [import_process(database, path) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert codes(database) == [f"K{number:05d}" for number in range(6_000)]


def test_claims_go_on_while_codes_are_imported(database: Database) -> None:
    with database.transaction() as connection:
        made(connection, codes=["FIRST1"])
        assert code_of(claims(connection, "m1")) == "FIRST1"
        assert not isinstance(claims(connection, "m2"), type(claims(connection, "m1")))
        assert batches.add_codes(connection, "spring", {"NEXT22", "FIRST1"}) == {"NEXT22"}
        assert code_of(claims(connection, "m2")) == "NEXT22"


def test_what_ran_out_is_marked_in_pieces_and_once(database: Database) -> None:
    with database.transaction() as connection:
        made(connection, codes=5, valid_days=1)
        for member in ("m1", "m2", "m3"):
            claims(connection, member)
        later = NOON + timedelta(days=3)
        assert reconciling.expire(connection, NOON) == 0
        assert reconciling.expire(connection, later, limit=2) == 2
        assert reconciling.expire(connection, later, limit=2) == 1
        assert reconciling.expire(connection, later) == 0
        lines = list(reconciling.lines(connection, "spring", claimed_only=True))
    assert [line.state for line in lines] == [State.EXPIRED] * 3
