"""`shequn coupons` as an owner types it."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from owner_at_work import Owner
from sqlalchemy import select

from agent import audit, bootstrap, config
from agent.database import Database
from agent.errors import UsageError
from schedules.coupons import batches, claiming


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner(tmp_path / "shop")


def opened(owner: Owner) -> Database:
    return bootstrap.open_database(config.load(owner.folder / "config.yaml"))


def claimed(owner: Owner, *members: str, batch: str = "spring") -> list[str]:
    """Codes claimed by members, in their order."""
    database = opened(owner)
    codes = []
    with database.transaction() as connection:
        for member in members:
            outcome = claiming.claim(
                connection,
                batch,
                member_key=member,
                group_id=1,
                now=datetime.now(UTC),
                request=member,
            )
            assert isinstance(outcome, claiming.Claimed)
            codes.append(outcome.held.code)
    database.close()
    return codes


def audited(owner: Owner) -> list[tuple[str, str]]:
    database = opened(owner)
    table = audit.audit_entries
    statement = select(table.c.action, table.c.subject).where(table.c.action.like("coupons.%"))
    with database.reading() as connection:
        found = [(row.action, row.subject) for row in connection.execute(statement)]
    database.close()
    return found


def file(owner: Owner, name: str, text: str, encoding: str = "utf-8") -> str:
    path = owner.folder / name
    path.write_text(text, encoding=encoding)
    return str(path)


def creates(owner: Owner, *options: str, batch: str = "spring") -> str:
    return owner.types("coupons", "create", batch, "--offer", "member-day", *options).out


def test_a_batch_is_made_listed_and_shown(owner: Owner) -> None:
    told = creates(owner, "--generate", "300", "--prefix", "HY", "--until", "2027-01-31")
    assert told == "spring: 300 codes\n"
    (listed,) = owner.types("coupons", "list", "--json").json
    assert (listed["codes"], listed["claimed"], listed["remaining"]) == (300, 0, 300)
    shown = owner.types("coupons", "show", "spring", "--json").json
    assert shown["prefix"] == "HY"
    # The whole last day in the community's zone, Tokyo.
    assert shown["expires_at"] == "2027-01-31T15:00:00+00:00"
    assert "remaining: 300" in owner.types("coupons", "show", "spring").out


def test_making_the_same_batch_again_changes_nothing_and_another_is_refused(owner: Owner) -> None:
    creates(owner, "--generate", "50")
    assert creates(owner, "--generate", "50") == "spring: 50 codes\n"
    assert owner.types("coupons", "show", "spring", "--json").json["codes"] == 50
    with pytest.raises(UsageError, match="other terms"):
        creates(owner, "--generate", "51")
    assert audited(owner) == [("coupons.create", "coupons:spring")]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--per", "everybody"), "everybody"),
        (("--generate", "50", "--length", "4"), "can be guessed"),
        (("--from", "2027-02-01", "--until", "2027-01-31"), "begin before"),
        (("--until", "2027-02-31"), "no date"),
    ],
)
def test_terms_that_make_no_sense_are_refused_in_a_line(
    owner: Owner, options: tuple[str, ...], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        creates(owner, *options)
    assert owner.types("coupons", "list", "--json").json == []


def test_codes_are_imported_and_what_is_wrong_is_told_by_line(owner: Owner) -> None:
    creates(owner)
    path = file(owner, "codes.csv", "序号,券码\n1,AAAA1111\n2,6.9E+12\n3,AAAA1111\n", "gb18030")
    done = owner.types("coupons", "import", "spring", path)
    assert done.out == "1 codes imported; 1 duplicates, 1 bad lines\n"
    assert "line 3: number cut short" in done.notes
    assert "line 4: twice in file" in done.notes
    assert "from codes.csv: 1 codes" in owner.types("coupons", "show", "spring").out
    with pytest.raises(UsageError, match="create it first"):
        owner.types("coupons", "import", "autumn", path)
    (owner.folder / "codes.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(UsageError, match="spreadsheet"):
        owner.types("coupons", "import", "spring", str(owner.folder / "codes.xlsx"))


def test_an_import_that_was_killed_goes_on_with_the_same_command(owner: Owner) -> None:
    creates(owner)
    path = file(owner, "codes.txt", "".join(f"K{number:06d}\n" for number in range(100_000)))
    command = ["--config", str(owner.folder / "config.yaml"), "coupons", "import", "spring", path]
    process = subprocess.Popen(
        [sys.executable, "-c", "from agent.cli import main; main()", *command],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.DEVNULL,
    )
    database = opened(owner)
    while process.poll() is None:
        if taken_over(database):
            process.kill()
        time.sleep(0.005)
    before = taken_over(database)
    database.close()
    assert 0 < before < 100_000
    done = owner.types("coupons", "import", "spring", path)
    assert done.out == "100,000 codes imported; 0 duplicates, 0 bad lines\n"
    assert f"going on after line {before:,}" in done.notes


def taken_over(database: Database) -> int:
    with database.reading() as connection:
        kept = batches.find(connection, "spring")
    assert kept is not None
    return kept.codes


def test_an_export_is_for_its_owner_alone(owner: Owner) -> None:
    creates(owner, "--generate", "3")
    (code,) = claimed(owner, "m1")
    path = owner.folder / "out.csv"
    owner.types("coupons", "export", "spring", str(path))
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 3
    assert [(row["code"], row["group"]) for row in rows if row["state"] == "claimed"] == [
        (code, "1")
    ]
    assert path.stat().st_mode & 0o077 == 0
    owner.types("coupons", "export", "spring", str(path), "--claimed")
    assert path.read_text("utf-8-sig").count("\n") == 2
    assert ("coupons.export", "coupons:spring") in audited(owner)


def test_a_shops_file_is_redeemed_once_and_reconciled(owner: Owner) -> None:
    creates(owner, "--generate", "5")
    first, second = claimed(owner, "m1", "m2")
    path = file(
        owner,
        "till.csv",
        "券码,订单号,金额,核销时间,类型\n"
        f"{first},A-1,169.00,2026-11-23 12:00,\n"
        f"{first},A-2,99.90,2026-11-23 13:00,\n"
        f"{second},A-3,50,2026-11-23 13:00,\n"
        f"{second},A-3,,2026-11-23 14:00,退款\n"
        "NOBODYS,A-4,1,2026-11-23 13:00,\n"
        f"{second},A-5,many,2026-11-23 13:00,\n",
    )
    once = owner.types("coupons", "redeem", path, "--source", "till-1", "--json")
    assert once.code == 1  # a line could not be read
    assert "line 7: amount: it is no number" in once.notes
    assert once.json == {
        "bad line": 1,
        "double redemption": 1,
        "redeemed": 2,
        "refunded": 1,
        "unknown code": 1,
    }
    again = owner.types("coupons", "redeem", path, "--source", "till-1", "--json").json
    assert again == {"already recorded": 5, "bad line": 1}
    report = owner.types("coupons", "reconcile", "spring", "--days", "4000", "--json").json
    (batch,) = report["batches"]
    assert (batch["redeemed"], batch["open"], batch["free"]) == (1, 1, 3)
    assert (batch["paid_fen"], batch["refunded_fen"], batch["net_fen"]) == (21_900, 5_000, 16_900)
    assert [event["order"] for event in batch["to_look_at"]] == ["A-2"]
    assert [event["code"] for event in report["unknown_codes"]] == ["NOBODYS"]
    told = owner.types("coupons", "reconcile").out
    assert "¥219.00 paid, ¥50.00 refunded" in told
    assert f"double: {first}, order A-2, ¥99.90 (till-1)" in told


def test_a_closed_batch_gives_out_nothing_until_it_is_opened(owner: Owner) -> None:
    creates(owner, "--generate", "3")
    assert owner.types("coupons", "close", "spring").out == "spring is closed\n"
    assert owner.types("coupons", "close", "spring").out == "spring is closed already\n"
    assert "closed" in owner.types("coupons", "list").out
    assert owner.types("coupons", "close", "spring", "--reopen").out == "spring is open\n"
    assert len(claimed(owner, "m1")) == 1
    assert [action for action, _ in audited(owner)][1:] == ["coupons.close", "coupons.reopen"]


def test_a_batch_that_is_not_there_is_told(owner: Owner) -> None:
    for command in ("show", "close", "reconcile"):
        with pytest.raises(UsageError, match="there is no batch 'none'"):
            owner.types("coupons", command, "none")
    assert "no batches" in owner.types("coupons", "list").out
