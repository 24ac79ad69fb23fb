"""What is masked before a text leaves, and that it comes back as it was."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from re._parser import parse  # type: ignore[import-not-found]  # how the patterns are built
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.compliance import addresses, numbers, people
from agent.compliance.privacy import mask
from knowledge.egress import PLACEHOLDER, Masked

_MARK = re.compile("⟦([A-Z_]+):(.*?)⟧", re.S)
_WRITTEN = (Path(__file__).parents[1] / "data" / "private_messages.txt").read_text("utf-8")
_RECOGNISED, _, _MISSED = _WRITTEN.partition("# --- not recognised yet")


def _messages(part: str) -> list[str]:
    return [line for line in part.split("\n") if line and not line.startswith("#")]


def _plain(marked: str) -> str:
    return _MARK.sub(lambda found: found[2], marked)


def _found(masked: Masked) -> set[tuple[str, str]]:
    return {(name[1 : name.rindex("_")], value) for name, value in masked.originals.items()}


@pytest.mark.parametrize("marked", _messages(_RECOGNISED))
def test_personal_data_is_masked_and_nothing_else(marked: str) -> None:
    masked = mask([_plain(marked)])
    assert _found(masked) == set(_MARK.findall(marked)), masked.texts[0]
    assert masked.restored(masked.texts[0]) == _plain(marked)


def test_what_is_not_recognised_yet_is_still_not_recognised() -> None:
    """Lines that pass move up in the file."""
    assert _messages(_MISSED)
    for marked in _messages(_MISSED):
        assert _found(mask([_plain(marked)])) != set(_MARK.findall(marked)), marked


@pytest.mark.parametrize(
    "written",
    ["139\n1234\n5678", "1391234\r\n5678", "139\u200b1234\u200d5678", "139\u20601234\ufeff5678",
     "１３９ー１２３４ー５６７８".replace("ー", "－"), "139—1234—5678", "(139)12345678",
     "1\ufe0f\u20e33\ufe0f\u20e39\ufe0f\u20e31\ufe0f\u20e32\ufe0f\u20e33\ufe0f\u20e34\ufe0f\u20e3"
     "5\ufe0f\u20e36\ufe0f\u20e37\ufe0f\u20e38", "①③⑨①②③④⑤⑥⑦⑧", "壹叁玖壹贰叁肆伍陆柒捌"],
)  # fmt: skip
def test_a_phone_number_is_found_however_it_is_disguised(written: str) -> None:
    text = f"加我 {written} 谢谢"
    masked = mask([text])
    assert masked.texts == ("加我 <PHONE_1> 谢谢",)
    assert masked.restored("好的，<PHONE_1>") == f"好的，{written}"


def test_one_value_has_one_placeholder_in_all_texts() -> None:
    masked = mask(["我是13912345678", "打 13912345678 或 15012345678", "没有号码"])
    assert masked.texts == ("我是<PHONE_1>", "打 <PHONE_1> 或 <PHONE_2>", "没有号码")
    assert masked.kinds == {"PHONE": 2}


def test_ten_placeholders_are_each_put_back_whole() -> None:
    phones = [f"139123456{n:02}" for n in range(12)]
    masked = mask(["，".join(phones)])
    assert masked.texts[0].endswith("<PHONE_10>，<PHONE_11>，<PHONE_12>")
    assert masked.restored("<PHONE_12> <PHONE_1>") == "13912345611 13912345600"


def test_what_somebody_typed_like_a_placeholder_stays_theirs() -> None:
    masked = mask(["<PHONE_1>是什么？我的是13912345678"])
    assert masked.texts == ("<PHONE_1>是什么？我的是<PHONE_2>",)
    assert masked.restored("<PHONE_1> <PHONE_2> <PHONE_3>") == "<PHONE_1> 13912345678 <PHONE_3>"


def test_an_original_that_looks_like_a_placeholder_is_not_replaced_again() -> None:
    masked = Masked(texts=(), originals={"<NAME_1>": "<NAME_2>", "<NAME_2>": "小满"})
    assert masked.restored("<NAME_1>和<NAME_2>") == "<NAME_2>和小满"


def test_the_shops_own_hotline_and_address_stay_however_they_are_written() -> None:
    public = ["400-123-4567", "上海市静安区南京西路1266号", "hi@tea.example"]
    said = "客服400 123 4567或4001234567，门店在上海市静安区南京西路1266号，hi@tea.example"
    assert mask([said], public=public).texts == (said,)
    assert mask([said]).kinds == {"PHONE": 2, "ADDRESS": 1, "EMAIL": 1}


def test_known_names_are_masked_where_they_are_written() -> None:
    masked = mask(["小满说Ann也要，Anna不要"], names=["小满", "Ann", "我", ""])
    assert masked.texts == ("<NAME_1>说<NAME_2>也要，Anna不要",)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Summer夏", "summer夏推荐的防晒"),
        ("陳店長", "陈店长说可以退"),
        ("陈店长", "陳店長說可以退"),
        ("Coco酱", "问问COCO酱"),
        ("Ann", "ask ann about it"),
    ],
)
def test_a_known_name_is_masked_however_it_is_spelled(name: str, written: str) -> None:
    masked = mask([written], names=[name])
    (original,) = masked.originals.values()
    assert len(original) == len(name)
    assert "<NAME_1>" in masked.texts[0]
    assert masked.restored(masked.texts[0]) == written


def test_originals_do_not_show_in_a_log_line() -> None:
    assert "13912345678" not in repr(mask(["13912345678"]))


def test_a_text_of_nothing_but_doubtful_numbers_is_masked_rather_than_examined_for_ever() -> None:
    few, many = (["，".join(f"00001{n:05}" for n in range(count))] for count in (150, 1_000))
    assert mask(few).kinds == {}
    assert mask(many).kinds == {"PHONE": 800}


_PIECES = st.one_of(
    st.sampled_from(_messages(_RECOGNISED)).map(_plain),
    st.sampled_from(
        ["<PHONE_1>", "<NAME_2>", "<", ">", "_1>", "PHONE_1", "<PHONE_", "〈", "\u200b"]
    ),
    st.text(max_size=20),
    st.text(alphabet="0123456789-+() .Xx号栋路市〒様@", max_size=40),
)


@settings(deadline=None, max_examples=120)
@given(st.lists(st.lists(_PIECES, max_size=6).map("".join), max_size=3))
def test_every_text_comes_back_as_it_was(texts: list[str]) -> None:
    masked = mask(texts, names=["小满"], public=["400-123-4567"])
    assert [masked.restored(text) for text in masked.texts] == texts
    again = mask(masked.texts)
    assert [masked.restored(again.restored(text)) for text in again.texts] == texts
    assert sum(masked.kinds.values()) == len(masked.originals)


@pytest.mark.parametrize(
    "piece", ["1", "1 ", "0 1 2 ", "a", "a.", "a@", "市", "路1", "1号楼", "栋1", "1-", "(",
              "收件人", "加v ", "Mr. Aa ", "1丁目", "県", "一二", "東京都あ", "\u200b1",
              "<PHONE_1>", "区中"],
)  # fmt: skip
def test_the_work_grows_in_proportion_to_a_hostile_text(piece: str) -> None:
    def steps(length: int) -> int:
        """Calls made while masking; every pattern's own walk is a single one."""
        made = 0

        def count(*_: object) -> None:
            nonlocal made
            made += 1

        text = (piece * length)[:length]
        sys.setprofile(count)
        try:
            mask([text])
        finally:
            sys.setprofile(None)
        return made

    assert steps(20_000) < 12 * max(steps(4_000), 500)


@pytest.mark.parametrize("module", [numbers, addresses, people])
def test_patterns_look_only_so_far(module: ModuleType) -> None:
    """A repetition without an end that is tried at every place makes long texts slow. Only runs of
    digits have none: they are read once."""
    endless = {
        name
        for name, pattern in vars(module).items()
        if isinstance(pattern, re.Pattern) and _reach(parse(pattern.pattern, pattern.flags)) > 1_000
    }
    assert endless == ({"_RUN", "_GROUP", "_SPOKEN_RUN"} if module is numbers else set())


def _reach(parsed: Any) -> int:
    """How many characters a parsed pattern takes at the most."""
    return int(parsed.getwidth()[1])


def test_importing_it_costs_no_number_tables() -> None:
    told = subprocess.run(
        [sys.executable, "-c",
         "import sys, agent.compliance.privacy as p; p.mask(['你好，30ml多少钱']);"
         "print([m for m in sys.modules if m in ('phonenumbers', 'stdnum')])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == "[]"
    assert PLACEHOLDER.fullmatch("<PHONE_10>")
