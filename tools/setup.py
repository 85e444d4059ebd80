"""Fills .deps/ with what Debian does not have: python3 tools/setup.py PART…

  arrow        Arrow's C++ headers and libraries, out of the pyarrow wheel
  onnxruntime  ONNX Runtime's library, out of its wheel, and headers from Debian trixie
  duckdb       DuckDB's library and its C header, out of two npm packages
  re2          RE2's source, out of Debian's, to be compiled with ours (cmake/Re2.cmake)
  usearch      USearch's header of the HNSW graph, out of its npm package
  venv         Python packages to build, test and measure with
  venv-NAME    those of tools/requirements-NAME.txt
  spark        Delta's and Iceberg's jars for Spark, by Maven
  kafka        a broker of Kafka's, by Maven

Arrow's, ONNX Runtime's and DuckDB's libraries become private copies under names of our own, so
that Tercet shares a process with any of theirs. Everything is pinned by checksum. A part is done
when its stamp holds the hash of its pins.
"""

import hashlib
import inspect
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPS = ROOT / ".deps"
TOOLS = ROOT / "tools"

ARROW_ABI = "2600"
ARROW_LIBRARIES = ["arrow", "arrow_compute", "arrow_acero", "arrow_dataset", "arrow_flight",
                   "parquet"]

# The C API of 1.21 is a subset of the library's: ONNX Runtime keeps its ABI.
ONNX_HEADERS = "libonnxruntime-dev"
ONNX_HEADERS_SHA256 = "14f7d959d5deacbcf1504830d4189f91fc67382b399ed9ae9d3aa9c4050ced08"

# The library is the official build. Its package has no header; that of 1.4 is a subset of 1.5's.
DUCKDB_LIBRARY = ("@duckdb/node-bindings-linux-x64@1.5.5-r.5",
                  "86d2bda909785550e8a14a57a8a4584827aff0e268d8f1a58c3fd48559f7020e")
DUCKDB_HEADER = ("duckdb@1.4.4",
                 "5bb967dcbcd517670ba5f169f238fb9d6787e53752c60ebe24386169d76941ed")

# Its graph alone, which is one header: vectors and distances are ours.
USEARCH_HEADER = ("usearch@2.25.3",
                  "006132253b3484a58726afbf300baf449c680cba00f2d2a869011415ed16db3e")

RE2_SOURCE_SHA256 = "3bc61251da3b0b97be40a8a127818c517c62516e4eda11fc901d29496663df54"


# What comes as source packages, beside the pins of a name; built with the setuptools of these.
SOURCES = {"test": "requirements-data.txt", "spark": "requirements-spark-source.txt"}


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, **options)


def pins(part: str) -> str:
    """The hash of all that decides what a part holds."""
    if part in ("spark", "kafka"):
        content = (TOOLS / f"{part}-jars.txt").read_bytes()
        return hashlib.sha256(content + str(ROOT).encode()).hexdigest()
    if part == "re2":
        return hashlib.sha256(RE2_SOURCE_SHA256.encode() + recipe(re2)).hexdigest()
    if part == "usearch":
        return hashlib.sha256(repr(USEARCH_HEADER).encode() + recipe(usearch)).hexdigest()
    name = {"arrow": "native", "onnxruntime": "native", "duckdb": "native", "venv": "test"}.get(
        part, part.removeprefix("venv-"))
    content = (TOOLS / f"requirements-{name}.txt").read_bytes()
    if name in SOURCES:
        content += (TOOLS / SOURCES[name]).read_bytes()
    if part == "arrow":
        content += repr((ARROW_ABI, ARROW_LIBRARIES)).encode() + recipe(arrow, private_copy)
    elif part == "onnxruntime":
        content += ONNX_HEADERS_SHA256.encode() + recipe(onnxruntime, private_copy)
    elif part == "duckdb":
        content += repr((DUCKDB_LIBRARY, DUCKDB_HEADER)).encode() + recipe(duckdb, private_copy)
    return hashlib.sha256(content + str(ROOT).encode()).hexdigest()


def recipe(*functions) -> bytes:
    """How a part is made. What only fetches is not of it, since checksums say what comes: an edit
    elsewhere in this file installs nothing anew."""
    return "".join(inspect.getsource(function) for function in functions).encode()


def private_copy(source: pathlib.Path, target: pathlib.Path, needed: dict[str, str]) -> None:
    """Copies a shared library to a new name, which becomes its soname."""
    shutil.copyfile(source, target)
    target.chmod(0o755)
    replace = [word for old, new in needed.items() for word in ("--replace-needed", old, new)]
    # Not in one call: patchelf 0.14 then writes a needed name over the soname.
    run("patchelf", *replace, "--set-rpath", "$ORIGIN", target)
    run("patchelf", "--set-soname", target.name, target)


