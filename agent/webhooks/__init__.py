"""Other systems are told what happens to tickets: signed, in order for each ticket, at least once.

An event is queued from its own row and sent by a loop; what a killed process was sending is sent
again once its lease has ended, under the same id.
"""

from agent.webhooks.claiming import Delivery, listed, retry
from agent.webhooks.queueing import Webhook

__all__ = ["Delivery", "Webhook", "listed", "retry"]
