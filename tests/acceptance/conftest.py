"""The acceptance tests share the fake gateway with the channel's tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "channels"))
