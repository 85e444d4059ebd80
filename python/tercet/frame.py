"""Frames: how tables come in and go out."""

from __future__ import annotations

import copyreg
from typing import TYPE_CHECKING, Any

from tercet import _core
from tercet.errors import InvalidError, WrongTypeError

_SHOWN_ROWS = 10


def library_of(data: Any) -> str:
    """Which DataFrame library an object is of: 'pandas', 'polars' or 'arrow'."""
    module = type(data).__module__.partition(".")[0]
    return module if module in ("pandas", "polars") else "arrow"


def to_stream(data: Any) -> Any:
    """An object that the core reads: with __arrow_c_stream__, a dict row, or a list of rows; None
    stays None."""
    if data is None or isinstance(data, _core.Frame):
        return data
    if isinstance(data, Frame):
        return data._core
    if isinstance(data, (list, dict)) and not data:
        raise InvalidError(f"an empty {type(data).__name__} has no rows and no columns")
    if isinstance(data, list):
        return data
    if isinstance(data, dict):
        # Columns if any value is a sequence, as in pandas; otherwise one row.
        if any(isinstance(value, (list, tuple)) or hasattr(value, "__array__")
               and getattr(value, "ndim", 0) for value in data.values()):
            return _as_arrow(lambda pyarrow: pyarrow.table(data))
        return data
    library = library_of(data)
    if type(data).__name__ in ("Series", "Index") and library != "arrow":
        raise WrongTypeError(f"expected a DataFrame, not a {type(data).__name__} of {library}; "
                             "use .to_frame()")
    if library == "pandas":
        return _of_pandas(data)
    if library == "polars":
        return _of_polars(data)
    if type(data).__module__ == "numpy":
        raise WrongTypeError("an array has no column names: make it a DataFrame, "
                             "pandas.DataFrame(array, columns=['a', 'b'])")
    return data


def rows_to_stream(data: Any) -> Any:
    """As to_stream, where there must be rows."""
    if data is None:
        raise WrongTypeError("expected a DataFrame, a dict or a list of dicts, not None")
    return to_stream(data)


def _of_pandas(data: Any) -> Any:
    import pandas

    repeated = data.columns[data.columns.duplicated()]
    if len(repeated):
        raise InvalidError(f"the DataFrame has several columns named '{repeated[0]}'")
    for name, dtype in zip(data.columns, data.dtypes):
        if isinstance(dtype, (pandas.PeriodDtype, pandas.SparseDtype)):
            kind, way = (("periods", ".dt.to_timestamp()")
                         if isinstance(dtype, pandas.PeriodDtype)
                         else ("sparse values", ".sparse.to_dense()"))
            raise WrongTypeError(f"column '{name}' has {kind}; {way} makes them plain ones")
    # The index is pandas' own matter: it is no feature.
    return _as_arrow(lambda pyarrow: pyarrow.Table.from_pandas(data, preserve_index=False))


def _of_polars(data: Any) -> Any:
    import polars

    if isinstance(data, polars.LazyFrame):
        raise WrongTypeError("a LazyFrame has no rows yet; use .collect()")
    for name, dtype in data.schema.items():
        if dtype == polars.Object:
            raise WrongTypeError(f"column '{name}' has Python objects (polars.Object); give it a "
                                 "type that Arrow has")
        if str(dtype) in ("Int128", "UInt128"):
            raise WrongTypeError(f"column '{name}' is {dtype}, which only Polars has; .cast() it, "
                                 "integers of more than 64 bits to polars.Decimal(38, 0)")
    words = [name for name, dtype in data.schema.items()
             if isinstance(dtype, (polars.Categorical, polars.Enum))]
    return data.with_columns(polars.col(words).cast(polars.String)) if words else data


def _as_arrow(make: Any) -> Any:
    """What `make(pyarrow)` gives, with pyarrow's refusals as ours."""
    import pyarrow

    try:
        return make(pyarrow)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError,
            OverflowError, UnicodeEncodeError) as error:
        what = (str(error) if isinstance(error, UnicodeEncodeError) else
                ": ".join(str(part) for part in reversed(error.args)))
        raise WrongTypeError(f"{what[:1].lower()}{what[1:]}; a column has values of one type, "
                             "which Arrow has (astype, or a column each)") from error


