"""Spark in an environment and a process of its own (spark_session.py), as tests talk to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import tercet

ROOT = Path(__file__).resolve().parent.parent.parent


class Spark:
    def __init__(self, folder: Path):
        subprocess.run([sys.executable, ROOT / "tools/setup.py", "venv-spark", "spark"], check=True)
        self.lake = folder / "lake"  # where tables of the catalog `lake` are
        self._log = open(folder / "spark.log", "w+")
        package = Path(tercet.__file__).parent.parent  # as Spark's workers import it
        python = ROOT / ".deps/venv-spark/bin/python"
        self._process = subprocess.Popen(
            [python, Path(__file__).with_name("spark_session.py"),
             ROOT / ".deps/spark/jars", folder / "warehouse"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=folder,
            env={**os.environ, "PYTHONPATH": str(package), "PYSPARK_PYTHON": str(python)})
        self._answer()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise RuntimeError("Spark ended: " + self._log.read()[-3000:])
        return json.loads(line)

    def ask(self, question: str | dict) -> dict:
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def sql(self, statement: str) -> list[dict]:
        answer = self.ask(statement)
        assert "error" not in answer, answer["error"][:2000]
        return answer["rows"]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(60)
        self._log.close()
