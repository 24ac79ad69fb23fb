"""What a start does not load."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from knowledge.leaving_out import leaving_out


def test_a_module_left_out_is_absent_only_as_long_as_that_lasts() -> None:
    # One that no other test has loaded.
    with leaving_out({"telnetlib3": None, "tabnanny": None}), pytest.raises(ImportError):
        import_module("tabnanny")
    assert import_module("tabnanny").NannyNag is not None


def test_what_is_loaded_already_stays() -> None:
    import json as before

    with leaving_out({"json": None}):
        import json
    assert json is before


def test_a_process_at_rest_has_nothing_heavy_that_it_does_not_use() -> None:
    script = """
import sys
import agent.running
from knowledge import vectors
from knowledge.leaving_out import leaving_out
vectors._chroma()
with leaving_out({"aiohttp": None, "requests": None}):
    from agent.desk import app
heavy = {"grpc", "google.protobuf", "langchain_core", "openai", "aiohttp", "requests", "alembic"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
