"""Tests of several folders start servers as those of the Python package do."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "python/tests"))
