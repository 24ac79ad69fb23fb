"""What members mistype: characters that sound alike, letters of a name, numbers of a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from tea_shop import ANY_GROUP, NOW

from knowledge.answering import DEFAULT_THRESHOLD
from knowledge.index import Index
from knowledge.language import Language
from knowledge.lexical import Lexicon
from knowledge.sounds import sounds_like
from knowledge.spelling import mended

KNOWN = (
    "敏感肌能用玄米面霜吗？",
    "会员有什么优惠？",
    "MT-08 防晒乳多少钱？",
    "Kyotana S2 是什么？",
    "卸妆油怎么用？",
)


@pytest.fixture
def words(tmp_path: Path) -> Lexicon:
    lexicon = Lexicon(tmp_path / "words", Language())
    with lexicon.writing() as writer:
        for number, question in enumerate(KNOWN, 1):
            writer.put(
                entry_id=number, kind="faq", source="test", title="test", heading="",
                question=question, text="请看说明。", tags=(), marks=("all",),
                validity=(None, None), changed=0,
            )  # fmt: skip
    return lexicon


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("敏敢肌能用吗", "敏感肌能用吗"),
        ("会圆有啥优会", "会员有啥优惠"),
        ("卸油妆咋用", "卸妆油咋用"),
        ("防筛乳多少钱", "防晒乳多少钱"),
        ("kyotna是啥", "kyotana是啥"),
        ("mt8多少钱", "mt08多少钱"),
        ("mt 08多少钱", "mt08多少钱"),
        ("mto8多少钱", "mt08多少钱"),
    ],
)
def test_a_slip_is_read_as_what_is_known(words: Lexicon, typed: str, meant: str) -> None:
    assert mended(typed, words, Language()) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "敏感肌能用吗",
        "你们店招人吗",
        "今天天气真好啊",
        "洗面奶和气垫有吗",
        "mt09多少钱",
        "mt-18多少钱",
        "kyoto在哪",
        "s3多少钱",
    ],
)
def test_what_is_no_slip_stays_as_it_was_typed(words: Lexicon, typed: str) -> None:
    assert mended(typed, words, Language()) == typed


def test_a_mistyped_question_is_answered_like_the_one_that_was_meant(
    learn: Callable[..., int], open_index: Callable[..., Index], database: sa.Engine
) -> None:
    learn("会员有什么优惠？", "会员全场 9 折。")
    learn("玄米茶怎么保存？", "密封避光。")
    index = open_index()
    with database.connect() as connection:
        index.refresh(connection)
    (found, *_) = index.search("会圆有啥优会", ANY_GROUP, NOW)
    assert (found.text, found.score > DEFAULT_THRESHOLD) == ("会员全场 9 折。", True)


def test_characters_of_the_second_level_have_their_sound_too() -> None:
    assert "萃" in sounds_like("翠")
    assert "翠" in sounds_like("萃")
