"""Writes docs/reference/python.md from the docstrings of the package: ./dev reference.

Run with the package on the path. A test compares the page with what this would write, so a changed
docstring or signature comes with its page.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any, Iterator

import tercet

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "python.md"

INTRODUCTION = """\
# The Python package

Every public name of `import tercet as tc`, from its docstring. `./dev reference` writes this page.
Times are given as `datetime`, pandas timestamps, ISO 8601 text or days; durations as `timedelta` or
text like `"3h"`; tables as anything that speaks Arrow (pandas, Polars, pyarrow, DuckDB) or as a
dict of columns.
"""

#: Sections in the order of a user's journey; what no other section names comes under the last one.
SECTIONS: dict[str, list[str]] = {
    "A project": ["open", "Project"],
    "Features": ["FeatureGroup", "Commit", "source", "Query", "FeatureView", "udf", "Udf",
                 "BoundUdf", "Vector", "Vectors", "embedding", "Embedding", "Neighbors",
                 "NearVectors", "Frame"],
    "Training": ["Run", "entities", "Entities", "split", "TrainingData", "TrainingPart"],
    "Transformations": [],
    "Models and deployments": ["Model", "Signature", "predictor", "composite", "Deployment", "sink",
                               "Prediction", "Predictions", "Predictor", "Canary", "Experiment"],
    "Search and lineage": ["Annotation", "Hit", "Impact", "Lineage"],
    "Errors": [],
}


def section_of(name: str) -> str:
    for section, names in SECTIONS.items():
        if name in names:
            return section
    thing = getattr(tercet, name)
    if inspect.isclass(thing) and issubclass(thing, BaseException):
        return "Errors"
    if getattr(thing, "__module__", "") == "tercet.transformation":
        return "Transformations"
    raise SystemExit(f"tercet.{name} has no section in {Path(__file__).name}")


def prose(thing: Any) -> str:
    """A docstring as Markdown: examples fenced, the rest as it stands."""
    text = inspect.getdoc(thing) or ""
    paragraphs = [f"```pycon\n{part}\n```" if part.startswith(">>>") else part
                  for part in text.split("\n\n")]
    return "\n\n".join(paragraphs).replace("```\n\n```pycon\n", "\n")


def signature(name: str, thing: Any) -> str:
    """`name(arguments) -> result`, folded to a hundred columns, without self."""
    try:
        whole = inspect.signature(thing)
    except (TypeError, ValueError):
        return name
    arguments = [re.sub(r"'([^']*)'", r"\1", str(argument)) if argument.default is argument.empty
                 else shown(argument)
                 for argument in whole.parameters.values() if argument.name not in ("self", "cls")]
    kinds = [argument.kind for argument in whole.parameters.values()
             if argument.name not in ("self", "cls")]
    keyword_only = [i for i, kind in enumerate(kinds) if kind is inspect.Parameter.KEYWORD_ONLY]
    if keyword_only and inspect.Parameter.VAR_POSITIONAL not in kinds:
        arguments.insert(keyword_only[0], "*")
    answer = whole.return_annotation
    result = "" if answer in (whole.empty, None, "None") else " -> " + annotation(answer)
    line = f"{name}({', '.join(arguments)}){result}"
    if len(line) <= 100:
        return line
    rows, row = [], ""
    for argument in arguments:
        if row and len(row) + len(argument) > 92:
            rows.append(row)
            row = ""
        row += argument + ", "
    rows.append(row.removesuffix(", "))
    return f"{name}(\n    " + "\n    ".join(part.rstrip() for part in rows) + f"\n){result}"


def annotation(hint: Any) -> str:
    text = hint if isinstance(hint, str) else inspect.formatannotation(hint)
    return text.replace('"', "").replace("'", "")


def shown(argument: inspect.Parameter) -> str:
    """An argument with a default; a default that only marks "not given" is an ellipsis."""
    plain = isinstance(argument.default, (str, int, float, bool, tuple, list, dict, type(None)))
    default = repr(argument.default) if plain else "..."
    if argument.annotation is argument.empty:
        return f"{argument.name}={default}"
    return f"{argument.name}: {annotation(argument.annotation)} = {default}"


def public_members(thing: type) -> Iterator[tuple[str, Any]]:
    """Also those of bases that have no entry of their own."""
    for base in reversed(thing.__mro__):
        if base is thing or (base.__module__.startswith("tercet.")
                             and base.__name__ not in tercet.__all__):
            for name, member in vars(base).items():
                if not name.startswith("_") and getattr(thing, name, None) is member:
                    yield name, member


def instance_attributes(thing: type) -> Iterator[tuple[str, str, str]]:
    """(name, type, comment) of what `__init__` sets in public."""
    if "__init__" not in vars(thing) or dataclasses.is_dataclass(thing):
        return
    comment = ""
    for line in inspect.getsource(thing.__init__).splitlines():
        if found := re.match(r"\s+self\.([a-z]\w*)(?:: (.+?))? = ", line):
            yield found[1], found[2] or "", comment
        said = re.match(r"\s+#: (.*)", line)
        comment = f"{comment} {said[1]}".strip() if said else ""


def class_entry(name: str, thing: type) -> Iterator[str]:
    yield f"### `{name}`"
    yield prose(thing)
    fields = dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ()
    rows = [(field.name, annotation(field.type), "") for field in fields
            if not field.name.startswith("_")]
    rows += instance_attributes(thing)
    rows += [(member, annotation(inspect.signature(value.fget).return_annotation), prose(value))
             for member, value in public_members(thing) if isinstance(value, property)]
    if rows:
        yield "\n".join(["| attribute | type | |", "|---|---|---|"]
                        + [f"| `{member}` | `{kind.replace('|', chr(92) + '|')}` | "
                           f"{' '.join(text.split()).replace('|', chr(92) + '|')} |"
                           for member, kind, text in rows])
    for member, value in public_members(thing):
        if isinstance(value, (classmethod, staticmethod)):
            value = value.__func__
        if inspect.isfunction(value):
            yield f"#### `{name}.{member}`"
            yield f"```text\n{signature(member, value)}\n```"
            yield prose(value)


def function_entry(name: str, thing: Any) -> Iterator[str]:
    yield f"### `{name}`"
    yield f"```text\n{signature(name, thing)}\n```"
    yield prose(thing)


def module_entry(name: str, module: ModuleType) -> Iterator[str]:
    yield f"### `tc.{name}`"
    yield prose(module)
    for member, value in vars(module).items():
        if (inspect.isfunction(value) and value.__module__ == module.__name__
                and not member.startswith("_")):
            yield f"#### `{name}.{member}`"
            yield f"```text\n{signature(member, value)}\n```"
            yield prose(value)


def entry(name: str) -> Iterator[str]:
    thing = getattr(tercet, name)
    if inspect.ismodule(thing):
        return module_entry(name, thing)
    return class_entry(name, thing) if inspect.isclass(thing) else function_entry(name, thing)


def page() -> str:
    """The whole page as it should be."""
    by_section: dict[str, list[str]] = {section: list(names) for section, names in SECTIONS.items()}
    for name in tercet.__all__:
        section = section_of(name)
        if name not in by_section[section]:
            by_section[section].append(name)
    parts = [INTRODUCTION]
    for section, names in by_section.items():
        parts.append(f"## {section}")
        for name in names:
            parts += [part for part in entry(name) if part]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE.name}")
