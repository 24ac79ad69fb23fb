"""An owner who types commands about knowledge in a small community's folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from agent import audit, bootstrap, config
from agent.cli import app
from agent.errors import ShequnError

CONFIG = """
storage: {data_folder: var}
community: {time_zone: Asia/Tokyo}
channels: [{kind: web, account: demo, bot_name: 小露}]
groups:
  - {name: 会员群, tags: [vip]}
  - {name: 新客群, tags: [newcomer]}
operators: {group: 运营群}
knowledge: {documents: documents}
offers: {folder: offers}
"""
FAQ = "question,answer\n防晒多久补涂一次？,每 2 小时一次。\n面膜一周敷几次？,2 到 3 次。\n"


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    notes: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Owner:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "documents").mkdir(parents=True)
        (folder / "offers").mkdir()
        (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
        self.writes("faq.csv", FAQ)

    def writes(self, name: str, text: str) -> None:
        """Into the documents folder."""
        (self.folder / "documents" / name).write_text(text, encoding="utf-8")

    def types(self, *arguments: str, answers: str = "") -> Result:
        """The command's output; raises what it refuses with. `answers` is typed at prompts."""
        command = ["--config", str(self.folder / "config.yaml"), *arguments]
        result = CliRunner().invoke(app, command, input=answers)
        if isinstance(result.exception, ShequnError):
            raise result.exception
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return Result(result.exit_code, result.stdout, result.stderr)

    def adds(self, question: str, answer: str, *more: str) -> int:
        made = self.types("knowledge", "add", "-q", question, "-a", answer, *more, "--json")
        return int(made.json["id"])

    def finds(self, text: str, group: str = "会员群") -> list[str]:
        """The texts of what is found, best first; only what is likely to answer."""
        found = self.types("knowledge", "search", text, "--group", group, "--json").json["found"]
        return [passage["text"] for passage in found if passage["score"] > 0.5]

    def acts(self, entry_id: int) -> list[tuple[str, str]]:
        """Who did what to an entry, from the audit log."""
        database = bootstrap.open_database(config.load(self.folder / "config.yaml"))
        with database.reading() as connection:
            found = audit.entries(connection, f"knowledge:{entry_id}")
        database.close()
        return [(act["actor"], act["action"]) for act in found]
