"""On-demand features in Python: the explicit slow path beside expressions."""

from __future__ import annotations

import ast
import builtins
import datetime
import inspect
import symtable
import sys
import textwrap
import types
import typing
from typing import Any, Callable, Mapping

from tercet._times import Duration, duration_to_micros
from tercet.errors import InvalidError

#: What Python's types are as column types.
_TYPES = {bool: "bool", int: "int64", float: "double", str: "string", bytes: "binary",
          datetime.datetime: "timestamp[us, tz=UTC]", datetime.date: "date32[day]",
          datetime.timedelta: "duration[us]"}
#: Words that expressions have a meaning for; as a column's name they are quoted.
_KEYWORDS = {"and", "or", "not", "is", "null", "true", "false", "in", "like", "case", "when",
             "then", "else", "end", "between"}


def udf(output: Any = None, *, inputs: Mapping[str, Any] | None = None, workers: int = 0,
        timeout: Duration | None = None, memory_mb: int = 0) -> Any:
    """Makes a function an on-demand feature: computed row by row, in a worker process, of columns
    and request parameters, for training data, batches and requests alike.

    >>> @tc.udf(float)
    ... def risk(amount: float, city: str):
    ...     return None if amount is None else len(city or "") * amount
    >>> view = project.feature_view("fraud", query=payments.select("amount", "city"),
    ...                             on_demand={"risk": risk})

    `output` and `inputs` (parameter → type) are the columns' types: `float`, `int`, `str`, `bool`,
    `bytes`, `datetime`, `date`, `timedelta`, a list of them (`list[float]`), a pyarrow type or its
    text ("int32", "timestamp[ms]"). What is left out is taken from the function's annotations.

    Nulls come and go as None. What is kept is the function's text, with imports of the modules and
    the values of the constants that it names; it may use nothing else from around it. Functions
    made by the call of another, lambdas and methods are refused with InvalidError.

    `workers` processes run it, each one call at a time; one that has not answered within `timeout`
    ("2s"; of up to 4,096 rows) or comes near `memory_mb` of memory is replaced. What is not given
    is as the policy of the deployment says that serves it (`Deployment.configure`), and one worker,
    30 seconds and 4096 MB elsewhere.

    The result binds to columns of its parameters' names; call it with columns to bind it to others:
    `risk("amount_eur", "home.city")`. The plain function is its `function`.
    """
    if inspect.isfunction(output) and inputs is None:  # @udf without brackets
        return Udf(output, None, {})
    timeout_us = duration_to_micros(timeout, "timeout") or 0
    limits = {"workers": workers, "timeout_ms": -(-timeout_us // 1000), "memory_mb": memory_mb}
    return lambda function: Udf(function, output, dict(inputs or {}), limits)


class Udf:
    """A function with column types, made by `udf`."""

    def __init__(self, function: Callable[..., Any], output: Any, inputs: dict[str, Any],
                 limits: Mapping[str, int] | None = None):
        if not inspect.isfunction(function) or function.__name__ == "<lambda>":
            raise InvalidError("an on-demand feature is a function made by 'def', not "
                               f"{function!r:.80}")
        #: the plain function, to be called with values
        self.function: Callable[..., Any] = function
        #: workers, timeout_ms and memory_mb, where they are the function's own
        self.limits: dict[str, int] = {name: limit for name, limit in (limits or {}).items()
                                       if limit}
        #: as expressions call it
        self.name: str = function.__name__
        #: what is kept: imports, constants and the function's text
        self.source: str = _source(function)
        annotations = dict(function.__annotations__)
        output = _annotated(annotations.get("return"), function) if output is None else output
        if output is None:
            raise InvalidError(f"function '{self.name}' has no output type; write "
                               f"@udf(float) or '-> float'")
        #: the type of what it returns
        self.output: str = _type_text(output, function)
        #: parameter → type
        self.inputs: dict[str, str] = {}
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                raise InvalidError(f"function '{self.name}' has the parameter '{parameter}'; all "
                                   "must be plain ones, a column each")
            given = inputs.pop(parameter.name, None)
            if given is None:
                given = _annotated(annotations.get(parameter.name), function)
            if given is None:
                raise InvalidError(f"parameter '{parameter.name}' of function '{self.name}' has no "
                                   f"type; annotate it: '{parameter.name}: float'")
            self.inputs[parameter.name] = _type_text(given, function)
        if inputs:
            raise InvalidError(f"function '{self.name}' has no parameter {sorted(inputs)}")

    def __call__(self, *columns: str) -> "BoundUdf":
        """The function of these columns, in the order of its parameters."""
        if not all(isinstance(column, str) for column in columns):
            raise InvalidError(f"'{self.name}' is bound to columns by their names; to call it "
                               f"yourself, use {self.name}.function(…)")
        if len(columns) != len(self.inputs):
            raise InvalidError(f"'{self.name}' takes {len(self.inputs)} columns "
                               f"({', '.join(self.inputs)}), not {len(columns)}")
        return BoundUdf(self, columns)

    @property
    def definition(self) -> dict[str, Any]:
        """What a feature view keeps of it."""
        return {"name": self.name, "source": self.source, "inputs": dict(self.inputs),
                "output": self.output, **self.limits}

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name}: {kind}" for name, kind in self.inputs.items())
        return f"<Udf {self.name}({inputs}) -> {self.output}>"


class BoundUdf:
    """A function of columns: what an on-demand feature is."""

    def __init__(self, function: Udf, columns: tuple[str, ...]):
        #: the function
        self.udf: Udf = function
        #: the columns that its parameters are
        self.columns: tuple[str, ...] = columns

    @property
    def expression(self) -> str:
        """What a feature view keeps: a call of the function on the columns."""
        return f"{self.udf.name}({', '.join(map(_quoted, self.columns))})"


def with_functions(on_demand: Mapping[str, Any]) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """On-demand features as texts, and the functions that they bring."""
    texts: dict[str, str] = {}
    functions: dict[str, Udf] = {}
    for name, feature in on_demand.items():
        if isinstance(feature, Udf):
            feature = feature(*feature.inputs)
        if isinstance(feature, BoundUdf):
            known = functions.setdefault(feature.udf.name, feature.udf)
            if known.definition != feature.udf.definition:
                raise InvalidError(f"two functions are named '{known.name}'; name one otherwise")
            feature = feature.expression
        if not isinstance(feature, str):
            raise InvalidError(f"on-demand feature '{name}' is an expression or a function made by "
                               f"udf, not {type(feature).__name__}")
        texts[name] = feature
    return texts, [one.definition for one in functions.values()]


def _quoted(column: str) -> str:
    words = column.split(".")
    if all(word.isascii() and word.isidentifier() and word.lower() not in _KEYWORDS
           for word in words):
        return column
    return '"' + column.replace('"', '""') + '"'


def _annotated(given: Any, function: Callable[..., Any]) -> Any:
    """An annotation's type; its text where it means nothing to Python."""
    if not isinstance(given, str):
        return given
    try:
        return eval(given, function.__globals__)  # the caller's own annotation, as it would be
    except Exception:
        return given


def _type_text(given: Any, function: Callable[..., Any]) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, type) and given in _TYPES:
        return _TYPES[given]
    origin, arguments = typing.get_origin(given), typing.get_args(given)
    if origin in (typing.Union, types.UnionType):  # Optional: any value may be missing
        some = [one for one in arguments if one is not type(None)]
        if len(some) == 1:
            return _type_text(some[0], function)
    if origin is list and len(arguments) == 1:
        return f"list<{_type_text(arguments[0], function)}>"
    if hasattr(given, "__arrow_c_schema__"):
        return str(given)
    raise InvalidError(f"function '{function.__name__}': {given!r} is no type of a column; use "
                       "float, int, str, bool, bytes, datetime, date, timedelta, list[…] of one, "
                       "or an Arrow type")


