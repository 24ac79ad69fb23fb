"""Content there and back, and text as it is compared."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.messages import (
    Content,
    Image,
    LinkCard,
    Mention,
    MiniProgramCard,
    Other,
    Text,
    content_from_json,
    content_to_json,
    plain,
    text_of,
    with_mentions,
)

words = st.text(max_size=60)
contents = st.one_of(
    st.builds(Text, text=words),
    st.builds(Image, path=words, name=words),
    st.builds(LinkCard, title=words, url=words, description=words, thumbnail=words),
    st.builds(MiniProgramCard, title=words, app_id=words, username=words, page_path=words),
    st.builds(Other, type=words, text=words),
)


@given(contents)
def test_content_survives_json(content: Content) -> None:
    stored = json.loads(json.dumps(content_to_json(content)))
    assert content_from_json(stored) == content


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        content_from_json({"kind": "hologram", "text": "…"})


@given(st.text(max_size=300))
def test_plain_text_is_folded_once_and_for_all(text: str) -> None:
    folded = plain(text)
    assert plain(folded) == folded
    assert folded == " ".join(folded.split())
    assert not set(folded) & set("\u200b\u200d\ufeff\ufe0f\u2060")
    assert unicodedata.is_normalized("NFKC", folded)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ＭＴ－０８　多少钱？", "MT-08 多少钱?"),
        ("防\u200b晒\u2060", "防晒"),
        ("  a \n\t b\u2005c ", "a b c"),
        ("❤️", "❤"),
        ("", ""),
    ],
)
def test_width_spaces_and_invisible_characters_do_not_count(text: str, folded: str) -> None:
    assert plain(text) == folded


def test_a_hundred_thousand_characters_are_folded_too() -> None:
    assert plain("ＡＢ\u200b " * 25_000) == " ".join(["AB"] * 25_000)


@given(contents)
def test_everything_can_be_summed_up_in_words(content: Content) -> None:
    assert isinstance(text_of(content), str)


def test_mentions_stand_in_front_each_with_wechats_space() -> None:
    both = (Mention(external_id="1", name="小满"), Mention(external_id="2", name="王 姐"))
    assert with_mentions("好的", both) == "@小满\u2005@王 姐\u2005好的"
    assert with_mentions("好的", ()) == "好的"
