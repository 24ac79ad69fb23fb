"""Who works with Shequn, what they may do, and how they show who they are."""

from agent.access.access import Access
from agent.access.attempts import Rules
from agent.access.sessions import Refusal, Session, SignedIn, user_of_session
from agent.access.tokens import Scope, Token, user_of_token
from agent.access.users import (
    Role,
    User,
    by_id,
    get,
    in_wechat,
    listed,
    operator_in_wechat,
    set_on_duty,
)

__all__ = [
    "Access",
    "Refusal",
    "Role",
    "Rules",
    "Scope",
    "Session",
    "SignedIn",
    "Token",
    "User",
    "by_id",
    "get",
    "in_wechat",
    "listed",
    "operator_in_wechat",
    "set_on_duty",
    "user_of_session",
    "user_of_token",
]
