"""Runs each document's code where only the wheel is installed: ./dev test.

A document has a folder of its own. Its blocks marked `python` are run as one program, then those
marked `sh`, in the order of the page. A `text` block under the line `<!-- printed -->` must be
among what the program prints. `py` blocks, which need what is not there, must at least be Python;
all else is only read. Lines that call ./dev are left to CI, which runs ./dev itself, but must name
a command that it has.
"""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENTS = [document for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md",
                                       *sorted((ROOT / "docs").rglob("*.md")),
                                       *sorted((ROOT / "examples").rglob("*.md"))]
             if document.exists()]
FENCE = re.compile(r"^```(\w+)[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"^<!-- printed -->\n```text\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
DEV = re.compile(r"(?:^\s*|`)\./dev\s+([a-z]+)", re.MULTILINE)


def blocks(document: pathlib.Path, language: str) -> str:
    return "\n".join(body for name, body in FENCE.findall(document.read_text())
                     if name == language)


def run(command: list[str], cwd: pathlib.Path) -> str:
    done = subprocess.run(command, cwd=cwd, text=True, capture_output=True, timeout=600,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dev_commands() -> set[str]:
    usage = subprocess.run([ROOT / "dev", "--help"], text=True, check=True,
                           stdout=subprocess.PIPE).stdout
    return set(re.findall(r"^  ([a-z]+)\b", usage, re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_runs(document: pathlib.Path, tmp_path):
    assert set(DEV.findall(document.read_text())) <= dev_commands()
    for body in (body for name, body in FENCE.findall(document.read_text()) if name == "py"):
        compile(body, str(document), "exec")
    printed = ""
    if program := blocks(document, "python"):
        # In a file, as a reader would have it: tercet.udf asks for a function's text.
        (tmp_path / "document.py").write_text(program)
        printed = run([sys.executable, "document.py"], tmp_path)
    for shown in PRINTED.findall(document.read_text()):
        assert shown in printed, f"{shown}\nis not printed:\n{printed}"
    commands = [line for line in blocks(document, "sh").splitlines() if not DEV.match(line)]
    run(["bash", "-euo", "pipefail", "-c", "\n".join(commands)], tmp_path)


def anchors(document: pathlib.Path) -> set[str]:
    """The headings of a page, as a link names them."""
    prose = FENCE.sub("", document.read_text())
    titles = re.findall(r"^#+ (.*?)\s*$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", title)).lower().replace(" ", "-")
            for title in titles}


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "ARCHITECTURE.md",
                                      ROOT / "CHANGELOG.md", ROOT / "deploy" / "README.md",
                                      *sorted((ROOT / "src").glob("*/README.md"))],
                         ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: pathlib.Path):
    for link in LINK.findall(FENCE.sub("", document.read_text())):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{link}: there is no such file"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link}: the page has {sorted(anchors(target))}"