def _core_of(table: Any) -> _core.Frame:
    return _core.frame(table)


# So that frames, and all that holds some, can be pickled: as Arrow's tables are.
copyreg.pickle(_core.Frame, lambda core: (_core_of, (Frame(core).to_arrow(),)))


class Frame:
    """A table that Tercet returns.

    It holds Arrow memory and hands it on without a copy: to anything that speaks the Arrow
    PyCapsule interface, or by `to_arrow`, `to_pandas`, `to_polars` and `to_numpy`.
    """

    def __init__(self, core: _core.Frame):
        self._core = core

    @property
    def columns(self) -> list[str]:
        """Column names in order."""
        return list(self._core.columns)

    @property
    def schema(self) -> dict[str, str]:
        """Column name → Arrow type as text."""
        return dict(zip(self._core.columns, self._core.types))

    def __len__(self) -> int:
        return self._core.num_rows

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self), len(self._core.columns)

    def __getitem__(self, column: Any) -> Any:
        raise WrongTypeError("a Frame has no columns to take out: "
                             f"frame.to_pandas()[{column!r}], or to_polars, to_arrow")

    if not TYPE_CHECKING:  # for checkers, what is not there is not there
        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"a Frame has no '{name}'; frame.to_pandas(), to_polars() and "
                                 "to_arrow() are tables that can do more")

    def __iter__(self) -> Any:
        raise WrongTypeError("a Frame is not walked through; frame.to_rows() gives its rows")

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._core.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        return self._core.__arrow_c_schema__()

    def head(self, n: int = 5) -> "Frame":
        """The first `n` rows."""
        return Frame(_core.frame(self.to_arrow().slice(0, max(n, 0))))

    def to_arrow(self) -> "Any":
        """A pyarrow.Table of the same memory."""
        import pyarrow

        return pyarrow.RecordBatchReader.from_stream(self).read_all()

    def to_pandas(self) -> "Any":
        """A pandas.DataFrame."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> "Any":
        """A polars.DataFrame."""
        import polars

        return polars.from_arrow(self.to_arrow())

    def to_numpy(self) -> "Any":
        """A two-dimensional NumPy array, rows by columns, nulls as NaN where all are numbers."""
        import numpy

        table = self.to_arrow()
        columns = [column.to_numpy() for column in table.columns]
        return numpy.column_stack(columns) if columns else numpy.empty((len(self), 0))

    def to_rows(self) -> list[dict[str, Any]]:
        """All rows as dicts of plain Python values."""
        return self._core.rows()

    def to(self, library: str) -> "Any":
        """The frame as 'arrow', 'pandas', 'polars' or 'numpy'."""
        conversions = {"arrow": self.to_arrow, "pandas": self.to_pandas,
                       "polars": self.to_polars, "numpy": self.to_numpy}
        if library not in conversions:
            raise WrongTypeError(f"frames come as {', '.join(conversions)}, not '{library}'")
        return conversions[library]()

    def __repr__(self) -> str:
        names = self.columns
        rows = [[_shown(row[name]) for name in names] for row in self._core.rows(0, _SHOWN_ROWS)]
        widths = [max(len(cell) for cell in column) for column in zip(names, *rows)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths))
                 for line in [names, *rows]]
        if len(self) > _SHOWN_ROWS:
            lines.append("…")
        return "\n".join([*lines, f"[{len(self):,} rows × {len(names)} columns]"])

    def _repr_html_(self) -> str:
        from html import escape

        names = self.columns
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_shown(row[name]))}</td>" for name in names) + "</tr>"
            for row in self._core.rows(0, _SHOWN_ROWS))
        return (f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
                f"<p>{len(self):,} rows × {len(names)} columns</p>")


def _shown(value: Any) -> str:
    """One cell of a printed table."""
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"
