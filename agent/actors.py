"""Who does something to a ticket, an entry or an offer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A person or a part of the program. `user_id`: their row of `users`; None for who has none:
    a member, the command line, the program itself."""

    name: str
    user_id: int | None = None

    @property
    def key(self) -> str:
        """As the audit log names them."""
        return f"user:{self.user_id}" if self.user_id is not None else self.name


SYSTEM = Actor(name="shequn")
