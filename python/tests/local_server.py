"""Servers that tests start: ours, and where others may listen."""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import tercet as tc

#: Enough for a slow machine that does other work, too; where all is well, nobody waits as long.
SECONDS_TO_WAIT = 120

_given: set[int] = set()


def until(condition, seconds: float = SECONDS_TO_WAIT):
    """The first answer of `condition` that is true; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"it did not come about in {seconds} s"
        time.sleep(0.05)
    return answer


def kill_after(child: subprocess.Popen, seconds: float) -> None:
    """Kills a process, unless it has ended, so long after it has said "begun"."""
    assert child.stdout.readline() == "begun\n"
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def free_port() -> int:
    """A port for a server that can't choose one itself and say which. It lies below those that
    the system gives to clients, so that no connection takes it before the server does, and is
    given once."""
    while True:
        port = random.SystemRandom().randrange(10_240, 32_000)
        if port in _given:
            continue
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


class Server:
    """A running `tercet serve` on a directory, on ports that it chose. What it wrote goes to
    standard error when it stops."""

    def __init__(self, directory: Path, *arguments: str):
        binary = os.environ.get("TERCET_BINARY") or Path(tc.__file__).parent / "bin" / "tercet"
        self._log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [str(binary), "serve", str(directory), "--http", "127.0.0.1:0",
             "--flight", "127.0.0.1:0", "--grpc", "127.0.0.1:0", *arguments], stderr=self._log)
        try:
            self.http, self.flight, self.grpc = until(self._ports)
            until(self._ready)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def written(self) -> str:
        """What it wrote to its standard error until now."""
        # Read by another handle, whose place in the file is not the server's.
        with open(f"/proc/self/fd/{self._log.fileno()}", errors="replace") as log:
            return log.read()

    def _ports(self) -> list[int]:
        """Those of HTTP, Flight and gRPC, once it has said them."""
        code = self.process.poll()
        assert code is None, f"tercet serve ended with {code}: {self.written()[-4000:]}"
        return [int(port) for line in re.findall(
            r"HTTP on \S+:(\d+), Flight on \S+:(\d+), gRPC on \S+:(\d+)\s", self.written())
            for port in line]

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/v2/health/ready", timeout=10):
                return True
        except OSError:
            return False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    @property
    def location(self) -> str:
        return f"tercet://127.0.0.1:{self.http}"

    def megabytes(self) -> float:
        """Of its memory that is resident now."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("the server has ended")

    def stop(self) -> None:
        """Asks it to end, as an operator does, and waits for that."""
        self.process.terminate()
        try:
            self.process.wait(timeout=SECONDS_TO_WAIT)
        finally:
            print(self.written(), end="", file=sys.stderr)
            self._log.close()
