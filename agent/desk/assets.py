"""Scripts and styles of the pages, under addresses that change with their content: a browser
keeps them for good, and asks for them again only after an update."""

from __future__ import annotations

from pathlib import Path

from nicegui.dependencies import register_esm
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

WEB = Path(__file__).parent / "web"
KEPT = "public, max-age=31536000, immutable"
_NEWEST = max(path.stat().st_mtime for path in (WEB, *WEB.rglob("*")))
_VERSION = f"{int(_NEWEST * 1000):x}"


def register_scripts() -> None:
    """Let every page import the modules in `web/` as `shequn-desk/…`."""
    # NiceGUI would look at the folder's time alone, not at that of the files in it.
    register_esm("shequn-desk", WEB, max_time=_NEWEST)


def sheet(name: str) -> str:
    """The link to a style sheet of `web/`, for a page's head."""
    return f'<link rel="stylesheet" href="/assets/{name}?v={_VERSION}">'


class Assets(StaticFiles):
    """What lies in `web/`."""

    def __init__(self) -> None:
        super().__init__(directory=WEB)

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        asked = scope.get("query_string", b"") == f"v={_VERSION}".encode()
        answer.headers["cache-control"] = KEPT if asked else "no-cache"
        return answer
