"""Copy as it is read, whatever it is spelt with.

People who know the rules write 最_佳, 朂佳, 最🎉佳, ｚｕｉ佳 or 第①. Matching goes over a folded
text in which these read alike, and every folded character knows where it stood.
"""

import bisect
import unicodedata
from dataclasses import dataclass

# Traditional characters that copy and rules are likely to hold, with their simplified forms.
_PAIRS = (
    "亂乱來来倉仓個个們们倫伦備备傳传債债傷伤傾倾僅仅僱雇價价儀仪億亿償偿優优儲储兌兑兒儿內内兩两凍冻"
    "則则剛刚創创劃划劇剧劍剑劑剂勁劲動动務务勝胜勞劳勢势勵励勸劝區区協协卻却厭厌參参叢丛吳吴員员問问"
    "啟启喚唤喪丧喬乔單单嘗尝嚇吓嚴严囑嘱國国圍围園园圓圆圖图團团壓压壞坏壯壮壽寿夢梦夥伙奪夺奮奋妝妆"
    "婦妇媽妈孫孙學学實实寧宁審审寫写寬宽寶宝將将專专尋寻對对導导屆届層层屬属島岛嶺岭巔巅師师帶带幣币"
    "幫帮幾几庫库廠厂廣广廳厅強强彈弹彌弥後后從从復复徵征恆恒悅悦惡恶愛爱態态慶庆慾欲憑凭憶忆應应懷怀"
    "戀恋戰战戶户掃扫採采揚扬換换搖摇搶抢擁拥擇择擊击擔担據据擴扩擺摆攜携攝摄敗败敵敌數数斷断於于時时"
    "暢畅暫暂曬晒書书會会東东條条業业極极構构樂乐樓楼標标樣样樹树橋桥機机檔档檢检櫃柜欄栏權权歐欧歡欢"
    "歲岁歷历殘残殺杀氣气決决沒没況况涼凉淚泪淨净淺浅減减測测湧涌準准溫温滅灭滾滚滿满漁渔漢汉漲涨潔洁"
    "潛潜潤润澤泽濃浓濕湿濟济灣湾災灾為为無无煙烟熱热燈灯燒烧燙烫營营爐炉爭争牆墙狀状獎奖獨独獲获現现"
    "環环產产畢毕畫画異异瘋疯瘡疮療疗癒愈癢痒發发皺皱盡尽監监盤盘眾众睏困碼码礎础禮礼禱祷稅税種种穩稳"
    "窮穷竊窃筆笔節节範范築筑簡简簽签籃篮籤签糧粮紀纪約约紅红純纯紙纸級级細细終终組组結结絕绝絡络給给"
    "統统絲丝經经綠绿維维網网緊紧線线編编緩缓練练緻致縮缩總总織织繞绕繫系繼继續续罰罚習习聖圣聞闻聯联"
    "聲声職职肅肃脅胁脫脱腎肾腦脑腫肿腳脚腸肠膚肤膠胶膩腻臉脸臟脏臨临與与興兴舉举舊旧艙舱莊庄華华菸烟"
    "萬万葉叶著着蓋盖蔥葱薦荐藍蓝藝艺藥药蘇苏蘋苹蘿萝處处號号蟲虫蠟蜡術术衛卫補补裝装裡里製制複复襪袜"
    "見见規规視视親亲覺觉覽览觸触訂订計计訊讯託托記记設设許许訴诉診诊評评詞词詢询試试話话該该詳详認认"
    "語语誠诚誤误說说誰谁課课調调談谈請请論论諮咨謝谢證证識识護护譽誉變变讓让讚赞貝贝負负財财貢贡貨货"
    "責责貴贵買买費费貼贴賞赏賠赔賣卖質质賬账賴赖賺赚購购贈赠贏赢趕赶趨趋跡迹躍跃車车軍军軟软較较載载"
    "輕轻輪轮輸输轉转辦办農农這这連连進进運运過过達达遠远適适遲迟選选遺遗還还邊边郵邮鄉乡醜丑醫医醬酱"
    "釀酿釋释針针鈔钞鈴铃銀银銷销鋪铺錄录錢钱錦锦錯错鍋锅鍵键鎖锁鎮镇鏈链鏡镜鐘钟鐵铁鑽钻長长門门閃闪"
    "閉闭開开閒闲間间閱阅闊阔關关陰阴陳陈陽阳隊队階阶際际隨随險险隱隐雖虽雙双雜杂雞鸡離离難难雲云電电"
    "霧雾靜静韓韩響响頁页頂顶項项順顺須须預预領领頭头頰颊頸颈頻频顆颗題题額额顏颜願愿類类顧顾顯显風风"
    "飛飞飯饭飲饮飽饱飾饰餅饼養养餘余館馆饋馈馬马駐驻駕驾騎骑騙骗驅驱驗验驚惊髒脏體体髮发鬆松鬥斗鬧闹"
    "魚鱼魯鲁鮮鲜鳥鸟鹼碱鹽盐麗丽麥麦麵面麼么黃黄點点黴霉齊齐齒齿齡龄龍龙"
)
_TRADITIONAL = dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True))
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
_FOLDED: dict[str, str] = {}  # what is known already; no larger than what Unicode holds
# What is put between characters to hide a word: it is left out unless letters or digits of the
# Latin kind stand on both sides, where it means something (3.5, 10-18, best price).
_SEPARATORS = frozenset(" \t_·•・*#&~-|.^+=/\\`'’‘“”\"′丨…°●■◆★☆○◇□△▲▼♥♡→←〃︱¦")
_SOUND_MARKS = frozenset("\u3099\u309a")  # the ones that turn カ into ガ and ハ into パ
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
        folded = _FOLDED.get(char)
        if folded is None:
            folded = _FOLDED[char] = _of(char)
        if folded in _SOUND_MARKS and chars:
            joined = unicodedata.normalize("NFC", chars[-1] + folded)
            if len(joined) == 1:
                chars[-1], ends[-1] = joined, position + 1
                continue
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
    if char in _SOUND_MARKS:
        return char
    category = unicodedata.category(char)
    # Invisible, variation selectors, modifiers: they carry nothing of their own.
    if category in ("Cf", "Mn", "Me", "Cc") and char not in "\n\t":
        return ""
    if ord(char) >= _SEEN and category in ("So", "Sk", "Cn"):
        plain = unicodedata.normalize("NFKC", char)
        return plain.lower() if plain.isascii() else "•"
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
            if any(chars[one] == "#" for one in pending) and not _hides(chars, kept, pending):
                kept += [one for one in pending if chars[one] == "#"]
            # A full stop, slash or sign between Latin letters and digits belongs to them.
            if kept and _is_plain(chars[kept[-1]]) and _is_plain(char):
                kept += [one for one in pending if chars[one] != "•"]
            pending = []
        kept.append(index)
    return Folded("".join(chars[i] for i in kept), [at[i] for i in kept], [ends[i] for i in kept])


def _hides(chars: list[str], kept: list[int], pending: list[int]) -> bool:
    """Whether a # stands within a word, rather than before one as in #广告."""
    return len(pending) == 1 and bool(kept) and chars[kept[-1]].isalnum()


def _is_plain(char: str) -> bool:
    return char < "\x80" and char not in "\n"
