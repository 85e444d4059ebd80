"""Environments of predictor classes, which the server makes of their requirements."""

from __future__ import annotations

import sys
import time
import zipfile
from pathlib import Path

import pyarrow
import pytest

import tercet as tc
from local_server import Server

CLASS = """
import rate_of_the_day


class Rated:
    def predict(self, batch):
        return [value.as_py() * rate_of_the_day.RATE for value in batch.column("x")]
"""
SIGNATURE = tc.Signature(inputs={"x": "double"}, outputs={"y": "double"})


def wheel(folder: Path, version: str, rate: int) -> None:
    """A package that is nowhere else."""
    name = f"rate_of_the_day-{version}"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as files:
        files.writestr("rate_of_the_day.py", f"RATE = {rate}\n")
        files.writestr(f"{name}.dist-info/METADATA",
                       f"Metadata-Version: 2.1\nName: rate-of-the-day\nVersion: {version}\n")
        files.writestr(f"{name}.dist-info/WHEEL",
                       "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        files.writestr(f"{name}.dist-info/RECORD", "")


def register(project: tc.Project, folder: Path, requirements: str) -> tc.Model:
    (folder / "rated.py").write_text(CLASS)
    (folder / "requirements.txt").write_text(requirements)
    return project.register_model("rated", tc.predictor(
        str(folder / "rated.py"), "Rated", files=[str(folder / "requirements.txt")]),
        signature=SIGNATURE)


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder where pip finds wheels, beside its index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_class_gets_what_it_requires(tmp_path, wheels):
    wheel(wheels, "1.0", 3)
    requirements = f"rate-of-the-day==1.0\npyarrow=={pyarrow.__version__}\n"
    server = Server(tmp_path / "project", "--allow-predictor-code", "--build-environments",
                    "--python", sys.executable)
    try:
        with tc.open(server.location) as project:
            model = register(project, tmp_path, requirements)
            deployment = project.deploy("rated", model)
            assert project.predict("rated", {"x": 2.0}) == {"y": 6.0}
            (made,) = (tmp_path / "project" / "environments").glob("*/made")
            when = made.stat().st_mtime_ns
            # Another model with the same requirements shares it, and is ready at once.
            begun = time.monotonic()
            deployment.upgrade(register(project, tmp_path, requirements))
            assert time.monotonic() - begun < 120
            assert made.stat().st_mtime_ns == when
            assert len(list(made.parent.parent.glob("*/made"))) == 1
            # What can't be made is told when it is registered, with what pip says.
            with pytest.raises(tc.Error, match="(?s)cannot make an environment.*rate-of-the-day"):
                register(project, tmp_path, "rate-of-the-day==9.9\n")
            assert project.predict("rated", {"x": 2.0}) == {"y": 6.0}
    finally:
        server.stop()


def test_nothing_is_made_unless_the_server_may(tmp_path, wheels):
    wheel(wheels, "1.0", 3)
    server = Server(tmp_path / "project", "--allow-predictor-code", "--python", sys.executable)
    try:
        with tc.open(server.location) as project:
            with pytest.raises(tc.Error, match="does not meet requirements.txt: rate-of-the-day"):
                register(project, tmp_path, "rate-of-the-day==1.0\n")
        assert not (tmp_path / "project" / "environments").exists()
    finally:
        server.stop()
