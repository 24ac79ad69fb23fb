"""One open reports page. Who sees whose figures: `agent.service_desk.reports`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.access import Role
from agent.desk.frame import DeskPage, Json
from agent.desk.reports_page.asking import SPANS, BadPeriod, asked_period, figure_of
from agent.desk.reports_page.shapes import report_shape, rows_shape
from agent.desk.reports_page.words import REPORTS
from agent.desk.wording import N_
from agent.errors import ShequnError

PAGE = 50


class ReportsPage(DeskPage):
    key = "reports"
    title = N_("Reports")
    icon = "chart"
    addresses = ("/desk/reports",)
    script = "reports/index.js"
    style = "reports/reports.css"
    roles = frozenset({Role.operator})
    words = REPORTS

    async def first(self, asked: Mapping[str, str]) -> Json:
        span = asked.get("period", "")
        return {
            "span": span if span in SPANS else "30",
            "from": asked.get("from", "")[:10],
            "to": asked.get("to", "")[:10],
            "group": asked.get("group", "")[:10],
            "everybody": self.user.may(Role.admin),
        }

    async def on_report(self, asked: Json) -> Json:
        return report_shape(await self.ports.reports.report(self.user, self._period(asked)))

    async def on_rows(self, asked: Json) -> Json:
        offset = asked.get("offset")
        found = await self.ports.reports.rows(
            self.user,
            figure_of(asked.get("figure")),
            self._period(asked),
            operator=str(asked.get("operator") or ""),
            limit=PAGE,
            offset=max(offset, 0) if isinstance(offset, int) else 0,
        )
        return rows_shape(found) | {"size": PAGE}

    def _period(self, asked: Mapping[str, Any]) -> Any:
        try:
            return asked_period(asked, self.ports.now(), self.ports.zone)
        except BadPeriod:
            raise ShequnError(self._(REPORTS["bad_period"])) from None