def unpacked_wheel(package: str, into: pathlib.Path) -> pathlib.Path:
    """Downloads the pinned wheel, checks it and unpacks it."""
    pinned = (TOOLS / "requirements-native.txt").read_text()
    line = re.search(rf"^{package}==.*\\\n.*$", pinned, re.MULTILINE)
    requirement = into / "requirement.txt"
    requirement.write_text(line.group(0) + "\n")
    bootstrap = into / "venv"
    run(sys.executable, "-m", "venv", bootstrap)
    run(bootstrap / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check", "download",
        "--no-deps", "--require-hashes", "--only-binary=:all:", "--dest", into, "-r", requirement)
    with zipfile.ZipFile(next(into.glob("*.whl"))) as wheel:
        wheel.extractall(into / "wheel")
    return into / "wheel"


def arrow(part: pathlib.Path, scratch: pathlib.Path) -> None:
    wheel = unpacked_wheel("pyarrow", scratch) / "pyarrow"
    shutil.copytree(wheel / "include", part / "include",
                    ignore=shutil.ignore_patterns("python"))
    (part / "lib").mkdir()
    names = {f"lib{name}.so.{ARROW_ABI}": f"libtercet_{name}.so.{ARROW_ABI}"
             for name in ARROW_LIBRARIES}
    for old, new in names.items():
        private_copy(wheel / old, part / "lib" / new, names)


def onnxruntime(part: pathlib.Path, scratch: pathlib.Path) -> None:
    wheel = unpacked_wheel("onnxruntime", scratch) / "onnxruntime"
    (part / "lib").mkdir()
    library = next((wheel / "capi").glob("libonnxruntime.so.*"))
    private_copy(library, part / "lib/libtercet_onnxruntime.so.1", {})
    package = trixie_package(ONNX_HEADERS, ONNX_HEADERS_SHA256, scratch)
    run("dpkg", "-x", package, scratch / "deb")
    shutil.copytree(scratch / "deb/usr/include/onnxruntime", part / "include/onnxruntime")


def npm_package(package: str, sha256: str, into: pathlib.Path) -> pathlib.Path:
    """Downloads the pinned package, checks it and unpacks it."""
    if not shutil.which("npm"):
        sys.exit(f"setup: npm, which comes with Node.js, is needed to fetch {package}")
    into.mkdir()
    run("npm", "pack", "--silent", "--pack-destination", into, package, stdout=subprocess.DEVNULL)
    archive = next(into.glob("*.tgz"))
    check_sha256(archive, sha256)
    with tarfile.open(archive) as files:
        files.extractall(into, filter="data")
    return into / "package"


def duckdb(part: pathlib.Path, scratch: pathlib.Path) -> None:
    library = npm_package(*DUCKDB_LIBRARY, scratch / "library")
    (part / "lib").mkdir()
    private_copy(library / "libduckdb.so", part / "lib/libtercet_duckdb.so", {})
    shutil.copyfile(library / "LICENSE", part / "LICENSE")
    header = npm_package(*DUCKDB_HEADER, scratch / "header") / "src/duckdb/src/include/duckdb.h"
    (part / "include").mkdir()
    shutil.copyfile(header, part / "include/duckdb.h")


def usearch(part: pathlib.Path, scratch: pathlib.Path) -> None:
    package = npm_package(*USEARCH_HEADER, scratch / "package")
    (part / "include/usearch").mkdir(parents=True)
    shutil.copyfile(package / "include/usearch/index.hpp", part / "include/usearch/index.hpp")
    shutil.copyfile(package / "LICENSE", part / "LICENSE")


def re2(part: pathlib.Path, scratch: pathlib.Path) -> None:
    archive = debian_source("re2", RE2_SOURCE_SHA256, scratch)
    with tarfile.open(archive) as files:
        files.extractall(scratch / "source", filter="data")
    source, = (scratch / "source").iterdir()
    for folder in ("re2", "util"):
        shutil.copytree(source / folder, part / folder, ignore=shutil.ignore_patterns(
            "testing", "fuzzing", "*.py", "*.pl"))
    shutil.copyfile(source / "LICENSE", part / "LICENSE")
    # Unicode's tables are generated, so Debian's source has none; the package's archive does, as
    # plain data, under RE2's own names.
    archive = run("c++", "-print-file-name=libre2.a", stdout=subprocess.PIPE,
                  text=True).stdout.strip()
    tables = ["perl_groups.o", "unicode_casefold.o", "unicode_groups.o"]
    run("ar", "x", archive, *tables, cwd=part)
    for table in tables:
        symbols = run("nm", "--defined-only", "--format=just-symbols", part / table,
                      stdout=subprocess.PIPE, text=True).stdout.split()
        renamed = [f"--redefine-sym={one}={one.replace('N3re2', 'N10tercet_re2')}"
                   for one in symbols if "N3re2" in one]
        run("objcopy", *renamed, part / table)