def _source(function: Callable[..., Any]) -> str:
    """The function's text without decorators, after what it takes from around it."""
    name = function.__name__
    try:
        text = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(text)
    except (OSError, TypeError, SyntaxError) as error:
        raise InvalidError(f"the text of function '{name}' can't be found ({error}); define it in "
                           "a file or a notebook cell") from None
    found = next((one for one in tree.body if isinstance(one, ast.FunctionDef)), None)
    if found is None or inspect.isgeneratorfunction(function):
        raise InvalidError(f"'{name}' is not a plain function")
    if function.__closure__:
        raise InvalidError(f"function '{name}' uses {list(function.__code__.co_freevars)} of the "
                           "function around it, and only its own text is kept; make them "
                           "parameters, or define it at the top level")
    lines = text.splitlines()[found.lineno - 1:found.end_lineno]
    body = "\n".join(lines) + "\n"
    taken = [_taken(name, one, function) for one in _globals_of(body)]
    return "".join(line for line in taken if line) + body


def _globals_of(body: str) -> list[str]:
    """The names that a text takes from around it, those of nested functions too."""
    names: set[str] = set()

    def walk(table: symtable.SymbolTable) -> None:
        if table.get_type() == "function":
            names.update(one.get_name() for one in table.get_symbols()
                         if one.is_global() and one.is_referenced())
        for child in table.get_children():
            walk(child)

    # Annotations of parameters are no part of what runs.
    walk(symtable.symtable("from __future__ import annotations\n" + body, "<function>", "exec"))
    return sorted(names)


def _taken(name: str, used: str, function: Callable[..., Any]) -> str:
    """The line that brings a name which a function uses; empty for what Python has by itself."""
    if used == name:
        return ""
    if used not in function.__globals__:
        if hasattr(builtins, used):
            return ""
        raise InvalidError(f"function '{name}' uses '{used}', which is not defined")
    value = function.__globals__[used]
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__} as {used}\n"
    home: Any = getattr(value, "__module__", None)
    name_there: str = getattr(value, "__name__", "")
    own = (function.__module__, "__main__", None)
    if home not in own and getattr(sys.modules.get(home), name_there, None) is value:
        return f"from {home} import {name_there} as {used}\n"
    try:
        if ast.literal_eval(repr(value)) == value:
            return f"{used} = {value!r}\n"
    except (ValueError, SyntaxError):
        pass
    raise InvalidError(f"function '{name}' uses '{used}', and only its own text, modules and "
                       f"constants are kept; define '{used}' inside it")
