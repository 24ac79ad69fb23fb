"""The desk's words: every sentence in every language, every code with its words."""

from __future__ import annotations

import re

import pytest

from agent.desk.app import PAGES
from agent.desk.explaining import ERRORS, explained
from agent.desk.frame_words import FRAME, SIGNING_IN
from agent.desk.inbox.words import INBOX
from agent.desk.knowledge_page.words import KNOWLEDGE
from agent.desk.languages import LANGUAGES, LOCALES, entries, translations
from agent.desk.reports_page.words import COLUMNS, REPORTS
from agent.errors import ShequnError, StorageUnavailable, UsageError
from agent.gate import Reason
from agent.tickets import Joined, Priority, State

OF_FILE = {
    "frame": {
        *FRAME.values(),
        *SIGNING_IN.values(),
        *ERRORS.values(),
        *(page.title for page in PAGES),
    },
    "inbox": set(INBOX.values()),
    "knowledge": {*KNOWLEDGE.values(), "Knowledge"},
    "reports": {*REPORTS.values(), *COLUMNS.values(), "Reports"},
}


def translated(language: str, part: str = "*") -> dict[str, str]:
    folder = LOCALES / language.replace("-", "_") / "LC_MESSAGES"
    found: dict[str, str] = {}
    for source in sorted(folder.glob(f"{part}.po")):
        found |= dict(entries(source.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("language", ["zh-CN", "ja"])
@pytest.mark.parametrize("part", OF_FILE)
def test_no_sentence_is_missing_or_left_over(language: str, part: str) -> None:
    everywhere = translated(language)
    assert OF_FILE[part] - everywhere.keys() == set()
    assert translated(language, part).keys() - OF_FILE[part] - {""} == set()

    def gaps(text: str) -> set[str]:
        return set(re.findall(r"\{\w+\}", text))

    assert [text for text in OF_FILE[part] if gaps(text) != gaps(everywhere[text])] == []


def test_one_sentence_reads_the_same_wherever_it_stands() -> None:
    for language in ("zh-CN", "ja"):
        folder = LOCALES / language.replace("-", "_") / "LC_MESSAGES"
        seen: dict[str, str] = {}
        for source in sorted(folder.glob("*.po")):
            for sentence, words in entries(source.read_text(encoding="utf-8")):
                if sentence:
                    assert seen.setdefault(sentence, words) == words, (source.name, sentence)


def test_every_code_that_the_inbox_is_sent_has_words() -> None:
    codes = {
        *(f"state_{one}" for one in State),
        *(f"priority_{one.name}" for one in Priority),
        *(f"joined_{one}" for one in Joined),
        *(f"reason_{one}" for one in Reason),
    }
    assert codes - INBOX.keys() == set()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-CN", "小周 刚刚答复了工单 #7"),
        ("ja", "小周 さんがたったいまチケット #7 に返信した"),
        ("en", "小周 has just answered ticket #7"),
    ],
)
def test_an_error_is_told_in_its_reader_s_language(language: str, words: str) -> None:
    error = UsageError("内部文字", code="answered_meanwhile", number=7, by="小周")
    told = explained(error, translations(language).gettext)
    assert words in told["words"]
    assert told["code"] == "answered_meanwhile"
    assert told["values"] == {"number": 7, "by": "小周"}


def test_an_error_without_words_of_its_own_keeps_its_text() -> None:
    english = translations("en").gettext
    assert explained(ShequnError("as it is"), english)["words"] == "as it is"
    assert explained(UsageError("另一个", code="never_heard_of"), english)["words"] == "另一个"
    told = explained(StorageUnavailable("disk full at /secret"), english)
    assert "/secret" not in told["words"]
    assert told["code"] == "storage"


def test_the_desk_speaks_what_the_simulator_speaks() -> None:
    assert list(LANGUAGES) == ["zh-CN", "ja", "en"]
    assert translations("ja").gettext("Inbox") == "受信箱"
    assert translations("zh-CN").gettext("Inbox") == "收件箱"
