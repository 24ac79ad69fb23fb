"""An offer that falls due while the groups are still to be seen for the first time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from agent import bootstrap, outbox
from agent.config import Group, Pacing, Settings, WebAccount
from agent.events import AccountStatus, Connection, GroupSeen
from agent.timekeeping import ManualClock
from schedules import store

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
OFFER = """
title: 会员之夜
audience: {tags: [vip]}
schedule: {at: 2026-11-20 12:01}
content: [{text: 今晚八点。}]
"""


def community(folder: Path) -> Settings:
    (folder / "offers").mkdir()
    (folder / "offers" / "night.yaml").write_text(OFFER, "utf-8")
    plain = Settings()
    return plain.model_copy(
        update={
            "channels": (WebAccount(kind="web", account="demo"),),
            "groups": (Group(name="会员群", tags=frozenset({"vip"})),),
            "pacing": Pacing(quiet_hours=None),
            "storage": plain.storage.model_copy(update={"data_folder": folder / "var"}),
            "offers": plain.offers.model_copy(update={"folder": folder / "offers"}),
        }
    )


async def test_it_waits_for_them_instead_of_reaching_nobody(tmp_path: Path) -> None:
    clock = ManualClock(NOON + timedelta(seconds=30))
    application = bootstrap.build(community(tmp_path), clock=clock)
    posted = select(outbox.deliveries.c.key)
    try:
        await application.promotions.tick()
        clock.advance(seconds=40)  # ten seconds after it fell due
        await application.promotions.tick()
        with application.database.transaction() as connection:
            assert connection.scalars(posted).all() == []
            states = [one.state.value for one in store.list_occurrences(connection)]
            assert states == ["pending"]
            application.directory.see_account(
                connection,
                AccountStatus(
                    channel="web",
                    account="demo",
                    connection=Connection.online,
                    at=clock.now(),
                    self_id="bot",
                    self_name="小露",
                ),
            )
            application.directory.see_group(
                connection,
                GroupSeen(
                    channel="web", account="demo", group_id="g", name="会员群", at=clock.now()
                ),
            )
        await application.promotions.tick()
        with application.database.reading() as connection:
            assert len(connection.scalars(posted).all()) == 1
    finally:
        application.close()


async def test_an_account_that_stays_away_holds_up_the_others_for_a_minute_only(
    tmp_path: Path,
) -> None:
    clock = ManualClock(NOON)
    application = bootstrap.build(community(tmp_path), clock=clock)
    try:
        await application.promotions.tick()
        clock.advance(minutes=2)
        await application.promotions.tick()
        with application.database.reading() as connection:
            [occurrence] = store.list_occurrences(connection)
            assert occurrence.state.value == "empty"
    finally:
        application.close()
