"""Other systems that are told what happens to tickets."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import Field, model_validator

from agent.config.base import Part

_Event = Annotated[str, Field(pattern=r"^ticket\.([a-z_]+|\*)$")]


class Webhook(Part):
    """`secret_variable`: the environment's variable with the secret that signs; of two words in
    it each signs. `private`: the address may be on your own network."""

    name: str = Field(min_length=1, max_length=64)
    url: str = Field(pattern=r"^https?://[^\s/]+(/\S*)?$", max_length=1000)
    events: tuple[_Event, ...] = ("ticket.*",)
    secret_variable: str = Field("SHEQUN_WEBHOOK_SECRET", pattern=r"^SHEQUN_WEBHOOK_[A-Z0-9_]+$")
    with_text: bool = False
    private: bool = False
    timeout_seconds: float = Field(10, gt=0, le=30)

    @model_validator(mode="after")
    def _secret_over_plain_http(self) -> Webhook:
        if self.url.startswith("http://") and not self.private:
            raise ValueError("url: use https, or say `private: true` for your own network")
        return self

    @property
    def secrets(self) -> tuple[str, ...]:
        """From the environment; empty where it is not set."""
        return tuple(os.environ.get(self.secret_variable, "").split())
