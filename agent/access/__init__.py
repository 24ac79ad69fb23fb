"""Who works with Shequn, what they may do, and how they show who they are."""

from agent.access.users import Role, User, by_id, get, listed, operator_in_wechat, set_on_duty

__all__ = ["Role", "User", "by_id", "get", "listed", "operator_in_wechat", "set_on_duty"]
