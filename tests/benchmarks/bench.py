"""`make bench`: what the agent does in a second, how long a member waits, what it weighs.

Prints a table with the aim beside each figure and writes the figures to .bench/figures.json.
Medians of several runs; the machine's load stands above the table, since it moves everything.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import model
import psutil
import retrieval
from community import Bench, settings, write_catalog
from figures import Figure
from rich.console import Console
from rich.table import Table

from agent import bootstrap, logs
from agent.events import GroupSeen
from agent.timekeeping import SystemClock

ROOT = Path(__file__).parents[2]
ENTRIES = 10_000
GROUPS = 16


async def measure_messages(folder: Path) -> list[Figure]:
    """Messages a second with many groups at once, and one member's wait with nobody else there."""
    async with Bench(folder, groups=GROUPS, catalog=ENTRIES) as bench:
        await _flood(bench, 320, bench.chatter, mention=False)
        await _flood(bench, 160, bench.question, mention=True)
        chatter = [await _flood(bench, 3200, bench.chatter, mention=False) for _ in range(3)]
        questions = [await _flood(bench, 1600, bench.question, mention=True) for _ in range(3)]
        waits = await _waits(bench, 400)
    waits.sort()
    return [
        Figure("chatter judged", _median(chatter, 0), "messages/s", 1000),
        Figure("CPU a chatter message", _median(chatter, 1), "ms", 5, True),
        Figure("questions answered", _median(questions, 0), "questions/s", 200),
        Figure("CPU a question", _median(questions, 1), "ms", 5, True),
        Figure("added latency, p50", waits[len(waits) // 2] * 1000, "ms", 8, True),
        Figure("added latency, p99", waits[len(waits) * 99 // 100] * 1000, "ms", 25, True),
    ]


async def _flood(
    bench: Bench, count: int, words: Callable[[], str], *, mention: bool
) -> tuple[float, float]:
    """`count` members say one thing each, all groups at once: (turns a second, CPU ms a turn).

    Every message is another member's, so none merges with another into one turn.
    """
    offset = bench.said
    bench.said += count

    async def talk(group: int) -> None:
        for number in range(group, count, GROUPS):
            await bench.app.intake.emit(
                bench.message(group, (offset + number) % 500, words(), mention=mention)
            )

    cpu, started = time.process_time(), time.perf_counter()
    before = await bench.decided()
    await asyncio.gather(*(talk(group) for group in range(GROUPS)))
    await bench.drained()
    seconds = time.perf_counter() - started
    turns = await bench.decided() - before
    return turns / seconds, (time.process_time() - cpu) / turns * 1000


async def _waits(bench: Bench, count: int) -> list[float]:
    """Seconds from a question's arrival to its answer being handed to the network."""
    found = []
    for number in range(count):
        bench.channel.arrived.clear()
        message = bench.message(number % GROUPS, number % 500, bench.question(), mention=True)
        started = time.perf_counter()
        await bench.app.intake.emit(message)
        await bench.channel.arrived.wait()
        found.append(time.perf_counter() - started)
        await asyncio.sleep(0.01)
    return found


def _median(runs: list[tuple[float, float]], place: int) -> float:
    return statistics.median(run[place] for run in runs)


def measure_process(folder: Path) -> list[Figure]:
    """The real process with the page: until it is served, and what it weighs at rest."""
    sample = folder / "community"
    subprocess.run([_shequn(), "init", str(sample)], check=True, capture_output=True)
    for old in (sample / "knowledge" / "documents").iterdir():
        old.unlink()
    (sample / "knowledge" / "documents").rmdir()
    write_catalog(sample / "knowledge" / "documents", ENTRIES)
    subprocess.run([_shequn(), "ingest"], cwd=sample, check=True, capture_output=True)
    served, weights = [], []
    for _ in range(3):
        seconds, megabytes = _run_once(sample)
        served.append(seconds)
        weights.append(megabytes)
    help_seconds = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([_shequn(), "--help"], check=True, capture_output=True)
        help_seconds.append(time.perf_counter() - started)
    return [
        Figure("page served after start", statistics.median(served), "s", 2, True),
        Figure("memory at rest", statistics.median(weights), "MB", 200, True),
        Figure("shequn --help", statistics.median(help_seconds), "s", 0.5, True),
    ]


def _run_once(sample: Path) -> tuple[float, float]:
    port = _free_port()
    started = time.perf_counter()
    process = subprocess.Popen(
        [_shequn(), "run", "--port", str(port)],
        cwd=sample,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not _answers(f"http://127.0.0.1:{port}/"):
            if process.poll() is not None or time.perf_counter() - started > 60:
                raise SystemExit(f"the process did not serve its page:\n{process.communicate()[1]}")
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        time.sleep(8)  # the knowledge index warms up behind the page
        return seconds, psutil.Process(process.pid).memory_info().rss / 1e6
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _shequn() -> str:
    return str(Path(sys.executable).with_name("shequn"))


async def measure_fan_out(folder: Path) -> list[Figure]:
    """One due offer for 10,000 groups: claimed, planned and in the outbox."""
    given = settings(folder, groups=1, catalog=10)
    (folder / "offers" / "one.yaml").write_text(
        "title: 一\naudience: {tags: [all]}\nschedule: {cron: '0 0 1 1 *'}\n"
        "content: [{text: 今晚八点，会员专享。}]\n",
        encoding="utf-8",
    )
    seconds = []
    application = bootstrap.build(given, clock=SystemClock(), attach=False)
    try:
        with application.database.transaction() as connection:
            now = application.clock.now()
            for number in range(10_000):
                application.directory.see_group(
                    connection,
                    GroupSeen(
                        channel="terminal",
                        account="bench",
                        group_id=f"g{number}",
                        name=f"群{number}",
                        at=now,
                    ),
                )
            connection.exec_driver_sql("UPDATE accounts SET online_at = 0")
            connection.exec_driver_sql("UPDATE groups SET kind = 'members', tags = '[\"all\"]'")
        application.promotions.sync()
        for _ in range(3):
            with application.database.transaction() as connection:
                application.promotions.post_now(connection, "one")
            started = time.perf_counter()
            await application.promotions.tick()
            seconds.append(time.perf_counter() - started)
        with application.database.reading() as connection:
            from agent import outbox

            queued = outbox.counts(connection).get("pending", 0)
        if queued != 30_000:
            raise SystemExit(f"expected 30000 deliveries, found {queued}")
    finally:
        application.close()
    return [Figure("offer fanned out to 10,000 groups", statistics.median(seconds), "s", 3, True)]


def main() -> None:
    logs.set_up("error")
    console = Console()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="shequn-bench-") as name:
        folder = Path(name)
        figures = []
        console.print("messages …")
        (folder / "messages").mkdir()
        figures += asyncio.run(measure_messages(folder / "messages"))
        console.print("fan-out …")
        (folder / "offers").mkdir()
        figures += asyncio.run(measure_fan_out(folder / "offers"))
        console.print("process …")
        figures += measure_process(folder)
        console.print("retrieval …")
        for size in (10_000, 100_000):
            figures += retrieval.figures(size)
        console.print("model …")
        figures += model.figures()
    table = Table("what", "measured", "aim", "")
    for figure in figures:
        table.add_row(
            figure.name,
            f"{figure.value:,.2f} {figure.unit}"
            if figure.value < 100
            else f"{figure.value:,.0f} {figure.unit}",
            f"{'≤' if figure.lower_is_better else '≥'} {figure.aim:,g}",
            "reached" if figure.reached else "[red]missed[/]",
        )
    console.print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load before {load:.2f}; "
        f"{ENTRIES:,} entries, {GROUPS} groups at once, SQLite with full sync"
    )
    console.print(table)
    out = ROOT / ".bench"
    out.mkdir(exist_ok=True)
    (out / "figures.json").write_text(
        json.dumps({"load": load, "figures": [asdict(figure) for figure in figures]}, indent=2)
    )


if __name__ == "__main__":
    main()
