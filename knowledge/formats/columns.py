"""What the columns of a table are called, and what those mean that are ours to understand."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from knowledge.formats.pieces import Skipped, Unreadable

_COLUMNS = {
    "question": "question", "questions": "question", "问题": "question", "問題": "question",
    "質問": "question", "提问": "question", "常见问题": "question", "常見問題": "question",
    "用户问题": "question", "标准问题": "question", "标准问": "question",
    "answer": "answer", "answers": "answer", "答案": "answer", "回答": "answer", "答复": "answer",
    "解答": "answer", "标准答案": "answer", "标准回答": "answer", "回复": "answer",
    "q": "q", "问": "q", "問": "q", "a": "a", "答": "a",
    "tags": "tags", "标签": "tags", "標籤": "tags", "タグ": "tags",
    "audience": "audience", "受众": "audience", "受眾": "audience", "对象": "audience",
    "對象": "audience", "対象": "audience", "适用对象": "audience", "適用對象": "audience",
    "对象人群": "audience", "适用人群": "audience", "適用人群": "audience", "适用群": "audience",
    "适用范围": "audience", "適用範圍": "audience", "適用範囲": "audience", "範囲": "audience",
    "公開範囲": "audience", "対象者": "audience",
    "valid_from": "valid_from", "生效日期": "valid_from", "生效时间": "valid_from",
    "生效日": "valid_from", "開始日": "valid_from", "有効開始日": "valid_from",
    "valid_to": "valid_to", "失效日期": "valid_to", "失效时间": "valid_to", "有效期至": "valid_to",
    "有效期": "valid_to", "有效期限": "valid_to", "失效日": "valid_to", "截止日期": "valid_to",
    "有効期限": "valid_to", "有効終了日": "valid_to", "終了日": "valid_to",
    "approved": "approved", "已审核": "approved", "审核通过": "approved", "是否审核": "approved",
    "审核": "approved", "审核状态": "approved", "是否通过": "approved", "是否已审核": "approved",
    "审批": "approved", "審核": "approved", "已審核": "approved", "是否審核": "approved",
    "承認": "approved", "承認済み": "approved", "承認済": "approved", "承認状態": "approved",
}  # fmt: skip
# Columns that only number or date the rows; nobody misses them in answers.
_NUMBERING = frozenset(
    {"no", "no.", "id", "#", "序号", "序號", "编号", "編號", "番号", "更新日期", "更新时间",
     "更新日", "创建日期", "创建时间", "作成日"}
)  # fmt: skip
# What a column says of approval, audience or validity, in whatever words.
_TELLS_WHO_OR_WHEN = re.compile(
    "审|審|批|承認|对象|對象|対象|群|期|有效|有効|范围|範圍|範囲|草稿|状态|狀態|状態|"
    "audien|scope|group|valid|expir|approv|review|draft|status"
)
_ALIKE = 0.75  # from this likeness on (difflib's ratio) a name is another one misspelt
# In a table that is not questions and answers, only these English names are ours.
OURS = frozenset({"tags", "audience", "valid_from", "valid_to", "approved"})
_GUARDING = OURS - {"tags"}
_KNOWN = "question, answer, tags, audience, valid_from, valid_to, approved"


def meanings_of(cells: Sequence[str]) -> tuple[str, ...]:
    """What the columns named so mean; a short name counts only beside its counterpart."""
    found = [_COLUMNS.get(_spelled(cell), "") for cell in cells]
    for short, full, other in (("q", "question", "a"), ("a", "answer", "q")):
        partner = "answer" if short == "q" else "question"
        paired = other in found or partner in found
        if full not in found and paired:
            found = [full if name == short else name for name in found]
    seen: set[str] = set()
    meanings = []
    for name in found:
        meanings.append("" if name in seen or name in ("q", "a") else name)
        seen.add(name)
    return tuple(meanings)


def _spelled(name: str) -> str:
    """A column's name without case, marks and spaces around it."""
    return name.strip().strip("*＊:：").strip().lower().replace(" ", "_").replace("-", "_")


def _near(spelled: str) -> str:
    """The known column that this name may mean; empty if none is near."""
    found = difflib.get_close_matches(spelled, _COLUMNS, n=1, cutoff=_ALIKE)
    return _COLUMNS[found[0]] if found else ""


def _guards(spelled: str, near: str) -> bool:
    return near in _GUARDING or bool(_TELLS_WHO_OR_WHEN.search(spelled))


def is_faq(meanings: Sequence[str]) -> bool:
    """Whether columns of these meanings are those of questions with answers."""
    return "question" in meanings and "answer" in meanings


def not_understood(
    names: Sequence[str], meanings: Sequence[str], number: int, place: str
) -> Iterator[Skipped]:
    """The columns that are left out of answers. Raises `Unreadable` where one may say who is
    to read the answers, when, or whether anybody approved them: better none than to all."""
    for name, meaning in zip(names, meanings, strict=True):
        spelled = _spelled(name)
        if meaning or not spelled or spelled in _NUMBERING:
            continue
        near, twice = _near(spelled), spelled in _COLUMNS
        if (twice and _COLUMNS[spelled] in _GUARDING) or (not twice and _guards(spelled, near)):
            told = f"a second time says {near}" if twice else "is not known"
            raise Unreadable(
                f"column {name!r} {told}, and may say for whom or until when answers are "
                "meant, or who approved them; nothing of this file was taken",
                f"rename it{f' ({near}?)' if near else ''}, or remove it; known are: {_KNOWN}",
                number or None,
            )
        meant = f"; did you mean {near}?" if near and not twice else ""
        told = f"says {near} a second time" if twice else "is not known"
        yield Skipped(
            message=f"column {name!r} {told} and was ignored{meant}",
            remedy=f"rename or remove it; known are: {_KNOWN}",
            line=number, place=f"{place}!{number}" if place else "",
        )  # fmt: skip


def refuse_half_named(cells: Sequence[str], line: int) -> None:
    """Raise `Unreadable` for column names of which only one of question and answer is there."""
    meanings = meanings_of(cells)
    absent = [name for name in ("question", "answer") if name not in meanings]
    if len(absent) == 1:
        raise Unreadable(
            f"the first row has no column {absent[0]}",
            "name the columns question,answer and, if you like, tags",
            line,
        )
