"""A translation is held against its source by form alone: what it lost, added or turned round."""

from __future__ import annotations

import pytest

from agent.translating import Glossary, Kind, differences, language_of

GLOSSARY = Glossary(
    terms={
        "森露防晒乳": {"ja": "森露サンスクリーン", "en": "MORITSUYU Sunscreen"},
        "森露": {"en": "MORITSUYU"},
        "MT-05": {},
    }
)

FAITHFUL = [
    ("zh", "ja", "防晒乳48元，3天内发货，满99元包邮。",
     "日焼け止めは48元で、3日以内に発送します。99元以上で送料無料です。"),
    ("zh", "en", "防晒乳48元，3天内发货，满99元包邮。",
     "The sunscreen is 48 yuan and ships within 3 days; free shipping over 99 yuan."),
    ("ja", "zh", "6月18日まで20%オフです。", "6月18日前打8折。"),
    ("ja", "zh", "1本あたり2割引になります。", "每瓶打8折。"),
    ("ja", "zh", "ご注文後3営業日以内に発送いたします。", "下单后3个工作日内发货。"),
    ("ja", "zh", "開封後の返品はできません。", "拆封后不能退货。"),
    ("ja", "zh", "申し訳ございません。在庫がありません。来週金曜日に入荷予定です。",
     "非常抱歉，没有库存，预计下周五到货。"),
    ("zh", "en", "6月18日晚上8点开始，每人限购2件。",
     "Starts June 18 at 8 pm, limit 2 per person."),
    ("en", "zh", "It starts on 18 June 2026 at 8 p.m.", "2026年6月18日晚上8点开始。"),
    ("zh", "ja", "户外每2小时补涂一次。", "屋外では2時間ごとに塗り直してください。"),
    ("zh", "ja", "森露防晒乳 SPF50+ 多少钱？", "森露サンスクリーン SPF50+ はいくらですか？"),
    ("zh", "ja", "可以的，没问题～", "はい、大丈夫です。"),
    ("zh", "ja", "链接：https://shop.example/a?b=1 ，券后¥59.9",
     "リンク：https://shop.example/a?b=1 、クーポン適用後 59.9元"),
    ("ja", "zh", "MT-05は1万円以上のご購入で2個プレゼント。", "购买满10000日元，赠送2个MT-05。"),
    ("zh", "ja", "<PHONE_1>这个号码打不通", "<PHONE_1>の番号につながりません"),
    ("ja", "zh", "保証期間は1年間です。", "保修期为一年。"),
    ("zh", "en", "不支持7天无理由退货。", "7-day no-reason returns are not supported."),
]  # fmt: skip

WRONG = [
    ("ja", "zh", "送料は500円です。", "运费是50日元。", {Kind.MISSING, Kind.ADDED}),
    ("ja", "zh", "送料は500円です。", "运费是500元。", {Kind.MISSING, Kind.ADDED}),
    ("ja", "zh", "価格は48元です。6月18日までです。", "到6月18日为止。", {Kind.MISSING}),
    ("ja", "zh", "価格は48元です。", "价格是48元，3天内发货。", {Kind.ADDED}),
    ("zh", "ja", "森露防晒乳多少钱", "森露日焼け止めはいくらですか", {Kind.TERM}),
    ("ja", "zh", "サンプルはありますか？", "有森露的小样吗？", {Kind.TERM_ADDED}),
    ("ja", "zh", "返品できません。", "可以退货。", {Kind.NEGATION}),
    ("ja", "zh", "リンク https://a.example/x", "链接 https://a.example/y",
     {Kind.LINK_MISSING, Kind.LINK_ADDED}),
    ("ja", "zh", "こんにちは、在庫はあります。", "こんにちは、在庫はあります。", {Kind.LANGUAGE}),
    ("zh", "ja", "晚上8点开始", "夜9時に始まります", {Kind.MISSING, Kind.ADDED}),
    ("ja", "zh", "20%オフです", "打9折", {Kind.MISSING, Kind.ADDED}),
    ("ja", "zh", "10月1日から", "11月1日起", {Kind.MISSING, Kind.ADDED}),
    ("ja", "zh", "<PHONE_1>へお電話ください", "请打电话", {Kind.PLACEHOLDER}),
    ("ja", "zh", "はい。", "是的，" + "亲爱的顾客您好" * 10, {Kind.LENGTH}),
]  # fmt: skip


@pytest.mark.parametrize(("of", "into", "source", "translation"), FAITHFUL)
def test_nothing_is_found_in_a_faithful_translation(
    of: str, into: str, source: str, translation: str
) -> None:
    assert differences(source, translation, of=of, into=into, glossary=GLOSSARY) == ()


@pytest.mark.parametrize(("of", "into", "source", "translation", "kinds"), WRONG)
def test_what_a_translation_changed_is_told(
    of: str, into: str, source: str, translation: str, kinds: set[Kind]
) -> None:
    found = differences(source, translation, of=of, into=into, glossary=GLOSSARY)
    assert {one.kind for one in found} == kinds


def test_a_term_says_which_form_it_should_have() -> None:
    (one,) = differences(
        "森露防晒乳有货", "森露日焼け止めの在庫があります", of="zh", into="ja", glossary=GLOSSARY
    )
    assert (one.words, one.expected) == ("森露防晒乳", "森露サンスクリーン")


def test_the_language_of_han_characters_alone_is_the_other_side_s() -> None:
    assert language_of("送料無料", "ja") == "ja"
    assert language_of("包邮吗", "ja") == "zh"
    assert language_of("いつ届きますか", "zh") == "ja"
    assert language_of("how much is it please", "zh") == "en"
