"""Waiting until a community has come to rest."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from community import Chat, Crowd
from processes import PATIENCE_SECONDS, Shequn
from reckoning import unfinished


async def comes_to_rest(
    url: str, chat: Chat, crowd: Crowd, process: Shequn, *, tell_again: bool = True
) -> datetime:
    """Wait until everything that was said is judged, answered and learned; returns when.

    `tell_again`: the network first tells everything once more.
    """
    await asyncio.wait_for(chat.attached(), PATIENCE_SECONDS)
    if tell_again:
        chat.tell_again(chat.tellable())
    rests = 0
    deadline = asyncio.get_running_loop().time() + 2 * PATIENCE_SECONDS
    while True:
        assert process.running, process.words()[-2000:]
        await asyncio.sleep(0.5)
        before = len(chat.said)
        crowd.operators_answer()
        now = datetime.now(UTC)
        left = await asyncio.to_thread(unfinished, url, chat.tellable(), now)
        rests = 0 if left or len(chat.said) > before else rests + 1
        if rests >= 6:
            return now
        late = asyncio.get_running_loop().time() > deadline
        assert not late, f"does not come to rest: {left}\n{process.words()[-3000:]}"
