"""Text as retrieval sees it: scripts, spellings, the owner's own words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from tea_shop import ANY_GROUP, NOW

from knowledge.index import Index
from knowledge.language import Language, asks_for, plain

Learn = Callable[..., int]
OpenIndex = Callable[..., Index]
SURE = 0.5


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ＶＣ精華 多少錢？[旺柴]", "vc精华 多少钱?"),
        ("新\u200b疆包\u2060邮吗", "新疆包邮吗"),
        ("请问🍵还有吗", "请问 还有吗"),
        ("ﾊﾞｯｸﾞ", "バッグ"),
    ],
)
def test_one_spelling_for_width_script_and_invisible_marks(written: str, read: str) -> None:
    assert plain(written) == read


def test_a_model_number_is_one_word_however_it_is_written() -> None:
    language = Language()
    written = {language.question_terms(plain(form)).words for form in ("MT-05", "mt05", "ＭＴ_05")}
    assert written == {("mt05",)}


def test_a_latin_word_is_no_part_of_a_longer_one() -> None:
    assert " pro " not in Language().searchable("product")
    assert Language().question_terms("checkpoint").words == ("checkpoint",)


def test_opposite_questions_share_no_concept() -> None:
    language = Language()
    opened, sealed = (language.question_terms(text).concepts for text in ("拆封", "没拆封"))
    assert not set(opened) & set(sealed)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("请问一下退款多久能到账呀", "退款多久到账？", True),
        ("玄米茶多少钱", "玄米茶的价格", True),
        ("怎么预约", "为什么要预约", False),
    ],
)
def test_what_a_question_asks_is_compared_without_particles(
    one: str, other: str, same: bool
) -> None:
    language = Language()
    asked = [asks_for(text, language.question_terms(plain(text))) for text in (one, other)]
    assert (asked[0] == asked[1]) is same


def stocked(
    database: sa.Engine, learn: Learn, open_index: OpenIndex, language: Language | None, *faq: str
) -> Index:
    """An index of questions, answered by their number."""
    for number, question in enumerate(faq):
        learn(question, f"第 {number} 号答案，请放心。")
    index = open_index(language, directory=f"index-{language is not None}")
    with database.begin() as connection:
        index.refresh(connection)
    return index


def best(index: Index, question: str) -> str | None:
    found = index.search(question, ANY_GROUP, NOW)
    return found[0].question if found and found[0].score >= SURE else None


def test_a_word_of_the_dictionary_is_kept_whole(
    database: sa.Engine, learn: Learn, open_index: OpenIndex
) -> None:
    shelf = ("想要茶多少钱？", "玄米茶多少钱？", "Switch 2 充电器有吗？", "充电器有吗？")
    # 想要 reads as "I want" to whoever does not know the brand.
    known = stocked(
        database, learn, open_index, Language(dictionary=["想要茶", "Switch 2"]), *shelf
    )
    assert best(known, "想要茶啥价") == "想要茶多少钱？"
    terms = Language(dictionary=["想要茶", "Switch 2"]).question_terms(plain("想要茶 Switch 2"))
    assert terms.words == ("想要茶", "switch2")
    assert Language().question_terms("想要茶").words == ()


def test_another_dictionary_is_another_language() -> None:
    assert Language().fingerprint == Language(dictionary=[]).fingerprint
    assert Language().fingerprint != Language(dictionary=["想要茶"]).fingerprint


JAPANESE = (
    "営業時間は何時から何時までですか？",
    "返品はできますか？",
    "送料はいくらですか？",
    "駐車場はありますか？",
    "予約をキャンセルできますか？",
)
ENGLISH = (
    "What are your opening hours?",
    "How do I return an item?",
    "How much is shipping to Canada?",
    "Do you ship on weekends?",
    "Which credit cards do you accept?",
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("送料いくら？", JAPANESE[2]),
        ("駐車場ある？", JAPANESE[3]),
        ("返品したいんですけどできますか", JAPANESE[1]),
        ("予約のキャンセルってできる？", JAPANESE[4]),
    ],
)
def test_japanese_questions_find_japanese_entries(
    database: sa.Engine, learn: Learn, open_index: OpenIndex, typed: str, meant: str
) -> None:
    assert best(stocked(database, learn, open_index, None, *JAPANESE), typed) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("how much for shipping to canada", ENGLISH[2]),
        ("what credit cards do u accept", ENGLISH[4]),
        ("opening hours?", ENGLISH[0]),
    ],
)
def test_english_questions_find_english_entries(
    database: sa.Engine, learn: Learn, open_index: OpenIndex, typed: str, meant: str
) -> None:
    assert best(stocked(database, learn, open_index, None, *ENGLISH), typed) == meant


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("送料いくらですか", {"新疆包邮吗？", None}),
        ("do you have a swimming pool", {None}),
        ("猫は一緒に泊まれますか", {None}),
        ("How much is the oolong tea?", {None}),
        ("ペットと一緒に入れますか", {None}),
    ],
)
def test_a_question_in_another_language_is_answered_right_or_not_at_all(
    tea_house: Index, typed: str, right: set[str | None]
) -> None:
    assert best(tea_house, typed) in right
