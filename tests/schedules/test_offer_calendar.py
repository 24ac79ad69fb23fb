"""The calendar: what is planned, claimed, missed and cancelled, on both databases."""

from datetime import datetime, timedelta

import pytest
from offer_samples import NOON, offer, once
from sqlalchemy import Engine

from schedules import store
from schedules.content import Text
from schedules.offers import Audience, Offer, Reason, State
from schedules.store import NotValidThen, SyncReport

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Calendar:
    """One process's view, each step in a transaction of its own."""

    def __init__(self, engine: Engine, worker: str = "worker") -> None:
        self.engine, self.worker = engine, worker

    def sync(self, *offers: Offer, now: datetime, broken: tuple[str, ...] = ()) -> SyncReport:
        with self.engine.begin() as connection:
            return store.sync_offers(connection, offers, now, broken)

    def plan(self, now: datetime, horizon: timedelta = 7 * DAY, limit: int = 10_000) -> int:
        with self.engine.begin() as connection:
            return store.plan(connection, now, horizon, limit)

    def claim(self, now: datetime, limit: int = 100) -> list[datetime]:
        """Claims for a minute; returns what was due when."""
        with self.engine.begin() as connection:
            taken = store.claim_due(connection, now, self.worker, 60, limit)
        return [occurrence.due_at for occurrence in taken]

    def complete(self, due_at: datetime, now: datetime, groups: int = 3) -> bool:
        with self.engine.begin() as connection:
            [found] = [o for o in store.list_occurrences(connection) if o.due_at == due_at]
            return store.complete(connection, found.id, self.worker, groups, now)

    def states(self) -> dict[datetime, tuple[State, Reason | None]]:
        with self.engine.connect() as connection:
            listed = store.list_occurrences(connection, limit=10_000)
        return {occurrence.due_at: (occurrence.state, occurrence.reason) for occurrence in listed}

    def next_due(self, now: datetime) -> datetime | None:
        with self.engine.connect() as connection:
            return store.next_due(connection, now)


@pytest.fixture
def calendar(engine: Engine) -> Calendar:
    return Calendar(engine)


def test_an_occurrence_is_claimed_once_at_its_minute(calendar: Calendar) -> None:
    calendar.sync(once(NOON), now=NOON - HOUR)
    assert calendar.plan(NOON - HOUR) == 1
    assert calendar.claim(NOON - timedelta(microseconds=1)) == []
    assert calendar.claim(NOON) == [NOON]
    assert calendar.claim(NOON) == []
    assert calendar.complete(NOON, NOON)
    assert calendar.claim(NOON + MINUTE) == []
    assert calendar.states() == {NOON: (State.POSTED, None)}


def test_planning_again_adds_nothing(calendar: Calendar) -> None:
    calendar.sync(offer(), now=NOON - HOUR)
    assert calendar.plan(NOON - HOUR, 3 * DAY) == 3
    assert calendar.plan(NOON - HOUR, 3 * DAY) == 0
    assert calendar.plan(NOON - HOUR + DAY, 3 * DAY) == 1


def test_a_long_plan_is_written_in_shares_nearest_moments_first(calendar: Calendar) -> None:
    calendar.sync(offer("0 * * * *", id="a"), offer("30 * * * *", id="b"), now=NOON)
    assert calendar.plan(NOON, 5 * HOUR, limit=4) == 4
    assert sorted(calendar.states()) == [NOON + 30 * MINUTE * n for n in (1, 2, 3, 4)]
    while calendar.plan(NOON, 5 * HOUR, limit=4):
        pass
    assert sorted(calendar.states()) == [NOON + 30 * MINUTE * n for n in range(1, 11)]


def test_a_downtime_shorter_than_the_grace_still_posts(calendar: Calendar) -> None:
    calendar.sync(once(NOON), now=NOON - HOUR)
    calendar.plan(NOON - HOUR)
    assert calendar.claim(NOON + HOUR) == [NOON]


