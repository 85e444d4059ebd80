"""The online service: starts `tercet serve` and asks it over HTTP, as an application would."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Iterator

import pandas as pd

import tercet as tc

TENSOR_TYPES = {"object": "BYTES", "str": "BYTES", "string": "BYTES", "float64": "FP64",
                "int64": "INT64"}


def binary() -> str:
    """The `tercet` binary that comes with the package."""
    return str(Path(tc.__file__).parent / "bin" / "tercet")


@contextlib.contextmanager
def serving(project: str) -> Iterator[str]:
    """Runs a server on the project and gives its address; stops it at the end."""
    server = subprocess.Popen([binary(), "serve", project, "--http", "127.0.0.1:0", "--flight",
                               "127.0.0.1:0", "--grpc", "127.0.0.1:0"],
                              stderr=subprocess.PIPE, text=True)
    try:
        # On port 0 it takes any that is free, and says so in its first line.
        said = server.stderr.readline()
        found = re.search(r"HTTP on (\S+),", said)
        if not found:
            raise RuntimeError(f"tercet serve did not start: {said}{server.stderr.read()}")
        address = f"http://{found[1]}"
        yield address
    finally:
        server.terminate()
        server.communicate(timeout=60)


def ask(address: str, deployment: str, flights: pd.DataFrame, event_time: pd.Timestamp
        ) -> dict[str, Any]:
    """Asks for predictions of flights as of a time, in the Open Inference Protocol."""
    tensors = [{"name": name, "shape": [len(flights)],
                "datatype": TENSOR_TYPES[str(column.dtype)], "data": column.tolist()}
               for name, column in flights.items()]
    body = {"inputs": tensors,
            "parameters": {"event_time": event_time.strftime("%Y-%m-%dT%H:%M:%SZ")}}
    request = urllib.request.Request(f"{address}/v2/models/{deployment}/infer",
                                     json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        raise RuntimeError(f"{deployment}: {refused.read().decode()}") from None
