"""What people see at a prompt: a project in a notebook, and commands completed at a tab."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pandas as pd

import tercet as tc

TERCET = os.environ.get("TERCET_BINARY") or Path(tc.__file__).parent / "bin" / "tercet"


def test_a_project_shows_what_is_in_it(local):
    group = local.feature_group("rides", version=1, primary_key=["id"])
    group.insert(pd.DataFrame({"id": [1], "x": [1.0]}))
    local.feature_view("delay", version=2, query=group.select("x"))
    shown = local._repr_html_()
    assert "rides@1" in shown and "delay@2" in shown and "<th>models</th><td>–</td>" in shown


def test_commands_are_completed(tmp_path):
    script = tmp_path / "tercet.bash"
    script.write_bytes(subprocess.run([TERCET, "completion", "bash"], check=True,
                                      capture_output=True).stdout)

    def offered(*words: str) -> list[str]:
        asked = ["bash", "-c", '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tercet; '
                 'echo "${COMPREPLY[@]}"', str(script), *words]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()

    assert offered("tercet", "gro") == ["groups"]
    assert offered("tercet", "--project", "rides", "groups", "ins") == ["insert"]
    assert offered("tercet", "groups", "insert", "weather", "--idem") == ["--idempotency-key"]
    assert {"list", "create"} <= set(offered("tercet", "views", ""))
    assert offered("tercet", "groups", "nothing-") == []
