"""`shequn init`: the sample community as a starting point of one's own."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from agent.errors import UsageError

_TREES = (("knowledge", "documents"), ("schedules", "offers"))


def write(folder: Path) -> list[Path]:
    """Write config.yaml, knowledge and offers into a new or empty folder; returns the files.

    Raises `UsageError` where something is there already: nothing is ever overwritten.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder; nothing was written")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with as_file(files("agent") / "sample.yaml") as sample:
            shutil.copyfile(sample, folder / "config.yaml")
        for package, name in _TREES:
            with as_file(files(package) / name) as tree:
                shutil.copytree(
                    tree, folder / package / name, ignore=shutil.ignore_patterns("__pycache__")
                )
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error
    return sorted(path for path in folder.rglob("*") if path.is_file())
