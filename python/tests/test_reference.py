"""The page of the Python package says what the package's docstrings say."""

import importlib.util
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "tools" / "python_reference.py"


def test_page_is_that_of_the_docstrings():
    spec = importlib.util.spec_from_file_location("python_reference", TOOL)
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    assert reference.PAGE.read_text() == reference.page(), "run ./dev reference"
