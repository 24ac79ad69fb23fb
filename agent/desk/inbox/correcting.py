"""Taking a wrong answer of the bot back, from the ticket that disputes it."""

from __future__ import annotations

from agent.desk.frame import DeskPage, Json
from agent.desk.inbox.asking import row_id
from agent.desk.shapes import millis
from agent.errors import UsageError
from agent.withdrawals import Affected, Entries, Withdrawn

_AFFECTED_HOURS = 7 * 24.0
_ENTRIES: dict[str, Entries] = {"keep": "keep", "retire": "retire", "edit": "edit"}


class Correcting(DeskPage):
    """`on_bot_answer` shows what `on_withdraw` takes back."""

    async def told(self) -> Json:
        raise NotImplementedError

    async def on_bot_answer(self, asked: Json) -> Json:
        """The answer, who else got one from the same entries, and what a correction reads like:
        `reads` has {correction} where the operator's words go."""
        desk = self.ports.service_desk
        answer = await desk.answer_of(self.user, ticket_id=row_id(asked.get("id")) or 0)
        others = await desk.affected(self.user, answer.turn_id, hours=_AFFECTED_HOURS)
        return {
            "answer": answer_shape(answer),
            "reads": desk.corrected(answer, "{correction}"),
            "others": [answer_shape(one) for one in others],
        }

    async def on_withdraw(self, asked: Json) -> Json:
        turn_id, also = row_id(asked.get("turn")), asked.get("also")
        if turn_id is None:
            raise UsageError("no answer was chosen", code="not_answered_by_bot")
        chosen = map(row_id, also) if isinstance(also, list) else ()
        request = asked.get("request")
        done = await self.ports.service_desk.withdraw(
            self.user,
            turn_id,
            str(asked.get("text") or ""),
            also=[one for one in chosen if one is not None],
            entries=_ENTRIES.get(str(asked.get("entries")), "keep"),
            request=f"correct:{request}"[:80] if isinstance(request, str) and request else None,
        )
        return {"withdrawn": withdrawn_shape(done)} | await self.told()


def answer_shape(one: Affected) -> Json:
    return {
        "turn": one.turn_id,
        "groupId": one.group_id,
        "group": one.group,
        "members": list(one.members),
        "question": one.question,
        "answer": one.answer,
        "entries": list(one.entries),
        "at": millis(one.answered_at),
        "gone": one.withdrawn_at is not None,
    }


def withdrawn_shape(done: Withdrawn) -> Json:
    return {
        "groups": list(done.groups),
        "people": done.people,
        "unsent": done.unsent,
        "unreachable": list(done.unreachable),
        "still": list(done.still_known),
    }
