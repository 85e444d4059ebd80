"""Schemas as users declare them, and as the catalog keeps them."""

from __future__ import annotations

import datetime
from typing import Any, Mapping

from tercet.errors import WrongTypeError

#: what the types of Python are in a schema
_TYPES = {bool: "bool", int: "int64", float: "double", str: "string", bytes: "binary",
          datetime.date: "date32[day]", datetime.datetime: "timestamp[us, tz=UTC]"}


def _type_text(kind: Any) -> str:
    """A column's type as Arrow writes it, of a text, a type of Arrow, Python or NumPy."""
    if isinstance(kind, type) and kind in _TYPES:
        return _TYPES[kind]
    if isinstance(kind, type) or hasattr(kind, "itemsize"):
        import numpy
        import pyarrow

        return str(pyarrow.from_numpy_dtype(numpy.dtype(kind)))
    return str(kind)


def schema_to_json(schema: Any) -> list[dict[str, Any]] | None:
    """A mapping of column → type, or a pyarrow.Schema, as a definition has it; None stays None."""
    if schema is None:
        return None
    if isinstance(schema, Mapping):
        return [{"name": name, "type": _type_text(kind), "nullable": True}
                for name, kind in schema.items()]
    if hasattr(schema, "names") and hasattr(schema, "field"):
        return [{"name": field.name, "type": str(field.type), "nullable": field.nullable}
                for field in schema]
    raise WrongTypeError("schema must be a dict of column → type, or a pyarrow.Schema, "
                         f"not {type(schema).__name__}")
