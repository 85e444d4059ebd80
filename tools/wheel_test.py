"""Runs where only the wheel is installed, beside mlflow and another pyarrow: ./dev test."""

import pathlib
import subprocess
import sys
import sysconfig
from importlib import metadata

import pytest

SCRIPTS = pathlib.Path(sysconfig.get_path("scripts"))

# Both libraries compute, write and read Parquet, whichever was loaded first.
COEXIST = """
import tempfile
{imports}
import pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
assert pa.__version__.split(".")[0] != "26", "this environment should have another pyarrow"
table = pa.table({{"k": [1, 2, 3], "v": [1.0, 2.0, 3.0]}})
assert pc.sum(table["v"]).as_py() == 6.0
with tempfile.TemporaryDirectory() as folder:
    pq.write_table(table, folder + "/t.parquet")
    assert pq.read_table(folder + "/t.parquet").equals(table)
    project = tercet.open(folder + "/project")
    group = project.feature_group("g", version=1, primary_key=["k"])
    group.insert(table)
    assert pa.table(group.read()).num_rows == 3
assert "mlflow" in sys.modules
"""


def test_brings_the_licences_of_what_it_bundles():
    files = {file.name: file for file in metadata.files("tercet") if file.match("*/licenses/*")}
    assert "Apache License" in files["LICENSE"].read_text()
    bundled = files["THIRD-PARTY.txt"].read_text()
    for name in ("librocksdb", "pyarrow", "onnxruntime", "DuckDB", "libboost", "libre2",
                 "libgeographiclib"):
        assert name in bundled


def run_python(code: str, cwd) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, text=True, capture_output=True,
                          timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("imports", ["import sys, tercet, mlflow", "import sys, mlflow, tercet"])
def test_shares_a_process_with_another_pyarrow(imports, tmp_path):
    run_python(COEXIST.format(imports=imports), tmp_path)


def test_package_comes_from_the_wheel(tmp_path):
    run_python("import tercet; assert 'site-packages' in tercet.__file__, tercet.__file__",
               tmp_path)


def test_needs_nothing_else(tmp_path):
    """Imports where no other package is: no pyarrow, no numpy."""
    package = pathlib.Path(sysconfig.get_path("platlib"))
    for name in ("tercet", "tercet.libs"):
        (tmp_path / name).symlink_to(package / name)
    done = subprocess.run([sys.executable, "-S", "-c", "import tercet"], cwd=tmp_path, text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_binary_is_on_the_path(tmp_path):
    done = subprocess.run([SCRIPTS / "tercet", "--help"], cwd=tmp_path, text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout
