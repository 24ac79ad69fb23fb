"""Editing the catalog by hand, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from tea_shop import NOW

from knowledge import catalog
from knowledge.audience import SearchScope, everybody, for_group, for_tags
from knowledge.catalog import EntryState, Scope, Selection


@pytest.fixture
def connection(database_url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(database_url)
    catalog.metadata.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def add(connection: sa.Connection, question: str, answer: str = "答", **more: object) -> int:
    scope = more.pop("scope", everybody())
    assert isinstance(scope, Scope)
    return catalog.add_entry(
        connection, question=question, answer=answer, source="test", scope=scope, now=NOW, **more  # type: ignore[arg-type]
    )  # fmt: skip


def questions(connection: sa.Connection, **wanted: object) -> list[str | None]:
    selection = Selection(**wanted)  # type: ignore[arg-type]
    found = catalog.selected(connection, selection)
    assert catalog.count(connection, selection) == len(found)
    return [entry.question for entry in found]


def test_approving_a_draft_replaces_the_live_entry(connection: sa.Connection) -> None:
    live = add(connection, "一二", "旧")
    draft = add(connection, "一二", "新", draft=True)
    assert catalog.get(connection, live).live
    seen = catalog.revision(connection)
    assert catalog.approve(connection, draft, NOW) == live
    assert catalog.get(connection, live).state is EntryState.REPLACED
    assert catalog.get(connection, draft).version == 2
    changed = catalog.changes_since(connection, seen, limit=10)
    assert {(entry.id, entry.live) for entry in changed} == {(live, False), (draft, True)}


def test_a_draft_without_a_live_entry_replaces_none(connection: sa.Connection) -> None:
    assert catalog.approve(connection, add(connection, "一二", draft=True), NOW) is None


def test_an_edited_draft_stays_a_draft(connection: sa.Connection) -> None:
    draft = add(connection, "一二", draft=True)
    edited = catalog.edit(connection, draft, now=NOW, answer="好")
    assert catalog.get(connection, edited).state is EntryState.DRAFT


def test_history_follows_an_entry_whose_question_and_audience_changed(
    connection: sa.Connection,
) -> None:
    first = add(connection, "一二")
    second = catalog.edit(connection, first, now=NOW, question="三四", scope=for_tags("vip"))
    third = catalog.edit(connection, second, now=NOW, question="五六")
    add(connection, "七八")
    for entry_id in (first, second, third):
        versions = catalog.history(connection, entry_id)
        assert [version.id for version in versions] == [first, second, third]


def test_the_language_follows_the_words_unless_it_was_given(connection: sa.Connection) -> None:
    told = catalog.edit(
        connection, add(connection, "一二"), now=NOW, question="なに", answer="はい"
    )
    assert catalog.get(connection, told).language == "ja"
    given = catalog.edit(connection, add(connection, "三四", language="ja"), now=NOW, answer="五六")
    assert catalog.get(connection, given).language == "ja"


def test_a_limit_of_validity_can_be_taken_away(connection: sa.Connection) -> None:
    entry = add(connection, "一二", valid_from=NOW, valid_to=NOW + timedelta(days=1))
    edited = catalog.get(connection, catalog.edit(connection, entry, now=NOW, clear=["valid_to"]))
    assert (edited.valid_from, edited.valid_to) == (NOW, None)


def test_entries_are_selected_by_audience(connection: sa.Connection) -> None:
    add(connection, "大家")
    add(connection, "会员", scope=for_tags("vip", "tokyo"))
    add(connection, "大写", scope=for_tags("VIP"))
    add(connection, "一群", scope=for_group("群%"))
    add(connection, "二群", scope=for_group("群x"))
    assert questions(connection, scope=for_tags("vip")) == ["会员"]
    assert questions(connection, scope=for_group("群%")) == ["一群"]
    assert questions(connection, scope=everybody()) == ["大家"]
    vip = SearchScope(group="群x", tags=frozenset({"vip", "other"}))
    assert questions(connection, seen_by=vip) == ["大家", "会员", "二群"]
    assert questions(connection, seen_by=SearchScope(group="无")) == ["大家"]


def test_entries_are_selected_by_text_and_end_of_validity(connection: sa.Connection) -> None:
    add(connection, "MT-01 多少钱", "99 元")
    add(connection, "折扣", "100% 真的", valid_to=NOW + timedelta(days=3))
    add(connection, "过期", "没了", valid_to=NOW - timedelta(days=3))
    assert questions(connection, containing="mt-01") == ["MT-01 多少钱"]
    assert questions(connection, containing="0%") == ["折扣"]
    assert questions(connection, ends_before=NOW) == ["过期"]
    week = NOW + timedelta(days=7)
    assert questions(connection, ends_from=NOW, ends_before=week) == ["折扣"]
    assert catalog.count_by_source(connection) == {"test": 3}
