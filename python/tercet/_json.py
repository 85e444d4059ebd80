"""The text form of definitions, runs and models, as the core reads and writes it."""

from __future__ import annotations

import json
import math
from typing import Any

from tercet.errors import WrongTypeError


def to_json(value: Any) -> str:
    """JSON text (RFC 8259). Numbers that are not finite, as the loss of a run that diverged, are
    the texts "NaN", "Infinity" and "-Infinity"; what JSON does not know is its `str`."""
    return json.dumps(_writable(value), default=str, allow_nan=False)


def definition_to_json(value: Any) -> str:
    """JSON text (RFC 8259) of what a user defines, NumPy's values as Python's. WrongTypeError
    for what would not come back as it was: a date, a set, a number that is not finite."""
    try:
        return json.dumps(value, default=_plain, allow_nan=False)
    except ValueError as error:
        raise WrongTypeError(f"a number that is not finite has no place here: {error}") from None


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise WrongTypeError(f"{value!r} ({type(value).__name__}) is no text, number or bool, nor a "
                         "list or dict of them")


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
