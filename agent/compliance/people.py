"""Accounts, orders, documents and names: what the words beside it give away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.compliance.shapes import Span

_IS = r"(?:号码?|账号|帐号|ID|id|Id|名|群号?|是|为|は|叫|搜|加|[❤♥]|吧|哈|哦|我|:|,|/|→|\s){0,4}"
_TOKEN = r"[A-Za-z0-9_\-]"

_MAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63} ?(?:@|\(at\)|\[at\]) ?"
    r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,4}\.[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
_WECHAT = re.compile(
    r"(?:微信号?|薇信|威信|維信|(?<![A-Za-z])(?:(?:wechat|weixin|WeChat|Wechat)(?![A-Za-z_-])|[vV]信|vx|wx|VX|WX|Vx|Wx)"
    r"|[加+][vV微薇](?![A-Za-z]{4})|(?<![A-Za-z])[vV](?=[是:])|(?<=[我下])[vV](?=\s)|薇(?=[^一-龥]))"
    rf"(?P<gap>{_IS})(?P<it>(?!wxid_)[A-Za-z]{_TOKEN}{{5,29}}|[1-9]\d{{4,9}})(?!{_TOKEN})"
)
_WXID = re.compile(r"(?<![A-Za-z0-9])wxid_[A-Za-z0-9_]{6,30}")
_QQ = re.compile(
    r"(?:(?<![A-Za-z])[Qq]{2}|扣扣|企鹅|(?<![A-Za-z])[Qq](?:号|(?=[我:])))"
    rf"(?P<gap>{_IS})(?P<it>[1-9]\d{{1,4}}[ -]?\d{{3,4}}[ -]?\d{{0,4}})(?!\d)",
    re.ASCII,
)
_LINE = re.compile(
    r"(?:(?<![A-Za-z])(?:line|LINE|Line)\s?の?\s?(?:ID|id|Id)|ライン(?:の?ID)?)\s?(?:は|:|是)?\s?"
    r"(?P<it>@?[A-Za-z0-9][A-Za-z0-9._\-]{3,19})"
)
_ACCOUNT = re.compile(
    r"(?:小红书|抖音|快手|微博|支付宝|淘宝|旺旺|京东|闲鱼|(?<![A-Za-z])(?i:instagram|telegram|ins)(?![A-Za-z]))(?:账号|帐号|号|ID|id|名)?"
    r"\s?(?:是|:|\s)\s?(?P<it>@?(?=[A-Za-z._\-]{0,28}[\d_])[A-Za-z0-9][A-Za-z0-9._\-]{4,29})"
)
_ORDER = re.compile(
    r"(?:订单|訂單|单号|運單|运单|快递|物流|退货单|中通|圆通|申通|韵达|顺丰|极兔|邮政|德邦|百世|菜鸟|ヤマト|佐川|ゆうパック|追跡番号|注文番号|伝票番号|お問い合わせ番号|受注番号"
    r"|(?<![A-Za-z])(?:order|tracking)(?: ?(?:no|number|id|#))?)"
    r"(?:号码?|编号|单号?|显示|番号|是|为|は|尾号|后\S位|No\.?|no\.?|[:#()]|\s){0,4}"
    r"(?P<it>[A-Za-z0-9][A-Za-z0-9\-]{4,39})(?![A-Za-z0-9])",
    re.I,
)
_THIS_ORDER = re.compile(
    r"(?<![A-Za-z0-9])(?P<it>[A-Za-z]{0,4}\d{8,30})\s?(?:这个|这单|的|是我的|、|\s){0,2}(?:订单|单号|运单|快递|包裹|物流)",
    re.ASCII,
)
_PARCEL = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Z]{2,4}\d{10,15}|[A-Z]{2}\d{9}(?:CN|JP|HK|TW|US))(?![A-Za-z0-9])"
)
_CODE = re.compile(
    r"(?:验证码|驗證碼|取件码|提货码|密码|認証コード|確認コード|暗証番号"
    r"|(?i:verification code|password|passcode))"
    r"(?:是|为|は|:|\s|is){0,3}(?P<it>[A-Za-z0-9\-]{4,20})(?![A-Za-z0-9])"
)
_PASSPORT = re.compile(
    r"(?<![A-Za-z0-9])(?:[EGDSP]\d{8}|E[A-HJ-NP-Z]\d{7})(?![A-Za-z0-9])", re.ASCII
)
_PERMIT = re.compile(
    r"(?:护照|護照|パスポート|旅券|通行证|回乡证|台胞证|驾照|在留カード|免許証|(?i:passport))"
    r"(?:号码?|番号|number|no\.?|是|は|:|\s|is){0,3}(?P<it>[A-Za-z]{0,3}\d{6,12}[A-Za-z]{0,2})(?![A-Za-z0-9])",
    re.ASCII,
)
_IDENTITY = re.compile(
    r"(?:身份证|身分証|身份證)(?:号码?|后\S位|尾号|是|:|\s){0,4}(?P<it>\d{3,17}[\dXx])(?!\d)",
    re.ASCII,
)
_TAIL = re.compile(r"尾号(?:是|为|:)?\s?(?P<it>\d{3,6})(?!\d)", re.ASCII)
_CARD = re.compile(
    r"(?:银行卡|銀行卡|信用卡|储蓄卡|卡号|口座番号|(?i:card number))"
    r"(?:号码?|尾号|后\S位|是|は|:|\s){0,4}"
    r"(?P<it>\d{4,7}|\d{4}(?:[ -]?\d{4}){2,3}(?:[ -]?\d{1,3})?)(?!\d)",
    re.ASCII,
)
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][·•\s-]?"
    r"(?=[A-HJ-NP-Z]{0,4}\d)[A-HJ-NP-Z0-9]{4,5}[A-HJ-NP-Z0-9挂学警港澳](?![A-Za-z0-9])"
    r"|[一-龥]{2,4}\s?\d{2,3}\s?[あ-ん]\s?\d{1,2}[-・]\d{2}(?!\d)"
)
_DATE = re.compile(r"(?:19|20)\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])$", re.ASCII)

# The surnames of nine in ten people in China; left out: those that begin everyday words oftener.
_SURNAME = (
    "(?:欧阳|司马|上官|诸葛|司徒|东方|皇甫|尉迟|公孙|慕容|令狐|宇文|长孙|夏侯|"
    "[王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶"
    "阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚"
    "庞樊殷施陶翟颜倪严牛温季俞章鲁葛韦毕聂焦向柳邢骆岳齐梅莫庄辛管祝左涂谷祁耿卜缪詹费靳阮欧裴翁"
    "張劉陳楊趙黃吳孫馬羅鄭謝韓馮蕭鄧許蔣賈葉閻鍾譚鄒陸龍錢湯賴龔龐嚴韋畢聶駱齊莊])"
)
_NO_NAME = re.compile(
    "方便|方式|方法|高兴|高级|高价|金额|马上|安排|余额|时间|成功|成都|通知|管理|万一|全部|应该|白色|黄色|黄金|"
    "单号|水果|路上|平时|何时|何处|常用|温和|相关|易碎|易过|项目|关于|于是|任何|任务|向我|左右|程序|简单|经常|"
    "石头|江苏|江西|江浙|夏天|夏季|金色|万元|温度|常见|白天|高清|高端|施工|毛巾|牛奶|雷同|管用|费用|武汉|"
    "苏州|常州|温州|江阴|汤圆|谢谢|谢啦|谢了|常客|黄皮|白皮|白领|金卡|白卡|白金|金牌|黑卡|干皮|唐山|石家|何必|何况|许多|白送|季度|严重|康复|侯选|齐全|钟头|田里|林业|向左|向右|龙虾|梅雨"
)
# After a given name: words that cannot belong to it.
_GIVEN = (
    "(?:(?!先生|女士|小姐|太太|[的是在想要问有买收和跟住电手说了吗呢吧呀啊就不我你他她这那请帮给把被让对店号])"
    "[一-龥])"
)
_INTRODUCED = re.compile(
    r"(?P<label>收件人|收货人|收貨人|寄件人|联系人|聯繫人|姓名|我叫|名字是|名字叫|名叫|称呼我|开票人|持卡人|户名|(?:老公|老婆|妈妈|爸爸|爸|妈|朋友|女儿|儿子|孩子|宝宝|同事|姐姐|妹妹|弟弟|哥哥)叫)"
    rf"(?P<gap>(?:姓名|名字|改成|改为|换成|写成?|是|为|叫|:|\s){{0,3}})(?:(?P<cn>{_SURNAME}{_GIVEN}{{1,2}})"
    r"|(?P<latin>[A-Z][a-z]{1,15}(?:\s[A-Z][a-z]{1,15}){0,2}))"
)
_FIELD = re.compile(
    r"(?:(?:收件人|收货人|收貨人|寄件人|联系人|聯繫人|姓名|お名前|氏名|宛名|名前|受取人|連絡先)\s?[:は]|(?:収|收|寄)\s?:|名義)\s?"
    r"(?P<it>[一-龥々·ァ-ヶー]{2,6}(?:\s[一-龥々ァ-ヶー]{1,5})?|[A-Z][A-Za-z]{1,15}(?:\s[A-Z][A-Za-z]{1,15}){0,2})"
    r"(?=[\s,，。;；、.!！?？(（)）\d<です]|$)"
)
_TITLED = re.compile(
    r"(?P<before>[^\n])?"
    rf"(?P<it>{_SURNAME}[一-龥]{{0,2}}?)(?P<title>先生|女士|小姐|太太|阿姨|老师|经理)"
)
_SHORT_TITLE = {"老师", "经理", "阿姨"}
_CALLED = re.compile(
    rf"(?:我是|这里是|叫我|我姓)\s?(?P<it>{_SURNAME}{_GIVEN}{{1,2}}|[小老阿]{_SURNAME}(?=就|吧|[^一-龥]|$))"
    r"(?=就行|就好|[\s,.。!、;~]|$)"
)
_NAME = re.compile(rf"{_SURNAME}{_GIVEN}{{1,2}}")
_BESIDE = re.compile(r"[\s,，、;；:：/。]{0,3}")
_ENGLISH = re.compile(
    r"(?:(?i:my name is|ship to|name is|i am called|this is)\s"
    r"|(?:I'm|I am)\s(?=[A-Z][a-z]{1,15}\s[A-Z])"
    r"|(?<![A-Za-z])(?:Mr|Mrs|Ms|Miss|Dr)\.?\s|(?i:recipient|consignee|receiver|full name)\s?:\s?)"
    r"(?P<it>[A-Z][a-z]{1,15}(?:\s[A-Z][a-z]{1,15}){0,2})"
)
_JAPANESE = re.compile(
    r"(?P<it>[一-龥々]{1,5}(?:\s[一-龥々]{1,4})?|[ァ-ヶー]{2,10}|(?<![ぁ-ん])[ぁ-ん]{2,4})(?P<title>様|さま|さん|くん|ちゃん)(?!(?!宛|方|分|名義)[一-龥])"
)
_JAPANESE_SELF = re.compile(
    r"(?:私は|名前は|わたしは|氏名は)\s?(?P<it>[一-龥々]{2,5}(?:\s[一-龥々]{1,4})?|[ァ-ヶー]{2,10})(?=です|と申し|と言い|といい)"
    r"|(?:^|[。、\s!])(?P<it2>[一-龥々]{2,5}(?:\s[一-龥々]{1,4})?|[ァ-ヶー]{2,10})(?=と申します|といいます|と言います)",
)
_NOBODY = re.compile(
    r"(?:客|皆|疲れ?|神|王|奥|子|同|仕|模|多|有|各|一|異|生|店員?|店長|業者?|運営|担当者?|会員|友達|息子|娘|母|父|嫁|旦那"
    r"|主人|彼氏?|某|両|人|外|上|下|何|御中|世話|苦労|皆々|本|屋|お|み|みな|たく|ご|スタッフ|オーナー|ユーザー|ママ|パパ|赤|兄|姉|弟|妹"
    r"|じい|ばあ|おば|おじ|お客|あか|お母|お父|お子)$"
)
_PARCEL_KINDS = {"PHONE", "ADDRESS", "ID_CARD", "BANK_CARD", "POSTCODE"}
_BOUNDARY = re.compile(r"[^一-龥々ぁ-んァ-ヶA-Za-z0-9]")
_MENTION = re.compile("@(?P<it>[^@\u2005\\s]{1,30}(?: [^@\u2005\\s]{1,20}){0,2})\u2005")


def accounts(view: str) -> Iterator[Span]:
    """Mail addresses, accounts of chat networks, orders and parcels, codes."""
    yield from _all(_MAIL, view, "EMAIL")
    yield from _all(_WXID, view, "WECHAT")
    for match in _WECHAT.finditer(view):
        # A word after 微信 is an account if it looks like one or is said to be one.
        if re.search(r"[\d_\-]", match["it"]) or re.search(
            r"[号加是:]|ID|id", match[0][: -len(match["it"])]
        ):
            yield Span(*match.span("it"), "WECHAT")
    yield from _all(_LINE, view, "LINE")
    yield from _all(_QQ, view, "QQ")
    yield from _all(_ACCOUNT, view, "ACCOUNT")
    for pattern in (_ORDER, _THIS_ORDER):
        for match in pattern.finditer(view):
            told = match["it"]
            if sum(map(str.isdigit, told)) >= 5 and not _DATE.match(told):
                yield Span(*match.span("it"), "ORDER")
    yield from _all(_PARCEL, view, "ORDER")
    for match in _CODE.finditer(view):
        if any(map(str.isdigit, match["it"])):
            yield Span(*match.span("it"), "CODE")


def documents(view: str) -> Iterator[Span]:
    """Passports and permits, identity and card numbers that are called so, number plates."""
    yield from _all(_PASSPORT, view, "PASSPORT")
    yield from _all(_PERMIT, view, "PASSPORT")
    yield from _all(_IDENTITY, view, "ID_CARD")
    yield from _all(_CARD, view, "BANK_CARD")
    yield from _all(_TAIL, view, "NUMBER")
    yield from _all(_PLATE, view, "PLATE")


def names(view: str) -> Iterator[Span]:
    """Names that somebody introduces, addresses politely or mentions."""
    for match in _INTRODUCED.finditer(view):
        told = match["cn"] or match["latin"]
        if not _NO_NAME.match(told):
            yield Span(match.end() - len(told), match.end(), "NAME")
    for match in _FIELD.finditer(view):
        if not _NO_NAME.match(match["it"]):
            yield Span(*match.span("it"), "NAME")
    for match in _TITLED.finditer(view):
        told = match["it"]
        thanks = told == "谢" and match["before"] in ("感", "多", "谢")
        if not thanks and not _NO_NAME.match(told + match["title"]):
            yield Span(*match.span("it"), "NAME")
    for match in _CALLED.finditer(view):
        if not _NO_NAME.match(match["it"]):
            yield Span(*match.span("it"), "NAME")
    for pattern in (_ENGLISH, _MENTION):
        yield from _all(pattern, view, "NAME")
    for match in _JAPANESE.finditer(view):
        if not _NOBODY.search(match["it"]):
            yield Span(*match.span("it"), "NAME")
    for match in _JAPANESE_SELF.finditer(view):
        yield Span(*match.span("it" if match["it"] else "it2"), "NAME")


def names_beside(view: str, spans: Sequence[Span]) -> Iterator[Span]:
    """Names that stand alone next to a phone, an address or a card: "张伟 138…" on a parcel."""
    ends = {span.end for span in spans}
    for span in spans:
        if span.kind not in _PARCEL_KINDS:
            continue
        after = _BESIDE.match(view, span.end)
        if after and (name := _NAME.match(view, after.end())):
            following = view[name.end() : name.end() + 1]
            if (not following or _BOUNDARY.match(following)) and not _NO_NAME.match(name[0]):
                yield Span(name.start(), name.end(), "NAME")
        stop = span.start
        while stop > max(0, span.start - 3) and _BOUNDARY.match(view[stop - 1]):
            stop -= 1
        for length in (4, 3, 2):
            start = stop - length
            if start < 0 or not (name := _NAME.fullmatch(view, start, stop)):
                continue
            apart = start == 0 or start in ends or _BOUNDARY.match(view[start - 1])
            if apart and not _NO_NAME.match(name[0]):
                yield Span(start, stop, "NAME")
                break


def _all(pattern: re.Pattern[str], view: str, kind: str) -> Iterator[Span]:
    part = "it" if "it" in pattern.groupindex else 0
    for match in pattern.finditer(view):
        yield Span(*match.span(part), kind)
