"""Puts the licences of what a wheel bundles into it: python tools/notices.py WHEEL

They become one file beside our own licence, THIRD-PARTY.txt: of the Debian packages that the
repaired wheel's bill of materials names, of those that it links statically or includes
(tools/apt.txt), of the Python packages whose libraries are in it, and of DuckDB and USearch.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
#: Python packages that give libraries or compiled-in code.
BUNDLED = ("nanobind", "onnxruntime", "pyarrow")
#: Of tools/apt.txt, what only tests use.
NOT_IN_WHEELS = {"libbenchmark-dev", "libclang-rt-14-dev", "libgmock-dev", "libgtest-dev"}


def debian_packages(wheel: Path) -> set[str]:
    components = []
    for bill in wheel.glob("*.dist-info/sboms/*.json"):
        components += json.loads(bill.read_text())["components"]
    named = {unquote(found[1]) for one in components
             if (found := re.match(r"pkg:deb/debian/([^@]+)@", one.get("purl", "")))}
    if not named:
        sys.exit(f"notices: no bill of materials names a package in {wheel.name}")
    listed = (ROOT / "tools/apt.txt").read_text().splitlines()
    return named | {name for name in listed if re.fullmatch(r"lib.*-dev", name)} - NOT_IN_WHEELS


def texts_of_python(package: str) -> str:
    licences = [file for file in metadata.files(package) or []
                if re.search(r"licen[cs]e|notice", file.name, re.IGNORECASE)
                and not file.name.endswith((".py", ".pyc"))]
    if not licences:
        sys.exit(f"notices: {package} has no licence file")
    return "\n\n".join(file.locate().read_text(errors="replace") for file in licences)


def notices(wheel: Path) -> str:
    titles: dict[str, list[str]] = {}  # by text: one source has many packages
    for package in BUNDLED:
        titles.setdefault(texts_of_python(package), []).append(
            f"{package} {metadata.version(package)}")
    for title, part in (("DuckDB", "duckdb"), ("USearch", "usearch")):
        titles.setdefault((ROOT / ".deps" / part / "LICENSE").read_text(), []).append(title)
    for package in sorted(debian_packages(wheel)):
        copyright_file = Path("/usr/share/doc") / package / "copyright"
        if not copyright_file.exists():
            sys.exit(f"notices: {copyright_file} is missing")
        titles.setdefault(copyright_file.read_text(errors="replace"), []).append(
            f"{package} (Debian)")
    line = "=" * 80
    return "".join(f"{line}\n{', '.join(names)}\n{line}\n\n{text.strip()}\n\n"
                   for text, names in titles.items())


def main() -> None:
    wheel = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        run = [sys.executable, "-m", "wheel"]
        subprocess.run([*run, "unpack", "--dest", scratch, wheel], check=True,
                       stdout=subprocess.DEVNULL)
        unpacked = next(Path(scratch).iterdir())
        folder = next(unpacked.glob("*.dist-info")) / "licenses"
        (folder / "THIRD-PARTY.txt").write_text(notices(unpacked))
        subprocess.run([*run, "pack", "--dest-dir", wheel.parent, unpacked], check=True,
                       stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
