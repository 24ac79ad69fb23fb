"""What the shop in these tests knows, and when and where it is asked."""

from __future__ import annotations

from datetime import UTC, datetime

from knowledge.audience import SearchScope

NOW = datetime(2026, 6, 18, 12, 0, tzinfo=UTC)
ANY_GROUP = SearchScope(group="tea-lovers", tags=frozenset({"vip"}))

TEA_SHOP = (
    ("红枣姜茶多少钱一盒？", "红枣姜茶一盒 10 包，68 元。"),
    ("玄米茶多少钱一袋？", "玄米茶一袋 200 克，45 元。"),
    ("退款多久到账？", "收到退货后 3 个工作日内原路退款。"),
    ("孕妇可以喝煎茶吗？", "煎茶含咖啡因，孕期请先问过医生。"),
    ("开封以后能放多久？", "开封后请在 60 天内喝完，密封避光保存。"),
    ("新疆包邮吗？", "新疆实付满 299 元包邮。"),
    ("付款后什么时候发货？", "工作日 16:00 前付款当天发货。"),
    ("京都本店几点开门？", "京都本店 11:00 到 19:00 营业，周三休息。"),
)
