"""The record of what products were sold for."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from schedules import price_files, price_history
from schedules.price_history import DayPrice, Deal

NOON = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)


def deal(amount: int, days_ago: float, product: str = "MT-07", currency: str = "CNY") -> Deal:
    at = NOON - timedelta(days=days_ago)
    return Deal(product=product, currency=currency, amount=amount, sold_at=at, source="orders.csv")


def test_the_lowest_price_is_that_of_the_asked_days_product_and_currency(engine: Engine) -> None:
    deals = [
        deal(25_800, 1),
        deal(23_900, 6.9),
        deal(19_900, 7.1),
        deal(9_900, 2, product="MT-16"),
        deal(3_980, 2, currency="JPY"),
    ]
    with engine.begin() as connection:
        assert price_history.record(connection, deals, NOON) == 5
        week_ago = NOON - timedelta(days=7)
        assert price_history.lowest(connection, "MT-07", "CNY", week_ago, NOON) == 23_900
        assert price_history.lowest(connection, "MT-07", "JPY", week_ago, NOON) == 3_980
        assert price_history.lowest(connection, "MT-99", "CNY", week_ago, NOON) is None
        assert price_history.last(connection, "MT-07", "CNY", week_ago) == 19_900


def test_deals_recorded_twice_count_once(engine: Engine) -> None:
    with engine.begin() as connection:
        assert price_history.record(connection, [deal(25_800, 1)], NOON) == 1
        assert price_history.record(connection, [deal(25_800, 1), deal(25_900, 1)], NOON) == 1


def test_days_are_those_of_the_shops_time_zone(engine: Engine) -> None:
    # 15:30 UTC is 23:30 in Shanghai; an hour later it is the next day there.
    late, past_midnight = (NOON + timedelta(hours=h) for h in (3.5, 4.5))
    deals = [
        Deal(product="MT-07", currency="CNY", amount=a, sold_at=at, source="orders.csv")
        for a, at in ((300, late), (200, late), (400, past_midnight))
    ]
    with engine.begin() as connection:
        price_history.record(connection, deals, NOON)
        found = price_history.by_day(
            connection,
            ["MT-07", "MT-99"],
            "CNY",
            NOON,
            NOON + timedelta(days=2),
            time_zone="Asia/Shanghai",
        )
    assert found == {
        "MT-07": (
            DayPrice(day=date(2026, 11, 11), lowest=200),
            DayPrice(day=date(2026, 11, 12), lowest=400),
        )
    }


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"amount": -1}, "not negative"),
        ({"product": " "}, "needs its product"),
        ({"currency": "rmb"}, "no currency"),
        ({"sold_at": datetime(2026, 11, 11)}, "without a time zone"),  # noqa: DTZ001
    ],
)
def test_what_is_no_deal_is_refused(engine: Engine, wrong: dict[str, object], said: str) -> None:
    fields = {"product": "MT-07", "currency": "CNY", "amount": 1, "sold_at": NOON, "source": "x"}
    with engine.begin() as connection, pytest.raises(Exception, match=said):
        price_history.record(connection, [Deal(**fields | wrong)], NOON)  # type: ignore[arg-type]


def test_a_file_of_sales_is_read_in_local_time_and_both_currencies(tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    file.write_text(
        "\ufeffproduct,price,currency,sold_at,note\n"
        "MT-07,239.5,,2026-11-11 20:00,x\n"
        "MT-07,3980,JPY,2026-11-11T20:00+09:00,\n",
        encoding="utf-8",
    )
    first, second = price_files.read(file, "Asia/Shanghai")
    assert (first.currency, first.amount, first.sold_at) == ("CNY", 23_950, NOON)
    assert (second.currency, second.amount) == ("JPY", 3_980)
    assert second.sold_at == NOON - timedelta(hours=1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("MT-07,cheap,CNY,2026-11-11 20:00", ":2: write the price"),
        ("MT-07,1,USD,2026-11-11 20:00", ":2: 'USD' is neither"),
        ("MT-07,1,CNY,yesterday", ":2: write the price"),
        (",1,CNY,2026-11-11 20:00", ":2: a deal needs its product"),
        ("MT-07,-1,CNY,2026-11-11 20:00", ":2: a deal needs"),
        ("MT-07,1.999,CNY,2026-11-11 20:00", ":2: a deal needs"),
        ("MT-07,NaN,CNY,2026-11-11 20:00", ":2: a deal needs"),
        ("MT-07", ":2: write the price"),
    ],
)
def test_a_line_that_is_no_sale_is_told(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "sales.csv"
    file.write_text(f"product,price,currency,sold_at\n{line}\n", encoding="utf-8")
    with pytest.raises(price_files.BrokenPrices, match=said):
        list(price_files.read(file, "Asia/Shanghai"))
