"""Tracked links: where they may lead, and counting without knowing anybody."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest
from coupon_shop import NOON, at
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from agent.database import Database
from agent.errors import StorageUnavailable
from schedules.links import following, making, qr
from schedules.links.following import DayTotal, LinkExpired, Redirect, UnknownLink
from schedules.links.making import BadAddress, HostNotAllowed, Link, Made
from schedules.links.tables import link_salts, link_visitors, tracked_links
from schedules.links.visitors import Visitor, kind_of

SHOP = "https://shop.example.cn/sale?id=7"
ALLOWED = ["shop.example.cn", "*.wx.example.cn", "pay.example.cn:8443"]
WECHAT = (
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36 "
    "MicroMessenger/8.0.50 WeChat/arm64 Weixin NetType/WIFI Language/zh_CN"
)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"


def made(database: Database, *groups: int | None, url: str = SHOP, **terms: object) -> list[Link]:
    values = {"offer_id": "member-day", "time_zone": "Asia/Shanghai", "now": NOON} | terms
    with database.transaction() as connection:
        outcome = making.make(
            connection,
            url,
            group_ids=groups or (1,),
            allowed_hosts=ALLOWED,
            **values,  # type: ignore[arg-type]
        )
    assert isinstance(outcome, Made)
    return list(outcome.links)


def follows(database: Database, link: Link, **changed: object) -> object:
    request = {
        "method": "GET",
        "user_agent": WECHAT,
        "address": "203.0.113.7",
        "now": NOON,
    } | changed
    with database.transaction() as connection:
        return following.follow(connection, link.token, **request)  # type: ignore[arg-type]


def totals(database: Database) -> list[DayTotal]:
    with database.reading() as connection:
        return following.totals(connection, offer_id="member-day")


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.cn",
        "https://SHOP.example.cn/a#b",
        "https://shop.example.cn:443/",
        "https://a.wx.example.cn/x",
        "https://a.b.wx.example.cn/x",
        "https://pay.example.cn:8443/",
    ],
)
def test_a_link_leads_to_an_allowed_host(url: str) -> None:
    assert making.check(url, ALLOWED) is None


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://evil.example/", "evil.example"),
        ("https://shop.example.cn.evil.example/", "shop.example.cn.evil.example"),
        ("https://evilshop.example.cn/", "evilshop.example.cn"),
        ("https://wx.example.cn/", "wx.example.cn"),  # *. is what is below it
        ("https://evilwx.example.cn/", "evilwx.example.cn"),
        ("https://shop.example.cn:8443/", "shop.example.cn:8443"),
        ("https://pay.example.cn/", "pay.example.cn"),
        ("https://[::1]/", "::1"),
        ("https://127.0.0.1/", "127.0.0.1"),
    ],
)
def test_a_link_leads_nowhere_else(url: str, host: str) -> None:
    assert making.check(url, ALLOWED) == HostNotAllowed(host=host)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.cn/",
        "javascript:alert(1)",
        "//shop.example.cn/",
        "https:/shop.example.cn",
        "https:///shop.example.cn",
        "https://shop.example.cn@evil.example/",
        "https://evil.example\\@shop.example.cn/",
        "https://shop.example.cn\n.evil.example/",
        "https://shop.example.cn/ space",
        "https://shop。example。cn/",
        "https://shop.example.cn:port/",
        "https://shop.example.cn./",
        "https://[shop.example.cn/",
        "https://shop.example.cn/" + "a" * 2_000,
        "",
    ],
)
def test_an_address_that_could_be_read_in_two_ways_is_refused(url: str) -> None:
    assert isinstance(making.check(url, ALLOWED), BadAddress)


def test_a_refused_address_makes_no_link(database: Database) -> None:
    with database.transaction() as connection:
        outcome = making.make(
            connection,
            "https://evil.example/",
            offer_id="o",
            group_ids=[1, 2],
            allowed_hosts=ALLOWED,
            time_zone="Asia/Shanghai",
            now=NOON,
        )
        assert outcome == HostNotAllowed(host="evil.example")
        assert connection.execute(select(tracked_links)).all() == []


def test_each_group_has_a_link_of_its_own_made_once(database: Database) -> None:
    first = made(database, 1, 2, None)
    again = made(database, 2, None, 3)
    other_offer = made(database, 1, offer_id="flash-sale")
    assert [link.group_id for link in first] == [1, 2, None]
    assert again[:2] == first[1:]
    tokens = {link.token for link in (*first, *again, *other_offer)}
    assert len(tokens) == 5
    assert all(len(token) == 10 and token.isalnum() for token in tokens)


def test_two_thousand_groups_get_their_links(database: Database) -> None:
    links = made(database, *range(1, 2_001))
    assert [link.group_id for link in links] == list(range(1, 2_001))
    assert len({link.token for link in links}) == 2_000


def test_a_link_redirects_to_its_address_and_nowhere_else(database: Database) -> None:
    (link,) = made(database)
    assert follows(database, link) == Redirect(url=SHOP, counted_as=Visitor.PERSON)
    with database.transaction() as connection:
        unknown = following.follow(
            connection,
            "https://evil.example",
            method="GET",
            user_agent=WECHAT,
            address="203.0.113.7",
            now=NOON,
        )
    assert unknown == UnknownLink()


def test_a_link_ends_with_its_offer(database: Database) -> None:
    ends = NOON + timedelta(days=1)
    (link,) = made(database, expires_at=ends)
    before = ends - timedelta(microseconds=1)
    assert isinstance(follows(database, link, now=before), Redirect)
    assert follows(database, link, now=ends) == LinkExpired(ended_at=ends, offer_id="member-day")


@pytest.mark.parametrize(
    ("method", "user_agent", "purpose", "who"),
    [
        ("GET", WECHAT, "", Visitor.PERSON),
        ("GET", IPHONE, "", Visitor.PERSON),
        ("GET", WECHAT.replace("Android 14", "Android 14; CUBOT X30"), "", Visitor.PERSON),
        ("HEAD", WECHAT, "", Visitor.PREVIEW),
        ("GET", WECHAT, "prefetch;prerender", Visitor.PREVIEW),
        ("GET", "facebookexternalhit/1.1;line-poker/1.0", "", Visitor.PREVIEW),
        ("GET", "DingTalkBot-LinkService/1.0", "", Visitor.PREVIEW),
        ("GET", "Mozilla/5.0 (compatible; Baiduspider/2.0)", "", Visitor.BOT),
        ("GET", "Mozilla/5.0 (compatible; Googlebot/2.1)", "", Visitor.BOT),
        ("GET", "curl/8.5.0", "", Visitor.BOT),
        ("GET", "", "", Visitor.BOT),
        ("OPTIONS", WECHAT, "", Visitor.BOT),
    ],
)
def test_people_are_told_from_previews_and_machines(
    method: str, user_agent: str, purpose: str, who: Visitor
) -> None:
    assert kind_of(method=method, user_agent=user_agent, purpose=purpose) is who


def test_clicks_and_visitors_are_counted_by_group_and_day(database: Database) -> None:
    one, two = made(database, 1, 2)
    tomorrow = NOON + timedelta(days=1)
    follows(database, one)
    follows(database, one)
    follows(database, one, address="203.0.113.8")
    follows(database, one, user_agent=IPHONE)
    follows(database, one, method="HEAD")
    follows(database, one, user_agent="curl/8")
    follows(database, one, now=tomorrow)
    follows(database, two, user_agent="")
    day, next_day = date(2026, 11, 23), date(2026, 11, 24)
    figures = [
        (each.group_id, each.day, each.clicks, each.visitors, each.previews, each.bots)
        for each in totals(database)
    ]
    assert figures == [(1, day, 4, 3, 1, 1), (1, next_day, 1, 1, 0, 0), (2, day, 0, 0, 0, 1)]
    with database.reading() as connection:
        later = following.totals(connection, group_id=1, since=next_day)
        earlier = following.totals(connection, group_id=1, until=next_day)
    assert [each.clicks for each in (*later, *earlier)] == [1, 4]


def test_days_are_those_of_the_groups_zone(database: Database) -> None:
    (tokyo,) = made(database, 1, time_zone="Asia/Tokyo")
    (shanghai,) = made(database, 2)
    late = at("2026-12-31T23:30")  # half past midnight in Tokyo
    follows(database, tokyo, now=late)
    follows(database, shanghai, now=late)
    assert [(each.group_id, each.day) for each in totals(database)] == [
        (1, date(2027, 1, 1)),
        (2, date(2026, 12, 31)),
    ]


def test_nothing_of_a_visitor_is_kept_and_the_days_salt_is_forgotten(database: Database) -> None:
    (link,) = made(database)
    follows(database, link)
    with database.transaction() as connection:
        (kept,) = connection.execute(select(link_visitors)).all()
        (salt,) = connection.execute(select(link_salts)).all()
        assert len(kept.visitor) == 16
        assert b"203.0.113.7" not in kept.visitor
        midnight = at("2026-11-24T00:00")
        assert following.forget(connection, midnight - timedelta(microseconds=1)) == 0
        assert following.forget(connection, midnight) == 1
        assert connection.execute(select(link_visitors)).all() == []
        assert connection.execute(select(link_salts)).all() == []
    follows(database, link, now=midnight)
    with database.reading() as connection:
        (new,) = connection.execute(select(link_salts)).all()
        (seen,) = connection.execute(select(link_visitors)).all()
    assert new.salt != salt.salt
    assert seen.visitor != kept.visitor  # the same person, not to be known again
    assert [(each.clicks, each.visitors) for each in totals(database)] == [(1, 1), (1, 1)]


def test_thirty_at_once_are_all_counted(database: Database) -> None:
    (link,) = made(database)
    start = threading.Barrier(30)

    def visitor(number: int) -> None:
        start.wait()
        while True:
            try:
                follows(database, link, address=f"203.0.113.{number // 2}")
                return
            except (StorageUnavailable, OperationalError):
                continue

    threads = [threading.Thread(target=visitor, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(each.clicks, each.visitors) for each in totals(database)] == [(30, 15)]


def test_a_picture_of_an_address_is_made() -> None:
    png = qr.picture("https://t.example.cn/l/AbCdEf4679")
    svg = qr.picture("https://t.example.cn/l/AbCdEf4679", kind="svg")
    assert png.startswith(b"\x89PNG\r\n")
    assert b"<svg" in svg
    with pytest.raises(ValueError, match="1 to 40"):
        qr.picture("https://t.example.cn/", scale=0)
    with pytest.raises(ValueError, match="too large"):
        qr.picture("https://t.example.cn/" + "a" * 4_000)
