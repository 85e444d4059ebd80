"""Progress of long calls: silent for two seconds, then one line on stderr that is overwritten."""

from __future__ import annotations

import sys
import time
from typing import Callable

_SILENT_SECONDS = 2.0


class Progress:
    """Counts from 0 to 1 and shows itself when a call takes long and somebody is looking."""

    def __init__(self, what: str):
        self._what = what
        self._started = time.monotonic()
        self._shown = False

    def __enter__(self) -> Callable[[float], None] | None:
        return self._tell if sys.stderr.isatty() or "ipykernel" in sys.modules else None

    def _tell(self, fraction: float) -> None:
        if time.monotonic() - self._started < _SILENT_SECONDS:
            return
        self._shown = True
        sys.stderr.write(f"\r{self._what}: {fraction:4.0%}")
        sys.stderr.flush()

    def __exit__(self, *exception: object) -> None:
        if self._shown:
            word = "done in" if exception[0] is None else "failed after"
            sys.stderr.write(f"\r{self._what}: {word} {time.monotonic() - self._started:.1f} s\n")
