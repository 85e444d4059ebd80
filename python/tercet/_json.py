"""The text form of definitions, runs and models, as the core reads and writes it."""

from __future__ import annotations

import json
import math
from typing import Any


def to_json(value: Any) -> str:
    """JSON text (RFC 8259). Numbers that are not finite, as the loss of a run that diverged, are
    the texts "NaN", "Infinity" and "-Infinity"; what JSON does not know is its `str`."""
    return json.dumps(_writable(value), default=str, allow_nan=False)


def metrics_of(record: dict[str, Any]) -> dict[str, float]:
    """The metrics of a run's or model's record, as numbers."""
    return {name: float(value) for name, value in (record.get("metrics") or {}).items()}


def _writable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _writable(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_writable(one) for one in value]
    return value