def test_a_downtime_longer_than_the_grace_is_missed_and_visible(calendar: Calendar) -> None:
    calendar.sync(once(NOON), now=NOON - HOUR)
    calendar.plan(NOON - HOUR)
    assert calendar.claim(NOON + HOUR + timedelta(seconds=1)) == []
    assert calendar.states() == {NOON: (State.MISSED, Reason.GRACE_OVER)}


def test_moments_that_passed_unplanned_during_a_downtime_are_accounted_for(
    calendar: Calendar,
) -> None:
    calendar.sync(offer(), now=NOON - HOUR)
    calendar.plan(NOON - HOUR, horizon=2 * HOUR)
    back = NOON + 3 * DAY + 30 * MINUTE
    calendar.plan(back, horizon=2 * HOUR)
    assert calendar.claim(back) == [NOON + 3 * DAY]
    assert calendar.states() == {
        NOON: (State.MISSED, Reason.GRACE_OVER),
        NOON + DAY: (State.MISSED, Reason.GRACE_OVER),
        NOON + 2 * DAY: (State.MISSED, Reason.GRACE_OVER),
        NOON + 3 * DAY: (State.CLAIMED, None),
    }


def test_after_a_downtime_an_offer_is_posted_once_and_not_for_each_missed_moment(
    calendar: Calendar,
) -> None:
    calendar.sync(offer("*/15 * * * *", grace_minutes=40), now=NOON)
    calendar.plan(NOON, horizon=2 * HOUR)
    back = NOON + 62 * MINUTE
    assert calendar.claim(back) == [NOON + HOUR]
    states = calendar.states()
    assert states[NOON + 15 * MINUTE] == (State.MISSED, Reason.GRACE_OVER)
    assert states[NOON + 30 * MINUTE] == (State.MISSED, Reason.SUPERSEDED)
    assert states[NOON + 45 * MINUTE] == (State.MISSED, Reason.SUPERSEDED)
    assert states[NOON + 75 * MINUTE] == (State.PENDING, None)


def test_nothing_is_posted_after_the_validity_even_within_the_grace(calendar: Calendar) -> None:
    calendar.sync(once(NOON, valid_until=NOON + 10 * MINUTE), now=NOON - HOUR)
    calendar.plan(NOON - HOUR)
    assert calendar.claim(NOON + 10 * MINUTE) == []
    assert calendar.states() == {NOON: (State.MISSED, Reason.GRACE_OVER)}


def test_a_lease_that_ran_out_is_taken_over_and_the_first_owner_has_lost_it(
    engine: Engine,
) -> None:
    first, second = Calendar(engine, "first"), Calendar(engine, "second")
    first.sync(once(NOON), now=NOON - HOUR)
    first.plan(NOON - HOUR)
    assert first.claim(NOON) == [NOON]
    assert second.claim(NOON + 59 * MINUTE / 60) == []
    assert second.claim(NOON + MINUTE) == [NOON]
    assert not first.complete(NOON, NOON + MINUTE)
    assert second.complete(NOON, NOON + MINUTE)
    assert calendar_states(first) == [State.POSTED]


def calendar_states(calendar: Calendar) -> list[State]:
    return [state for state, _reason in calendar.states().values()]


def test_a_lease_that_ran_out_past_the_grace_is_missed(calendar: Calendar) -> None:
    calendar.sync(once(NOON, grace_minutes=5), now=NOON - HOUR)
    calendar.plan(NOON - HOUR)
    assert calendar.claim(NOON) == [NOON]
    assert calendar.claim(NOON + 6 * MINUTE) == []
    assert calendar.states() == {NOON: (State.MISSED, Reason.GRACE_OVER)}


def test_a_clock_that_jumps_back_posts_nothing_twice(calendar: Calendar) -> None:
    calendar.sync(offer("0 * * * *"), now=NOON - MINUTE)
    calendar.plan(NOON - MINUTE, horizon=3 * HOUR)
    assert calendar.claim(NOON) == [NOON]
    assert calendar.complete(NOON, NOON)
    for now in (NOON - HOUR, NOON - MINUTE, NOON, NOON + MINUTE):
        calendar.sync(offer("0 * * * *"), now=now)
        calendar.plan(now, horizon=3 * HOUR)
        assert calendar.claim(now) == []
    assert calendar.claim(NOON + HOUR) == [NOON + HOUR]


