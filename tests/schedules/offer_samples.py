"""Offers and groups to test with."""

from datetime import UTC, datetime
from typing import Any

from schedules.content import Text
from schedules.dispatch import Target
from schedules.offers import Audience, Offer
from schedules.recurrence import Cron, Moments

# A Wednesday noon in UTC, 20:00 in Shanghai.
NOON = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)

VIP = Target(group_id=1, name="会员福利群", tags=frozenset({"vip"}))
CARE = Target(group_id=2, name="护肤交流群", tags=frozenset({"care"}))
BOTH = Target(group_id=3, name="老会员群", tags=frozenset({"vip", "care"}))


def offer(cron: str | None = "0 20 * * *", **changes: Any) -> Offer:
    """「双11」 for the tag vip, by default every day at 20:00 in Shanghai, an hour of grace."""
    fields: dict[str, Any] = {
        "id": "double-11",
        "title": "双11",
        "audience": Audience(tags=frozenset({"vip"})),
        "content": (Text(text="满 500 减 80"),),
        "source": f"{changes.get('id', 'double-11')}.yaml",
    }
    if cron is not None:
        fields["schedule"] = Cron(expression=cron, time_zone="Asia/Shanghai")
    return Offer(**fields | changes)


def once(*at: datetime, **changes: Any) -> Offer:
    """The same offer at fixed times."""
    return offer(None, schedule=Moments(at=at, time_zone="Asia/Shanghai"), **changes)
