"""Every test of the Python package runs twice: on a directory in process, and on a server."""

from __future__ import annotations

import sys

import pytest

import tercet as tc
from local_server import Server


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


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """One project in process for all tests of a file, each of which uses names of its own."""
    with tc.open(tmp_path_factory.mktemp("local")) as opened:
        yield opened