def test_an_edit_after_the_clock_jumped_back_posts_nothing_twice(calendar: Calendar) -> None:
    calendar.sync(offer("0 * * * *"), now=NOON - MINUTE)
    calendar.plan(NOON - MINUTE, horizon=3 * HOUR)
    assert calendar.claim(NOON) == [NOON]
    assert calendar.complete(NOON, NOON)
    calendar.sync(offer("0,30 * * * *"), now=NOON - 2 * MINUTE)
    assert calendar.plan(NOON - 2 * MINUTE, horizon=HOUR) == 1
    assert calendar.claim(NOON) == []
    assert calendar.claim(NOON + 30 * MINUTE) == [NOON + 30 * MINUTE]


def test_a_clock_that_was_ahead_for_a_while_posts_nothing_twice(calendar: Calendar) -> None:
    calendar.sync(offer("0 * * * *"), now=NOON - MINUTE)
    calendar.plan(NOON - MINUTE, horizon=3 * HOUR)
    ahead = NOON + 2 * HOUR
    assert calendar.claim(ahead) == [ahead]
    assert calendar.complete(ahead, ahead)
    for now in (NOON, NOON + HOUR, ahead):
        calendar.plan(now, horizon=3 * HOUR)
        assert calendar.claim(now) == []
    assert calendar.states()[NOON][0] is State.MISSED


def test_a_vanished_file_cancels_what_was_to_come_and_keeps_what_was(calendar: Calendar) -> None:
    calendar.sync(offer(), now=NOON - HOUR)
    calendar.plan(NOON - HOUR, 2 * DAY)
    calendar.claim(NOON)
    calendar.complete(NOON, NOON)
    report = calendar.sync(now=NOON + HOUR)
    assert (report.removed, report.cancelled_occurrences) == (("double-11",), 1)
    assert calendar.plan(NOON + HOUR) == 0
    assert calendar.claim(NOON + DAY) == []
    assert calendar.states() == {
        NOON: (State.POSTED, None),
        NOON + DAY: (State.CANCELLED, Reason.OFFER_REMOVED),
    }


def test_a_vanished_file_takes_a_claim_with_it(calendar: Calendar) -> None:
    calendar.sync(once(NOON), now=NOON - HOUR)
    calendar.plan(NOON - HOUR)
    calendar.claim(NOON)
    calendar.sync(now=NOON)
    assert not calendar.complete(NOON, NOON)


def test_a_file_that_comes_back_is_scheduled_from_then_on(calendar: Calendar) -> None:
    calendar.sync(offer(), now=NOON - HOUR)
    calendar.plan(NOON - HOUR, 3 * DAY)
    calendar.sync(now=NOON - HOUR)
    assert calendar.sync(offer(), now=NOON + MINUTE).added == ("double-11",)
    assert calendar.plan(NOON + MINUTE, 2 * DAY) == 2
    assert calendar.claim(NOON + MINUTE) == []
    assert calendar.claim(NOON + DAY) == [NOON + DAY]


def test_a_broken_file_holds_its_offer_until_it_is_mended(calendar: Calendar) -> None:
    calendar.sync(once(NOON), now=NOON - HOUR)
    calendar.plan(NOON - HOUR)
    report = calendar.sync(now=NOON - MINUTE, broken=("double-11.yaml",))
    assert (report.held, report.removed) == (("double-11",), ())
    assert calendar.claim(NOON) == []
    assert calendar.next_due(NOON) is None
    calendar.sync(once(NOON), now=NOON + MINUTE)
    assert calendar.claim(NOON + MINUTE) == [NOON]


def test_an_offer_whose_file_stays_broken_is_missed_in_the_end(calendar: Calendar) -> None:
    calendar.sync(once(NOON), now=NOON - HOUR)
    calendar.plan(NOON - HOUR)
    calendar.sync(now=NOON - MINUTE, broken=(".",))
    assert calendar.claim(NOON + 2 * HOUR) == []
    assert calendar.states() == {NOON: (State.MISSED, Reason.GRACE_OVER)}


