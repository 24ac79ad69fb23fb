"""Copy as it is read, whatever it is spelt with.

People who know the rules write 最_佳, 朂佳, 最🎉佳, ｚｕｉ佳 or 第①. Matching goes over a folded
text in which these read alike, and every folded character knows where it stood.
"""

import bisect
import unicodedata
from dataclasses import dataclass

# Traditional characters that copy and rules are likely to hold, with their simplified forms.
_TRADITIONAL = dict(
    zip(
        "國級獨頂網價銷療醫藥處鋪轉發滿減優惠現買賣費員領獎勵個銀賺錢壓糖癌斷預炎證據數"
        "億萬兩雙邊僅餘備貨緊倉們體緻極絕無與倫齊進創開關門請熱門專業權威質選標準號碼電話"
        "鏈結點擊幫砍助動態將會員聯繫聖際時間後截活動規則條參與獲贈禮優禮廣達類護膚潔"
        "淨閃亮漢語簡單雖實際傳統響應歷勝負責險養補產燒節約寶貝歲齡復蘇陽陰聲藝術學習"
        "長衛壽陳舊萬裡還這麼樣種總統計帶頭腦戰鬥爭擇優親測試驗題顯讓記憶屬於脫髮髒亂從眾"
        "腫濕瘡愈癒強調節腸臟腎腦過敏鬆緊膠囊營養劑貼麵條華麗燈飾畫圖書館樂園區優質飯店",
        "国级独顶网价销疗医药处铺转发满减优惠现买卖费员领奖励个银赚钱压糖癌断预炎证据数"
        "亿万两双边仅余备货紧仓们体致极绝无与伦齐进创开关门请热门专业权威质选标准号码电话"
        "链结点击帮砍助动态将会员联系圣际时间后截活动规则条参与获赠礼优礼广达类护肤洁"
        "净闪亮汉语简单虽实际传统响应历胜负责险养补产烧节约宝贝岁龄复苏阳阴声艺术学习"
        "长卫寿陈旧万里还这么样种总统计带头脑战斗争择优亲测试验题显让记忆属于脱发脏乱从众"
        "肿湿疮愈愈强调节肠脏肾脑过敏松紧胶囊营养剂贴面条华丽灯饰画图书馆乐园区优质饭店",
        strict=True,
    )
)
# Characters that are written for their looks or sound.
_LOOKALIKES = {
    **dict.fromkeys("朂冣蕞嘬冣", "最"),
    **dict.fromkeys("苐", "第"),
    **dict.fromkeys("徴", "征"),
    **dict.fromkeys("壹", "一"),
    **dict.fromkeys("囯圀", "国"),
    **dict.fromkeys("薇", "微"),
    **dict.fromkeys("伩", "信"),
    "❶": "1",
    "➊": "1",
    "➀": "1",
    "㊀": "一",
    "〇": "0",
    "Θ": "0",
}
_LATIN = dict(
    zip(
        "аеорсухіјѕԁɡοαρτυνΑΒΕΗΙΚΜΝΟΡΤΧΖАВЕКМНОРСТХІ",
        "aeopcyxijsdgoaptuvabehikmnoptxzabekmhopctxi",
        strict=True,
    )
)
_VARIANTS = dict.fromkeys("–—−‐‑‒―﹣", "-") | {"〜": "~", "∼": "~", "﹪": "%", "‰": "%"}
_FOLDED: dict[int, str] = {}
# What is put between characters to hide a word: it is left out unless letters or digits of the
# Latin kind stand on both sides, where it means something (3.5, 10-18, best price).
_SEPARATORS = frozenset(" \t_·•・*~-|.^+=/\\`'’‘“”\"′丨…°●■◆★☆○◇□△▲▼♥♡→←〃︱¦")
_DAKUTEN = {"ﾞ": "\u3099", "ﾟ": "\u309a", "\u3099": "\u3099", "\u309a": "\u309a"}
_HIRAGANA = {code: chr(code + 0x60) for code in range(0x3041, 0x3097)}
_SEEN = 0x1F000  # from here on: emoji and other pictures


@dataclass(frozen=True, slots=True)
class Folded:
    """``text`` as it is matched; ``at[i]`` is where its character i stands in the original, and
    ``ends[i]`` where that one ends."""

    text: str
    at: list[int]
    ends: list[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original's span for a match of ``text[start:end]``."""
        if start >= end:
            where = self.at[start] if start < len(self.at) else (self.ends[-1] if self.ends else 0)
            return where, where
        return self.at[start], self.ends[end - 1]

    def index(self, original: int) -> int:
        """Where in ``text`` the original's position ``original`` is, or what follows it."""
        return bisect.bisect_left(self.at, original)


def letters(text: str) -> str:
    """A word or pattern in the letters of folded text; its ASCII stays as it is."""
    return "".join(char if char < "\x80" else _letter(char) for char in text)


def _letter(char: str) -> str:
    if char in _TRADITIONAL:
        return _TRADITIONAL[char]
    if char in _LOOKALIKES:
        return _LOOKALIKES[char]
    if ord(char) in _HIRAGANA:
        return _HIRAGANA[ord(char)]
    return char


def fold(text: str) -> Folded:
    """``text`` in one width, one case, simplified characters and katakana, without what hides."""
    chars: list[str] = []
    at: list[int] = []
    ends: list[int] = []
    for position, char in enumerate(text):
        mark = _DAKUTEN.get(char)
        if mark and chars:
            joined = unicodedata.normalize("NFC", chars[-1] + mark)
            if len(joined) == 1:
                chars[-1], ends[-1] = joined, position + 1
                continue
        code = ord(char)
        folded = _FOLDED.get(code)
        if folded is None:
            folded = _FOLDED[code] = _of(char)
        for one in folded:
            chars.append(one)
            at.append(position)
            ends.append(position + 1)
    return _without_separators(chars, at, ends)


def _of(char: str) -> str:
    if char in _VARIANTS:
        return _VARIANTS[char]
    if char in _LOOKALIKES:
        return _LOOKALIKES[char]
    if char in _LATIN:
        return _LATIN[char]
    category = unicodedata.category(char)
    # Invisible, variation selectors, modifiers: they carry nothing of their own.
    if category in ("Cf", "Mn", "Me", "Cc") and char not in "\n\t":
        return ""
    if ord(char) >= _SEEN and category in ("So", "Sk", "Cn"):
        plain = unicodedata.normalize("NFKC", char)
        return plain.lower() if plain != char else "•"
    plain = unicodedata.normalize("NFKC", char).lower()
    if category == "So" and plain == char:
        return "•"
    return "".join(_VARIANTS.get(one) or _LATIN.get(one) or _letter(one) for one in plain)


def _without_separators(chars: list[str], at: list[int], ends: list[int]) -> Folded:
    kept: list[int] = []
    pending: list[int] = []
    for index, char in enumerate(chars):
        if char in _SEPARATORS:
            pending.append(index)
            continue
        if pending:
            # A full stop, slash or sign between Latin letters and digits belongs to them.
            if kept and _is_plain(chars[kept[-1]]) and _is_plain(char):
                kept += [one for one in pending if chars[one] != "•"]
            pending = []
        kept.append(index)
    return Folded("".join(chars[i] for i in kept), [at[i] for i in kept], [ends[i] for i in kept])


def _is_plain(char: str) -> bool:
    return char < "\x80" and char not in "\n"
