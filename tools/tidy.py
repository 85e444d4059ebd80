"""The lint: what the style promises and a machine can read. python3 tools/tidy.py

Prints file:line for each breach, then how many files passed and failed.
"""

import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOORS = {"client", "server", "cli", "python"}
MAX_COLUMNS = 100
MAX_LINES = 500
CODE = {".cc", ".h", ".py", ".sh", ".cmake"}

# Files of the machine that a checkout may not depend on.
MACHINE_PATH = re.compile(r"""(?:^|[\s"'=(:`])/(?:work|root|home|Users)/""")
# Split, so that this file passes its own rule.
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
SNAKE_CASE = re.compile(r"^_{0,2}[a-z0-9][a-z0-9_]*$")


def read_rooms() -> dict[str, set[str]]:
    rooms = {}
    for line in (ROOT / "src/ROOMS").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, others = line.partition(":")
            rooms[name] = {name, *others.split()}
    for room, allowed in rooms.items():
        for other in allowed - rooms.keys():
            sys.exit(f"src/ROOMS: {room} may include {other}, which is no room")
    return rooms


def files() -> list[pathlib.Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.decode()
    return sorted(path for name in set(listed.split("\0")) - {""}
                  if (path := pathlib.Path(name)) and (ROOT / path).is_file())


def room_of(path: pathlib.Path) -> str | None:
    if path.parts[0] == "src" and len(path.parts) > 2:
        return path.parts[1]
    return "python" if path.parts[:2] == ("python", "src") else None


class Tidy:
    def __init__(self):
        self.rooms = read_rooms()
        self.problems = collections.defaultdict(list)

    def report(self, path: pathlib.Path, line: int, message: str) -> None:
        self.problems[path].append(f"{path}:{line}: {message}")

    def check(self, path: pathlib.Path) -> None:
        try:
            lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            return
        is_code = path.suffix in CODE or path.name == "dev"
        if path.suffix in {".cc", ".h", ".py"} and not SNAKE_CASE.match(path.stem):
            self.report(path, 1, "file names are snake_case")
        if path.suffix in {".cc", ".h", ".py"} and len(lines) > MAX_LINES:
            self.report(path, len(lines), f"{len(lines)} lines: past {MAX_LINES} a second noun "
                        "is hiding")
        for number, line in enumerate(lines, 1):
            if is_code and len(line) > MAX_COLUMNS:
                self.report(path, number, f"{len(line)} columns, more than {MAX_COLUMNS}")
            if is_code and UNFINISHED.search(line):
                self.report(path, number, "unfinished: file an issue instead")
            if MACHINE_PATH.search(line):
                self.report(path, number, "a path of one machine")
        self.check_includes(path, lines)

    def check_includes(self, path: pathlib.Path, lines: list[str]) -> None:
        room = room_of(path)
        if room is None:
            return
        if room not in self.rooms:
            self.report(path, 1, f"{room} is no room of src/ROOMS")
            return
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            included = match.group(1)
            other = included.split("/")[0]
            if "/" not in included:
                if room != "python":
                    self.report(path, number, f'say which room: "{room}/{included}"')
            elif other in self.rooms and other not in self.rooms[room]:
                self.report(path, number, f"{room} may not include {other}: see src/ROOMS")
            if room in DOORS and other != room and included.endswith("_internal.h"):
                self.report(path, number, f"a door may not include {included}")

    def check_rooms(self, tracked: list[pathlib.Path]) -> None:
        for room in sorted({room_of(path) for path in tracked} - {None, "python"}):
            readme = pathlib.Path("src") / room / "README.md"
            if not (ROOT / readme).exists():
                self.report(readme, 1, "each room has a page on its purpose")


def main() -> int:
    tidy = Tidy()
    tracked = files()
    for path in tracked:
        tidy.check(path)
    tidy.check_rooms(tracked)
    for problems in tidy.problems.values():
        print("\n".join(problems))
    failed = len(tidy.problems)
    print(f"tidy: {len(set(tracked) - tidy.problems.keys())} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
