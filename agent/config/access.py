"""How people sign in to the desk."""

from __future__ import annotations

from pydantic import Field

from agent.config.base import Part


class SignIn(Part):
    """`failures`, `failures_of_address`: wrong passwords in a row until a login or a client's
    address is locked, for a minute first, then for twice as long each time, up to half an hour."""

    idle_hours: float = Field(12, gt=0, le=24 * 30)
    longest_days: float = Field(7, gt=0, le=365)
    failures: int = Field(5, ge=3, le=100)
    failures_of_address: int = Field(30, ge=3, le=10_000)


class Api(Part):
    """How often programs may call: in each process for itself; 0: no limit."""

    calls_per_minute: int = Field(600, ge=0)
    calls_per_minute_of_address: int = Field(3000, ge=0)
