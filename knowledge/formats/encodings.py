"""Bytes -> text: which encoding a file was saved in.

A byte order mark decides, then UTF-8, then what the file declares, then what reads like writing.
The four East Asian families overlap almost completely in bytes, so that decoding without an error
proves little; what tells them apart is how much of the result are the characters that people
write every day.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from knowledge.formats.pieces import Unreadable

SAMPLE_BYTES = 256 * 1024
_BLOCK = 1024 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Names under which files declare a narrower set than what their writers really used.
_WIDER = {
    "gb2312": "gb18030", "gbk": "gb18030", "hz": "gb18030", "x-gbk": "gb18030",
    "big5": "big5hkscs", "big5-tw": "big5hkscs", "shift_jis": "cp932", "shift-jis": "cp932",
    "sjis": "cp932", "x-sjis": "cp932", "windows-31j": "cp932", "iso-8859-1": "cp1252",
    "latin-1": "cp1252", "ascii": "cp1252", "us-ascii": "cp1252", "x-euc-jp": "euc_jp",
}  # fmt: skip

_SIMPLIFIED = (
    "的一是了不在有我可以用这个们请会吗上大人为和到说时要就你出天后您品日来发给买货没还过多好小"
    "中能对生下自年家同开后成学方现当面进动行分事经长然样无想高种间些里作理心明正新本问回"
    "如果已从与及或价格元件包邮退换商店码号款色保单优惠员券积分支付订送达收门店客服"
)
_TRADITIONAL = (
    "的一是了不在有我可以用這個們請會嗎上大人為和到說時要就你出天後您品日來發給買貨沒還過多好小"
    "中能對生下自年家同開成學方現當面進動行分事經長然樣無想高種間些裡作理心明正新本問回"
    "如果已從與及或價格元件包郵退換商店碼號款色保單優惠員券積點支付訂送達收門市客服運費"
)
_JAPANESE = "".join(chr(code) for code in range(0x3041, 0x30FF)) + (
    "日本人大年会中出上生国見行分事手間前時気場方何自高金取物品商店員期購入返交換送料無税込円"
    "質問回答用使可能場合必要以内後営業定休電話注文届支払利用方法予約確認連絡"
)
_OTHERS = ("cp1252", "cp949", "big5hkscs", "cp932", "euc_jp", "gb18030")
_PUNCTUATION = "，。、？！：；（）「」『』《》“”…—・ー％　０１２３４５６７８９"


def decode(data: bytes, declared: str = "") -> str:
    """Text from bytes. `declared` is what the file or its server says of itself.

    Raises `Unreadable` when they are no text.
    """
    encoding = encoding_of(data, declared)
    text = data.decode(encoding, errors="replace")
    if "\0" in text:
        raise Unreadable("this is no text", "save it as text in UTF-8")
    return text.removeprefix("\ufeff")


def encoding_of(data: bytes, declared: str = "") -> str:
    """The codec that these bytes, the whole or the beginning of a file, are written in."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    if _is_utf8(data):
        return "utf-8"
    wide = _utf16_without_mark(data)
    if wide:
        return wide
    if b"\0" in data[:SAMPLE_BYTES]:
        raise Unreadable("this is no text", "save it as text in UTF-8")
    named = _codec(declared)
    if named and _decodes(data, named) is not None:
        return named
    guessed = _guessed(data[:SAMPLE_BYTES])
    if guessed:
        return guessed
    raise Unreadable("the encoding is not known", "save the file as UTF-8")


def encoding_of_file(file: BinaryIO) -> str:
    """The same for a file too large to hold; reads it once from its start and goes back there."""
    file.seek(0)
    sample = file.read(SAMPLE_BYTES)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(sample)
        for block in _blocks(file):
            decoder.decode(block)
        encoding = "utf-8-sig"
    except UnicodeDecodeError:
        encoding = encoding_of(sample)
    file.seek(0)
    if encoding.startswith("utf-8") and b"\0" in sample:
        raise Unreadable("this is no text", "save it as text in UTF-8")
    return encoding


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _is_utf8(data: bytes) -> bool:
    """UTF-8, but for a character cut off at the end and a few bytes gone bad on the way."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", errors="replace")
        foreign = sum(1 for character in text if not character.isascii())
        bad = text.count("\ufffd")
        return bad <= 0.02 * foreign or (bad == 1 and text.endswith("\ufffd") and foreign > 1)
    return True


def _utf16_without_mark(data: bytes) -> str:
    """Spaces, digits and line ends have a zero byte in one half of each pair."""
    sample = data[: SAMPLE_BYTES // 2 * 2]
    if len(sample) < 4 or b"\0" not in sample:
        return ""
    for half, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = sample[half::2].count(0), sample[1 - half :: 2].count(0)
        # The other half has one now and then, as 一 (4E 00) does.
        if zeros < 0.01 * len(sample) or zeros < 3 * others:
            continue
        text = _decodes(sample, encoding)
        if text is not None and all(c.isprintable() or c.isspace() for c in text):
            return encoding
    return ""


def _codec(name: str) -> str:
    spelled = name.strip().strip("\"'").lower()
    spelled = _WIDER.get(spelled, spelled)
    try:
        found = codecs.lookup(spelled)
        # Only text encodings: «base64» and «rot13» are codecs, too.
        "".encode(found.name)
    except (LookupError, ValueError, TypeError):
        return ""
    return "" if found.name in ("utf-8", "utf-16", "utf-32", "utf-7", "idna") else found.name


def _decodes(data: bytes, encoding: str) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data)
    except (UnicodeDecodeError, UnicodeError):
        return None


def _guessed(sample: bytes) -> str:
    candidates = (
        ("gb18030", _SIMPLIFIED), ("big5hkscs", _TRADITIONAL), ("cp932", _JAPANESE),
        ("euc_jp", _JAPANESE), ("gb18030", _TRADITIONAL),
    )  # fmt: skip
    likely = []
    for order, (encoding, everyday) in enumerate(candidates):
        text = _decodes(sample, encoding)
        if text is not None:
            likely.append((_written(text, everyday), -order, encoding))
    best = max(likely, default=(0.0, 0, ""))
    if best[0] >= 0.1:
        return best[2]
    # Too short to tell by its words: plain GB 2312, as owners' spreadsheets write it, first.
    if _decodes(sample, "gb2312") is not None:
        return "gb18030"
    return _otherwise(sample)


def _written(text: str, everyday: str) -> float:
    """The share of everyday characters in what is not ASCII, less what nobody writes."""
    foreign = [character for character in text if not character.isascii()]
    if not foreign:
        return 0.0
    known = frozenset(everyday)
    usual = sum(1.0 if c in known else 0.25 if c in _PUNCTUATION else 0.0 for c in foreign)
    # Private use, half-width katakana, and characters outside every everyday repertoire.
    strange = sum(1 for c in foreign if "\ue000" <= c <= "\uf8ff" or "\uff61" <= c <= "\uff9f")
    return (usual - 2 * strange) / len(foreign)


def _otherwise(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=list(_OTHERS)).best()
    return best.encoding if best else ""
