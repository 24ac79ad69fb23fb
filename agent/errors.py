"""Everything Shequn raises on purpose.

    ShequnError
    ├── ConfigurationError        config.yaml, environment or content files are wrong
    ├── Retryable                 the same call may succeed later
    │   ├── StorageUnavailable    disk full, database locked or away
    │   ├── NotConnected          the account has no connection now; nothing was sent
    │   └── Throttled             the network asked us to slow down; nothing was sent
    ├── Permanent                 the same call will never succeed
    │   ├── SendRejected          the network refused this message; nothing was sent
    │   ├── NewerDatabase         the database was written by a later version
    │   ├── AccountInUse          another process runs this account
    │   └── UsageError, with NotAllowed, UnknownTicket, TicketClosed, TicketChanged and
    │       AnsweredMeanwhile
    └── SendUncertain             the call broke half-way: it may or may not have been sent

Vendor errors are translated into these once, at the edge where the vendor's
SDK is imported, and chained.
"""

from __future__ import annotations

from dataclasses import dataclass


class ShequnError(Exception):
    """Base of every error raised on purpose."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing wrong with the configuration or content, with where and what to do."""

    path: str
    message: str
    remedy: str = ""
    severity: str = "error"  # error | warning | ok

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" — {self.remedy}" if self.remedy else "")


class ConfigurationError(ShequnError):
    """The configuration cannot be used; `findings` says where and what to do."""

    def __init__(self, *findings: Finding) -> None:
        self.findings = findings
        super().__init__("\n".join(str(finding) for finding in findings))


class Retryable(ShequnError):
    """The same call may succeed later; nothing happened."""


class StorageUnavailable(Retryable):
    """The database cannot take writes now: disk full, locked for too long, server away."""


class NotConnected(Retryable):
    """The account is not connected; nothing was sent."""


class Throttled(Retryable):
    """The network asked us to slow down; nothing was sent."""


class Permanent(ShequnError):
    """The same call will never succeed."""


class SendRejected(Permanent):
    """The network refused this message for good; nothing was sent."""


class NewerDatabase(Permanent):
    """The database was written by a later version of Shequn."""


class AccountInUse(Permanent):
    """Another living process runs this account."""


class UsageError(Permanent):
    """A person asked for something that cannot be done; the text says what to do instead.

    `code` and `values` let a page say the same in its reader's language.
    """

    def __init__(self, text: str = "", *, code: str = "", **values: object) -> None:
        super().__init__(text)
        self.code = code
        self.values = values


class NotAllowed(UsageError):
    """Who asked may not do this, or no longer."""


class UnknownTicket(UsageError):
    """There is no ticket of that number."""


class TicketClosed(UsageError):
    """The ticket is closed already."""


class TicketChanged(UsageError):
    """The ticket is no longer as who acts on it has seen it."""


class AnsweredMeanwhile(UsageError):
    """Somebody else answered while this answer was written; it was not sent."""


class SendUncertain(ShequnError):
    """The call broke half-way: the message may or may not have been sent."""
