"""Operators and members of two languages: a ticket read in one's own, a reply written in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.compliance import labels
from agent.errors import UsageError
from agent.service_desk.view import TicketView
from agent.translating import (
    Difference,
    Outcome,
    Reason,
    Translated,
    Translator,
    Untranslated,
    differences,
)
from agent.translating.glossary import base, language_of

_PASSAGES = 3


@dataclass(frozen=True, kw_only=True)
class InLanguage:
    """The texts of a ticket in a reader's language, by the text as it is written.

    `why_not`: nothing was translated, and why; the page then shows one language.
    """

    language: str
    texts: Mapping[str, Translated]
    why_not: Untranslated | None = None

    def of(self, text: str) -> str | None:
        """The translation of a text; None where it needs or has none."""
        found = self.texts.get(text)
        return found.text if found else None


@dataclass(frozen=True, kw_only=True)
class PreparedReply:
    """A reply in the members' language, to be looked at before it is sent.

    `sent_as` is what members read: the translation with the mark of text that a model wrote.
    `back`: the translation in the operator's language again, a check of what it says.
    `may_send`: nothing is wrong that can be told by form; otherwise it is sent only with the
    operator's confirmation.
    """

    text: str
    translation: Translated | Untranslated
    back: Translated | Untranslated
    sent_as: str

    @property
    def differences(self) -> tuple[Difference, ...]:
        return self.translation.differences if isinstance(self.translation, Translated) else ()

    @property
    def may_send(self) -> bool:
        return isinstance(self.translation, Translated) and self.translation.faithful


class Interpreter:
    """Translates what operators and members tell each other."""

    def __init__(self, translator: Translator) -> None:
        self._translator = translator

    @property
    def available(self) -> bool:
        """Whether there is a model that translates; without one the desk works in one language."""
        return self._translator.available

    async def read(self, view: TicketView, language: str) -> InLanguage:
        """The ticket's question, the talk around it, passages and similar tickets for a reader of
        `language` (also zh-CN), in one call of the model."""
        texts = texts_of(view)
        outcomes = await self._translator.translate(texts, language)
        made = {
            text: outcome
            for text, outcome in zip(texts, outcomes, strict=True)
            if isinstance(outcome, Translated)
        }
        return InLanguage(
            language=base(language), texts=made, why_not=None if made else _reason(outcomes)
        )

    async def prepare_reply(
        self, text: str, into: str, *, written_in: str | None = None
    ) -> PreparedReply:
        """The reply in the members' language, with its back-translation and what is wrong."""
        spoken = written_in or language_of(text, "ja" if base(into) == "zh" else "zh")
        there = await self._translator.one(text, into, source=spoken)
        if isinstance(there, Untranslated):
            return PreparedReply(text=text, translation=there, back=there, sent_as=text)
        back = await self._translator.one(there.text, spoken, source=into)
        return PreparedReply(
            text=text, translation=there, back=back, sent_as=labels.labelled(there.text)
        )

    async def as_sent(
        self, text: str, in_languages: Mapping[str, str], *, confirmed: bool = False
    ) -> dict[str, str]:
        """The texts as members get them: what a model translated carries the mark of AI text, also
        where somebody changed it afterwards; what a person wrote carries none.

        Raises `UsageError` (code `translation_differs`, with what is wrong) where a model's text
        says something otherwise than `text` and nobody `confirmed` it.
        """
        sent = {}
        for language, translation in in_languages.items():
            spoken = language_of(text, "ja" if base(language) == "zh" else "zh")
            bare = translation.removesuffix(labels.MARK).strip()
            if not await self._translator.by_model(text, bare, spoken, language):
                sent[language] = translation
                continue
            wrong = differences(
                text, bare, of=spoken, into=language, glossary=self._translator.glossary
            )
            if wrong and not confirmed:
                told = "、".join(one.words for one in wrong if one.words)
                raise UsageError(
                    f"译文和原文不一致（{told}），没有发送：请改好，或确认后再发。",
                    code="translation_differs",
                    words=told,
                    differences=wrong,
                )
            sent[language] = labels.labelled(bare)
        return sent


def texts_of(view: TicketView) -> list[str]:
    """What a reader of another language needs of a ticket, each once, the question first."""
    ticket = view.ticket
    texts = [ticket.question, *(asker.question for asker in ticket.askers)]
    texts += [said.text for talk in view.conversations for said in talk.messages]
    for passage in ticket.passages[:_PASSAGES]:
        texts += [str(passage.get("question") or ""), str(passage.get("text") or "")]
    for other in view.similar[:_PASSAGES]:
        texts += [other.question, other.answer]
    texts += [
        str(event.details["text"])
        for event in view.events
        if event.kind in ("came_back", "noted") and event.details.get("text")
    ]
    return [text for text in dict.fromkeys(texts) if text.strip()]


def _reason(outcomes: list[Outcome]) -> Untranslated | None:
    """Why nothing was translated; None where nothing had to be."""
    failed = [one for one in outcomes if isinstance(one, Untranslated)]
    nothing_to_do = {Reason.SAME_LANGUAGE, Reason.NO_WORDS}
    return next((one for one in failed if one.reason not in nothing_to_do), None)
