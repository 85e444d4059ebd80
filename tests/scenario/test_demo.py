"""The demo, end to end: `./dev demo` runs the same file."""

import os
import subprocess
import sys
from pathlib import Path

import tercet

DEMO = Path(__file__).parents[2] / "examples" / "flight_delays" / "run.py"


def test_the_whole_system_on_real_flights(tmp_path):
    package = str(Path(tercet.__file__).parents[1].absolute())
    done = subprocess.run([sys.executable, str(DEMO), str(tmp_path / "flights")],
                          capture_output=True, text=True, cwd=DEMO.parent, timeout=900,
                          env={**os.environ, "PYTHONPATH": package})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "answers equal those before, bit for bit" in done.stdout
    assert "336,776 rows" in done.stdout
    assert "Start the server:" in done.stdout
