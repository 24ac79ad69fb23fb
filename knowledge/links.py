"""Links, mail addresses and other ways to reach somebody, as they stand in chat text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_ENDS = r"[^\s，。；、！？）】」》『』“”\"'<>|]"
_LINK = re.compile(
    rf"""
    (?:[a-z][a-z0-9+.\-]{{1,15}}://|www\.|(?:tel|sms|mailto|weixin|javascript|data):){_ENDS}+
  | (?<![\w.+\-])[\w.+\-]{{1,64}}@[\w\-]+(?:\.[\w\-]+)+
  | (?<![\w@.\-])(?:[\w\-]+\.)+(?:[a-zа-яё\u0370-\u03ff]{{2,}}|中国|公司|网络|网店|商城|在线)
      (?![a-z\d])
      (?::\d+)?(?:/{_ENDS}*)?
  | (?<![\d.])\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?::\d+)?(?:/{_ENDS}*)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Spelled so that a filter misses it and a reader does not.
_DISGUISED = re.compile(
    r"(?<![a-z0-9\-])[a-z0-9\-]{2,63}\s{0,5}(?:[。·•∙]|\[\s*\.\s*\]|\(\s*(?:\.|dot|点)\s*\)|\s+dot\s+|点|\s+\.\s*|\s*\.\s+)\s*"
    r"(?:com|cn|net|org|top|xyz|shop|vip|cc|me|info|site|link|club)(?![a-z])",
    re.IGNORECASE,
)
_CONTACT = re.compile(
    r"(?:微信|威信|薇信|v信|vx|wx|wechat|公众号|小程序|视频号|小红书|抖音|微博|qq|line|telegram|whatsapp"
    r"|群号|暗号|口令|密码|优惠码|兑换码|邀请码|验证码|password|passcode|パスワード|合言葉)"
    r"\s*(?:群|号|号码|id|账号|名|名称|搜索?|加|是|为|is\b|は|[:：「『“\"])*\s*([a-z0-9][a-z0-9_\-]{2,})",
    re.IGNORECASE,
)  # fmt: skip
# 回复暗号芝麻开门, 密码是樱花八八, 备注「抽奖」: what somebody is told to say or to type.
_WORD_TO_SAY = re.compile(
    r"(?:(?:回复|输入|发送|备注|填写?|报|说|念)(?:暗号|口令|密码|优惠码|兑换码|邀请码|验证码|关键词|合言葉)[:为是]?"
    r"|(?:暗号|口令|密码|优惠码|兑换码|邀请码|验证码|关键词)\s{0,2}(?:就?是|为|叫|[:「『“\"]))"
    r"\s{0,2}[「『“\"]?([\u4e00-\u9fff]{2,12})"
    r"|(?:回复|输入|发送|备注|填写?|报|说|念)\s{0,2}[「『“\"]([^」』”\"\n]{1,20})[」』”\"]"
)


def found(text: str) -> list[str]:
    """Every link and mail address, as written."""
    return [match.group().rstrip(".,!?:;~…)") for match in _LINK.finditer(_folded(text))]


def without(text: str) -> str:
    """The text with links taken out: their digits are no facts."""
    return _LINK.sub(" ", _folded(text))


def foreign(text: str, cited: str, hosts: Sequence[str] | None = None) -> list[str]:
    """The links that sources do not hold, host, path and query alike, or that lead to a host that
    is not among `hosts` where those are given."""
    known = {_normal(link) for link in found(cited)}
    wrong = [
        link
        for link in found(text)
        if _normal(link) not in known or not (hosts is None or _allowed(link, hosts))
    ]
    disguised = _DISGUISED.search(_folded(text))
    if disguised and disguised.group() not in _folded(cited):
        wrong.append(disguised.group())
    return wrong


def foreign_contact(text: str, cited: str) -> str:
    """An account, number or password that is told after a word for one and stands in no source."""
    known = {_bare(word) for word in re.findall(r"[a-z0-9_\-]+", _folded(cited).lower())}
    for match in _CONTACT.finditer(_folded(text)):
        if _bare(match[1].lower()) not in known:
            return match[1]
    source = re.sub(r"\s", "", _folded(cited))
    for match in _WORD_TO_SAY.finditer(_folded(text)):
        if match[2] is not None and re.sub(r"\s", "", match[2]) not in source:
            return match[2]
        word = match[1]
        if word and not any(word[at : at + 2] in source for at in range(len(word) - 1)):
            return word
    return ""


def _bare(name: str) -> str:
    return re.sub(r"[_\-]", "", name)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _normal(link: str) -> str:
    """Without scheme and www., host in lower case; path and query stay as they are."""
    rest = re.sub(r"^(?:https?://)?(?:www\.)?", "", link, flags=re.IGNORECASE)
    host, slash, path = rest.partition("/")
    return f"{host.lower()}{slash}{path}".rstrip("/")


def _allowed(link: str, hosts: Sequence[str]) -> bool:
    host = re.split(
        r"[/?#]", re.sub(r"^[a-z][a-z0-9+.\-]*:(?://)?", "", link, flags=re.IGNORECASE)
    )[0]
    host = host.rpartition("@")[2].partition(":")[0].lower()
    return any(host == one.lower() or host.endswith(f".{one.lower()}") for one in hosts)