def jars(name: str, part: pathlib.Path, scratch: pathlib.Path) -> None:
    """The jars of tools/NAME-jars.txt; those of Spark itself are in venv-spark."""
    pinned = dict(line.split() for line in (TOOLS / f"{name}-jars.txt").read_text().splitlines()
                  if not line.startswith("#"))
    dependencies = "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>"
        "</dependency>".format(*artifact.split(":")) for artifact in pinned)
    pom = scratch / "pom.xml"
    pom.write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>tercet</groupId><artifactId>jars</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>")
    run("mvn", "--quiet", "--batch-mode", "--file", pom, f"-Dmaven.repo.local={scratch / 'repo'}",
        "dependency:copy-dependencies", "-DexcludeTransitive=true",
        f"-DoutputDirectory={part / 'jars'}", stdin=subprocess.DEVNULL, cwd=scratch)
    for artifact, sha256 in pinned.items():
        _, jar, version = artifact.split(":")
        check_sha256(part / "jars" / f"{jar}-{version}.jar", sha256)


def check_sha256(file: pathlib.Path, sha256: str) -> None:
    actual = hashlib.sha256(file.read_bytes()).hexdigest()
    if actual != sha256:
        sys.exit(f"setup: {file.name} has sha256 {actual}, pinned is {sha256}")


def debian_mirror() -> str:
    """Where this machine gets Debian's main archive from."""
    lists = [pathlib.Path("/etc/apt/sources.list"),
             *pathlib.Path("/etc/apt/sources.list.d").glob("*")]
    text = "\n".join(file.read_text() for file in lists if file.is_file())
    found = re.search(r"^(?:URIs:|deb\s+(?:\[.*?\])?)\s*(\S+/debian/?)(?:\s|$)", text,
                      re.MULTILINE)
    if not found:
        sys.exit("setup: apt's source lists name no Debian archive to take RE2 and "
                 f"trixie's {ONNX_HEADERS} from")
    return found.group(1)


def apt_options(kind: str, suite: str, scratch: pathlib.Path) -> list[str]:
    """Has apt-get read the lists of one suite ("deb" or "deb-src" of "trixie") and returns what
    makes it use them alone, leaving the machine's own lists as they are."""
    apt = scratch / "apt"
    (apt / "lists/partial").mkdir(parents=True)
    (apt / "cache/archives/partial").mkdir(parents=True)
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (apt / "sources.list").write_text(
        f"{kind} [signed-by={keyring}] {debian_mirror()} {suite} main\n")
    settings = [f"Dir::Etc::sourcelist={apt}/sources.list", "Dir::Etc::sourceparts=-",
                f"Dir::State::lists={apt}/lists", f"Dir::Cache={apt}/cache",
                "Acquire::Languages=none", "APT::Sandbox::User=root",
                "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"]
    options = [word for setting in settings for word in ("-o", setting)]
    run("apt-get", "-qq", *options, "update")
    return options


def trixie_package(name: str, sha256: str, scratch: pathlib.Path) -> pathlib.Path:
    """Downloads one package of Debian trixie."""
    run("apt-get", "-qq", *apt_options("deb", "trixie", scratch), "download", name, cwd=scratch)
    package = next(scratch.glob(f"{name}_*.deb"))
    check_sha256(package, sha256)
    return package


def debian_source(name: str, sha256: str, scratch: pathlib.Path) -> pathlib.Path:
    """Downloads the source of a package of Debian 12, as its authors gave it out."""
    run("apt-get", "-qq", *apt_options("deb-src", "bookworm", scratch), "source",
        "--download-only", name, cwd=scratch)
    archive = next(scratch.glob(f"{name}_*.orig.tar.*"))
    check_sha256(archive, sha256)
    return archive


def venv(part: pathlib.Path, name: str) -> None:
    """The pins name every package, so none is looked for: hence --no-deps."""
    run(sys.executable, "-m", "venv", part)
    run(part / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check", "install",
        "--no-deps", "--require-hashes", "--only-binary=:all:", "-r",
        TOOLS / f"requirements-{name}.txt")
    if name in SOURCES:
        run(part / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check", "install",
            "--no-deps", "--require-hashes", "--no-build-isolation", "-r",
            TOOLS / SOURCES[name])


def ensure(name: str) -> None:
    part, stamp, wanted = DEPS / name, DEPS / f"{name}.stamp", pins(name)
    if stamp.exists() and part.exists() and stamp.read_text() == wanted:
        return
    print(f"setup: {name}", flush=True)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=DEPS) as scratch:
        if name == "arrow":
            arrow(part, pathlib.Path(scratch))
        elif name == "onnxruntime":
            onnxruntime(part, pathlib.Path(scratch))
        elif name == "duckdb":
            duckdb(part, pathlib.Path(scratch))
        elif name == "re2":
            re2(part, pathlib.Path(scratch))
        elif name == "usearch":
            usearch(part, pathlib.Path(scratch))
        elif name in ("spark", "kafka"):
            jars(name, part, pathlib.Path(scratch))
        else:
            venv(part, "test" if name == "venv" else name.removeprefix("venv-"))
    stamp.write_text(wanted)


if __name__ == "__main__":
    os.umask(0o022)
    for requested in sys.argv[1:]:
        ensure(requested)
