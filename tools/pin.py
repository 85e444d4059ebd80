"""Pins tools/requirements-NAME.in to tools/requirements-NAME.txt: python tools/pin.py NAME…

pip resolves, and each line of the result has the checksum of the one file that
pip chose here (CPython 3.11, x86-64): `./dev setup` installs it with --require-hashes.
"""

import json
import pathlib
import subprocess
import sys

TOOLS = pathlib.Path(__file__).resolve().parent

# Hundreds of megabytes of GPU libraries that xgboost asks for and opens only on a GPU.
# So the pins are installed with --no-deps.
LEFT_OUT = {"nvidia-nccl-cu12", "nvidia-nccl-cu13"}


def pin(name: str) -> None:
    source = TOOLS / f"requirements-{name}.in"
    deps = ["--no-deps"] if name in ("native", "data", "spark-source") else []
    report = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed",
         "--report", "-", *deps, "-r", str(source)],
        check=True, stdout=subprocess.PIPE).stdout
    lines = []
    for item in json.loads(report)["install"]:
        package = item["metadata"]["name"].lower().replace("_", "-")
        if package in LEFT_OUT:
            continue
        sha256 = item["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{package}=={item['metadata']['version']} \\\n    --hash=sha256:{sha256}")
    target = source.with_suffix(".txt")
    target.write_text(f"# Written by tools/pin.py from {source.name}.\n"
                      + "\n".join(sorted(lines)) + "\n")
    print(f"{target.name}: {len(lines)} packages")


if __name__ == "__main__":
    for requested in sys.argv[1:]:
        pin(requested)