def test_an_offer_without_a_file_is_left_alone_by_the_folder(calendar: Calendar) -> None:
    calendar.sync(once(NOON, source=None), now=NOON - HOUR)
    calendar.plan(NOON - HOUR)
    assert calendar.sync(now=NOON - MINUTE).removed == ()
    assert calendar.claim(NOON) == [NOON]


def test_a_new_time_replaces_the_old_one_even_while_that_is_claimed(calendar: Calendar) -> None:
    calendar.sync(once(NOON), now=NOON - HOUR)
    calendar.plan(NOON - HOUR)
    assert calendar.claim(NOON) == [NOON]
    report = calendar.sync(once(NOON + 30 * MINUTE), now=NOON)
    assert (report.changed, report.cancelled_occurrences) == (("double-11",), 1)
    assert not calendar.complete(NOON, NOON)
    calendar.plan(NOON)
    assert calendar.claim(NOON + 30 * MINUTE) == [NOON + 30 * MINUTE]
    assert calendar.states()[NOON] == (State.CANCELLED, Reason.SCHEDULE_CHANGED)


def test_changing_only_the_text_leaves_a_claim_and_the_plan_as_they_are(
    calendar: Calendar,
) -> None:
    calendar.sync(once(NOON), now=NOON - HOUR)
    calendar.plan(NOON - HOUR)
    calendar.claim(NOON)
    report = calendar.sync(once(NOON, content=(Text(text="新"),)), now=NOON)
    assert (report.changed, report.cancelled_occurrences) == (("double-11",), 0)
    assert calendar.plan(NOON) == 0
    assert calendar.complete(NOON, NOON)


def test_a_changed_text_after_posting_does_not_post_again(calendar: Calendar) -> None:
    calendar.sync(once(NOON), now=NOON - HOUR)
    calendar.plan(NOON - HOUR)
    calendar.claim(NOON)
    calendar.complete(NOON, NOON)
    calendar.sync(once(NOON, grace_minutes=90, title="双11 返场"), now=NOON + MINUTE)
    calendar.plan(NOON + MINUTE)
    assert calendar.claim(NOON + MINUTE) == []


def test_a_longer_grace_holds_for_what_is_planned_already(calendar: Calendar) -> None:
    calendar.sync(once(NOON), now=NOON - HOUR)
    calendar.plan(NOON - HOUR)
    calendar.sync(once(NOON, grace_minutes=180), now=NOON - MINUTE)
    assert calendar.claim(NOON + 2 * HOUR) == [NOON]


def test_syncing_the_same_folder_changes_nothing(calendar: Calendar) -> None:
    calendar.sync(offer(), now=NOON)
    assert calendar.sync(offer(), now=NOON + DAY) == SyncReport()


def test_a_one_off_in_the_past_is_not_posted(calendar: Calendar) -> None:
    calendar.sync(once(NOON), now=NOON + MINUTE)
    assert calendar.plan(NOON + MINUTE) == 0
    assert calendar.claim(NOON + MINUTE) == []


def test_a_person_can_have_an_offer_posted_out_of_turn(calendar: Calendar) -> None:
    calendar.sync(offer(valid_until=NOON + DAY), now=NOON - HOUR)
    calendar.plan(NOON - HOUR, 2 * DAY)
    at = NOON - 30 * MINUTE
    with calendar.engine.begin() as connection:
        assert store.add_occurrence(connection, "double-11", at, at)
        assert not store.add_occurrence(connection, "double-11", at, at)
        with pytest.raises(NotValidThen):
            store.add_occurrence(connection, "double-11", NOON + 2 * DAY, at)
        with pytest.raises(KeyError):
            store.add_occurrence(connection, "double-12", at, at)
    calendar.sync(offer("0 21 * * *", valid_until=NOON + DAY), now=at)
    assert calendar.claim(at) == [at]


