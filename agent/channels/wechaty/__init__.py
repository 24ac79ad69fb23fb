"""The `wechaty` channel: one WeChat account behind a Wechaty puppet service gateway."""

from agent.channels.wechaty.channel import WechatyChannel

__all__ = ["WechatyChannel"]
