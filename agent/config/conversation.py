"""Settings of how the bot behaves between members and operators."""

from __future__ import annotations

from pydantic import Field

from agent.config.base import Part


class Peers(Part):
    """Other members may answer first what nobody was asked. `holding_reply`: one short line when
    the time is over and an operator gets it."""

    wait_minutes: float = Field(10, gt=0, le=7 * 24 * 60)
    holding_reply: bool = False


class Handover(Part):
    """Once a member asked for a person the bot keeps quiet in the thread until the ticket is
    closed, or so long after the person's answer (`quiet_minutes`), or after the ask although
    nobody has answered (`most_hours`)."""

    quiet_minutes: float | None = Field(None, ge=0)
    most_hours: float | None = Field(None, gt=0)
    again_minutes: float = Field(10, gt=0)  # between two lines that a person is coming


class Conversation(Part):
    reply_minutes: float = Field(10, gt=0)
    feedback_minutes: float = Field(10, gt=0, le=24 * 60)
    handover: Handover = Handover()
    most_in_a_row: int = Field(30, ge=0)
    row_minutes: float = Field(5, gt=0)
    recall_seconds: float = Field(110, ge=0, le=120)  # WeChat takes back for two minutes
