"""Servers under test, for the benchmarks that ask one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "build" / "release" / "benchmarks" / "predict_remote"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def run(*command: object, **options) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(str(word) for word in command)[:300]}\n"
                         f"{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def cpu_seconds(pid: int) -> float:
    """Of a process and all its descendants that live."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    total = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            total += cpu_seconds(int(child))
    return total


class Served:
    """A server, until the block ends. `ready`: a path that answers 200 when it is up."""

    def __init__(self, command: list[str], port: int, ready: str, **options):
        self.port, self.ready = port, ready
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, **options)

    def __enter__(self) -> "Served":
        deadline = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.ready}", timeout=5)
                return self
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        self.log.seek(0)
        raise SystemExit(f"the server did not start\n{self.log.read()[-4000:]}")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def latency(self, path: str, requests: object, count: int, seed: int) -> dict:
        """Asks over one connection; adds "per_cpu_second" of the server's processes."""
        before = cpu_seconds(self.process.pid)
        answer = json.loads(run(CLIENT, "latency", self.port, path, requests, count, seed))
        answer["per_cpu_second"] = count / max(cpu_seconds(self.process.pid) - before, 1e-9)
        return answer

    def saturated(self, path: str, requests: object, count: int, seed: int) -> dict:
        """The same over eight connections, so that the server never sleeps: on an idle machine to
        wake it is several times what an answer costs. Only "count" and "per_cpu_second"."""
        before = cpu_seconds(self.process.pid)
        answer = json.loads(run(CLIENT, "saturate", self.port, path, requests, count, seed))
        answer["per_cpu_second"] = count / max(cpu_seconds(self.process.pid) - before, 1e-9)
        return answer

    def post(self, path: str, body: object) -> dict:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}",
                                         json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


class Redis:
    """A redis-server that keeps nothing on disk, until the block ends."""

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        folder.mkdir()

    def __enter__(self) -> "Redis":
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--dir", str(self.folder), "--logfile", "log"])
        for _ in range(200):
            if b"PONG" in subprocess.run(["redis-cli", "-p", str(self.port), "ping"],
                                         capture_output=True).stdout:
                return self
            time.sleep(0.05)
        raise SystemExit("redis-server did not start")

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def our_server(project: Path) -> Served:
    import tercet

    binary = Path(tercet.__file__).parent / "bin" / "tercet"
    port = free_port()
    return Served([str(binary), "serve", str(project), "--http", f"127.0.0.1:{port}",
                   "--flight", "127.0.0.1:0", "--grpc", "127.0.0.1:0"], port, "/v2/health/ready")
