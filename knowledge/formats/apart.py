"""Reads files in a process of its own, within a time and a memory limit.

PDF, office and HTML files come from anywhere and are read by native code: what crashes, hangs or
swells there ends only that process and costs only that file. It also keeps their libraries out of
the long-running process. Requests go to it as JSON lines, blocks come back as JSON lines.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TextIO

from knowledge.formats.blocks import Block, from_line, to_line
from knowledge.formats.pieces import MEGABYTE, Limits, Unreadable

_DONE = "done"
_REFUSED = "refused"
_ROOT = Path(__file__).resolve().parents[2]
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT", "LD_LIBRARY_PATH")


class Apart:
    """Reads one file after the other; starts its process with the first, and a new one after a
    file that broke it. Close it, or use it as a context manager."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def blocks(self, kind: str, file: Path, charset: str = "") -> Generator[Block]:
        """The blocks of one file. Raises `Unreadable`."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        watch = threading.Timer(self._limits.seconds, stop)
        watch.daemon = True
        watch.start()
        whole = False
        try:
            process.stdin.write(json.dumps([kind, str(file), charset]) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                answer = json.loads(line)
                if answer[0] == _DONE:
                    whole = True
                    return
                if answer[0] == _REFUSED:
                    whole = True
                    raise Unreadable(answer[1], answer[2])
                yield from_line(line)
            raise self._broken(late.is_set())
        except (BrokenPipeError, json.JSONDecodeError) as error:
            raise self._broken(late.is_set()) from error
        finally:
            watch.cancel()
            if not whole:
                self.close()

    def _broken(self, late: bool) -> Unreadable:
        if late:
            return Unreadable(
                f"reading it takes longer than {self._limits.seconds:g} seconds",
                "split it into parts, or export it again",
            )
        return Unreadable(
            "reading it fails, or needs more than "
            f"{self._limits.memory_bytes // MEGABYTE} MB of memory",
            "split it into parts, or export it again",
        )

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            # No secret of ours is in its environment.
            passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            limits = json.dumps(asdict(self._limits))
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "knowledge.formats.apart", limits],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env={**passed, "PYTHONPATH": str(_ROOT), "PYTHONIOENCODING": "utf-8"},
                encoding="utf-8",
            )  # fmt: skip
        return self._process

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        process.wait()


def read(kind: str, file: BinaryIO, limits: Limits, charset: str = "") -> Iterator[Block]:
    """The blocks of one open file, here and now. Raises `Unreadable`."""
    return _reader(kind, limits, charset)(file)


def _reader(kind: str, limits: Limits, charset: str) -> Callable[[BinaryIO], Iterator[Block]]:
    match kind:
        case "pdf":
            from knowledge.formats import pdf

            return lambda file: pdf.blocks(file, limits)
        case "docx":
            from knowledge.formats import docx

            return lambda file: docx.blocks(file, limits)
        case "xlsx":
            from knowledge.formats import xlsx

            return lambda file: xlsx.blocks(file, limits)
        case "html":
            from knowledge.formats import html

            return lambda file: html.blocks(file, charset)
    raise ValueError(f"no reader for {kind!r}")


def _limit_memory(limit: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _serve(requests: TextIO, answers: TextIO, limits: Limits) -> None:
    for request in requests:
        kind, path, charset = json.loads(request)
        answer: list[Any] = [_DONE]
        try:
            with Path(path).open("rb") as file:
                for block in read(kind, file, limits, charset):
                    answers.write(to_line(block) + "\n")
        except Unreadable as error:
            answer = [_REFUSED, error.message, error.remedy]
        except MemoryError:
            return
        except OSError as error:
            answer = [_REFUSED, f"cannot be read ({error.strerror})", "check that it may be read"]
        except Exception as error:  # noqa: BLE001
            # Whatever a damaged file makes a reader stumble over, it is that file's fault alone.
            answer = [
                _REFUSED, f"damaged ({type(error).__name__})",
                "open it in the program that made it and save it again",
            ]  # fmt: skip
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    given = Limits(**json.loads(sys.argv[1]))
    _limit_memory(given.memory_bytes)
    _serve(sys.stdin, sys.stdout, given)
