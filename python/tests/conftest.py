"""Every test of the Python package runs twice: on a directory in process, and on a server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

import tercet as tc


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Server:
    """A running `tercet serve` on a directory."""

    def __init__(self, directory: Path, *arguments: str):
        self.http, self.flight, self.grpc = free_port(), free_port(), free_port()
        binary = os.environ.get("TERCET_BINARY") or Path(tc.__file__).parent / "bin" / "tercet"
        self.process = subprocess.Popen(
            [str(binary), "serve", str(directory), "--http", f"127.0.0.1:{self.http}",
             "--flight", f"127.0.0.1:{self.flight}", "--grpc", f"127.0.0.1:{self.grpc}",
             *arguments])
        for _ in range(150):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.http}/v2/health/ready", timeout=1)
                return
            except OSError:
                assert self.process.poll() is None, "tercet serve ended"
                time.sleep(0.1)
        raise AssertionError("tercet serve was not ready in time")

    @property
    def location(self) -> str:
        return f"tercet://127.0.0.1:{self.http}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


@pytest.fixture(params=["directory", "server"])
def project(request, tmp_path):
    """An empty project, in process and through a server."""
    if request.param == "directory":
        with tc.open(tmp_path / "project") as opened:
            yield opened
        return
    server = Server(tmp_path / "project", "--allow-predictor-code", "--python",
                    sys.executable)
    try:
        with tc.open(server.location) as opened:
            yield opened
    finally:
        server.stop()
