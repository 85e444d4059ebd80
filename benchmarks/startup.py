"""How soon Tercet is there: import, an idle server's memory, a first feature vector.

    ./dev bench startup

import_seconds         wall time of `import tercet` in a fresh interpreter (median)
idle_server_megabytes  resident memory of `tercet serve` on a project with one online group
first_vector_seconds   wall time of a fresh interpreter from nothing to a first feature vector:
                       import, project, group, insert, view, vector (median)
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from served import our_server

IMPORT = """
import time
started = time.perf_counter()
import tercet
print(time.perf_counter() - started)
"""

FIRST_VECTOR = """
import sys, time
started = time.perf_counter()
import tercet as tc
project = tc.open(sys.argv[1])
group = project.feature_group("weather", version=1, primary_key=["city"], online=True)
group.insert([{"city": "Oslo", "rain": 1.5}], wait_online=True)
view = project.feature_view("rain", version=1, query=group.select("rain"))
vector = view.vector({"city": "Oslo"})
elapsed = time.perf_counter() - started
assert vector == {"rain": 1.5}, vector
print(elapsed)
project.close()
"""


def seconds(code: str, *arguments: str) -> float:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return float(done.stdout)


def idle_server_megabytes(directory: Path) -> float:
    """Resident memory of a server that has opened its stores and been asked once."""
    with our_server(directory) as server:
        answer = server.post("/api/v1/feature-views/rain/1/vectors", {"entities": {"city": "Oslo"}})
        if "1.5" not in json.dumps(answer):
            raise SystemExit(f"the server answered {answer}")
        time.sleep(1)
        status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines()
                if line.startswith("VmRSS")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    seconds(IMPORT)  # warms the page cache
    imports = [seconds(IMPORT) for _ in range(runs)]
    with tempfile.TemporaryDirectory() as folder:
        vectors = [seconds(FIRST_VECTOR, os.path.join(folder, str(run))) for run in range(runs)]
        megabytes = idle_server_megabytes(Path(folder) / "0")
    figures = {"import_seconds": round(statistics.median(imports), 3),
               "idle_server_megabytes": round(megabytes, 1),
               "first_vector_seconds": round(statistics.median(vectors), 3)}
    for name, value in figures.items():
        print(f"{name:24} {value}")
    print(json.dumps({"benchmark": "startup", "answers_checked": True, "ratios": {},
                      "figures": figures}))


if __name__ == "__main__":
    main()