def test_the_next_wake_up_is_the_earliest_moment_or_lease(calendar: Calendar) -> None:
    assert calendar.next_due(NOON) is None
    calendar.sync(offer(), now=NOON - HOUR)
    calendar.plan(NOON - HOUR, 3 * DAY)
    assert calendar.next_due(NOON - HOUR) == NOON
    calendar.claim(NOON)
    assert calendar.next_due(NOON) == NOON + MINUTE
    calendar.complete(NOON, NOON)
    assert calendar.next_due(NOON) == NOON + DAY


def test_claims_come_earliest_first_and_within_the_limit(calendar: Calendar) -> None:
    offers = [once(NOON - n * MINUTE, id=f"offer-{n}") for n in range(5)]
    calendar.sync(*offers, now=NOON - HOUR)
    calendar.plan(NOON - HOUR)
    assert calendar.claim(NOON, limit=2) == [NOON - 4 * MINUTE, NOON - 3 * MINUTE]
    assert calendar.claim(NOON, limit=9) == [NOON - 2 * MINUTE, NOON - MINUTE, NOON]


def test_what_is_listed_is_what_was_written(calendar: Calendar) -> None:
    offers = [offer(id="a", valid_from=NOON - DAY), once(NOON, id="b", title="闪购")]
    calendar.sync(*offers, now=NOON - HOUR)
    calendar.plan(NOON - HOUR, DAY)
    with calendar.engine.connect() as connection:
        listed = store.list_offers(connection, NOON - HOUR)
        occurrences = store.list_occurrences(connection, offer_id="b", states=[State.PENDING])
        none = store.list_occurrences(connection, since=NOON + MINUTE)
    assert [(item.offer, item.next_due_at, item.held) for item in listed] == [
        (offers[0], NOON, False),
        (offers[1], NOON, False),
    ]
    assert [(o.offer, o.due_at, o.expires_at) for o in occurrences] == [
        (offers[1], NOON, NOON + HOUR)
    ]
    assert none == []


def test_a_lease_of_no_length_is_refused(calendar: Calendar) -> None:
    with calendar.engine.begin() as connection, pytest.raises(ValueError, match="lease"):
        store.claim_due(connection, NOON, "worker", 0)


def test_removed_offers_are_listed_when_asked_for(calendar: Calendar) -> None:
    calendar.sync(offer(), now=NOON)
    calendar.sync(now=NOON + MINUTE)
    with calendar.engine.connect() as connection:
        assert store.list_offers(connection, NOON) == []
        [listed] = store.list_offers(connection, NOON, include_removed=True)
    assert (listed.offer.id, listed.removed_at) == ("double-11", NOON + MINUTE)


def test_a_thousand_missed_moments_do_not_keep_others_from_being_claimed(
    calendar: Calendar,
) -> None:
    calendar.sync(offer("* * * * *", id="minutely", grace_minutes=5), now=NOON)
    calendar.plan(NOON, 2 * DAY)
    back = NOON + 2 * DAY
    calendar.sync(offer("* * * * *", id="minutely", grace_minutes=5), once(back, id="b"), now=NOON)
    calendar.plan(NOON, 3 * DAY)
    assert calendar.claim(back) == [back, back]
    with calendar.engine.connect() as connection:
        missed = store.list_occurrences(connection, states=[State.MISSED], limit=10_000)
    reasons = [occurrence.reason for occurrence in missed]
    # Two days of minutes, less the one that is posted and the five still within the grace.
    assert reasons.count(Reason.GRACE_OVER) == 2 * 24 * 60 - 6
    assert reasons.count(Reason.SUPERSEDED) == 5


def test_a_time_without_a_zone_is_refused(calendar: Calendar) -> None:
    with pytest.raises(Exception, match="without a time zone"):
        calendar.sync(offer(), now=NOON.replace(tzinfo=None))


def test_the_audience_is_any_tag_or_name_minus_the_excluded() -> None:
    audience = Audience(
        tags=frozenset({"vip"}), groups=frozenset({"森露群"}), exclude_tags=frozenset({"quiet"})
    )
    assert audience.includes(name="别的群", tags={"vip", "care"})
    assert audience.includes(name="森露群", tags=set())
    assert not audience.includes(name="别的群", tags={"care"})
    assert not audience.includes(name="森露群", tags={"vip", "quiet"})
