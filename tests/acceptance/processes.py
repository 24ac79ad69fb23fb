"""Starting, killing and stopping the real `shequn` in processes of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
PATIENCE_SECONDS = 60.0  # for what a machine under load does in two


@dataclass
class Shequn:
    """One process. `log` is what it wrote."""

    process: asyncio.subprocess.Process
    log: Path
    fault_file: Path
    killed_at: datetime | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    def kill(self) -> None:
        self.process.kill()

    async def ended(self, seconds: float = PATIENCE_SECONDS) -> int:
        """The exit code, negative for a signal. Raises TimeoutError if it goes on."""
        code = await asyncio.wait_for(self.process.wait(), seconds)
        if code == -signal.SIGKILL:
            self.killed_at = datetime.now(UTC)
        return code

    async def killed(self) -> None:
        """Kill it, by the signal that no process can handle, and wait until it is gone."""
        if self.running:
            self.kill()
        await self.ended()

    async def stopped(self) -> int:
        """Ask it to stop, as a service manager does."""
        self.process.terminate()
        try:
            return await self.ended()
        except TimeoutError:
            raise AssertionError(f"does not stop when told to: {self.words()[-2000:]}") from None

    @property
    def fired(self) -> str:
        """The fault point at which it killed itself."""
        return self.fault_file.read_text() if self.fault_file.exists() else ""

    def words(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


class Starter:
    """Starts processes on one community, and knows every one of them."""

    def __init__(self, config: Path, environment: dict[str, str]) -> None:
        self._config = config
        self._environment = environment
        self.started: list[Shequn] = []

    async def start(self, *arguments: str, fault: str = "", nth: int = 1) -> Shequn:
        """`shequn --config … ARGUMENTS`; `run` without any. To die at `fault`, if given."""
        folder = self._config.parent / "processes"
        folder.mkdir(exist_ok=True)
        number = len(self.started)
        log, fault_file = folder / f"{number}.log", folder / f"{number}.fault"
        kept = {name: value for name, value in os.environ.items() if name not in _OWNERS_OWN}
        environment = {
            **kept,
            "PYTHONPATH": str(_ROOT),
            "PYTHONUNBUFFERED": "1",
            **self._environment,
        }
        if fault:
            environment |= {
                "SHEQUN_FAULT": fault,
                "SHEQUN_FAULT_NTH": str(nth),
                "SHEQUN_FAULT_FILE": str(fault_file),
            }
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(_HERE / "faulty_shequn.py"),
                "--config",
                str(self._config),
                *(arguments or ("run",)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
            )
        started = Shequn(process, log, fault_file)
        self.started.append(started)
        return started

    async def kill_all(self) -> None:
        for one in self.started:
            if one.running:
                await one.killed()


async def until(holds: Callable[[], object], what: str, process: Shequn | None = None) -> None:
    """Wait until it holds; fails with `what`, and with the log of a `process` that ended."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while not holds():
        log = process.words()[-3000:] if process else ""
        assert process is None or process.running, f"ended before {what}:\n{log}"
        assert asyncio.get_running_loop().time() < deadline, f"not within time: {what}\n{log}"
        await asyncio.sleep(0.1)


# A developer's own key would make a real model answer.
_OWNERS_OWN = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "SHEQUN_DATABASE_URL", "SHEQUN_CONFIG")
