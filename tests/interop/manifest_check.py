"""Reads manifests as KServe's and Kubernetes' own clients do: manifest_check.py FILE…. Run with
venv-kserve's Python. Prints what no class of theirs knows, one a line; nothing when all is known.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import kserve.models
import kubernetes.client
import yaml


def class_of(name: str):
    return getattr(kserve.models, name, None) or getattr(kubernetes.client, name, None)


def unknown(value, type_name: str, where: str) -> list[str]:
    """Members that the class of this name has not, and values that are of another type."""
    if found := re.fullmatch(r"list\[(.+)\]", type_name):
        if not isinstance(value, list):
            return [f"{where}: no list"]
        return [problem for i, item in enumerate(value)
                for problem in unknown(item, found[1], f"{where}[{i}]")]
    if found := re.fullmatch(r"dict\((.+), (.+)\)", type_name):
        if not isinstance(value, dict):
            return [f"{where}: no mapping"]
        return [problem for key, item in value.items()
                for problem in unknown(item, found[2], f"{where}.{key}")]
    basic = {"str": str, "int": int, "bool": bool, "float": (int, float)}.get(type_name)
    if basic is not None:
        fits = isinstance(value, basic) and (type_name == "bool" or not isinstance(value, bool))
        return [] if fits else [f"{where}: {value!r} is no {type_name}"]
    known = class_of(type_name)
    if known is None or not hasattr(known, "openapi_types"):
        return []  # "object" and quantities
    if not isinstance(value, dict):
        return [f"{where}: no mapping, as {type_name} is"]
    members = {name: attribute for attribute, name in known.attribute_map.items()}
    problems = []
    for name, item in value.items():
        if name in members:
            problems += unknown(item, known.openapi_types[members[name]], f"{where}.{name}")
        else:
            problems.append(f"{where}: {type_name} has no member '{name}'")
    try:
        # The classes refuse what lacks a member that must be there.
        known(**{members[name]: item for name, item in value.items() if name in members})
    except ValueError as missing:
        problems.append(f"{where}: {missing}")
    return problems


def main() -> None:
    for file in sys.argv[1:]:
        for document in yaml.safe_load_all(Path(file).read_text()):
            version, kind = document["apiVersion"].rsplit("/", 1)[1], document["kind"]
            name = version[0].upper() + version[1:] + kind
            if kind == "SeldonDeployment":  # its package has no classes: its pods', at least
                for i, predictor in enumerate(document["spec"]["predictors"]):
                    for j, component in enumerate(predictor["componentSpecs"]):
                        problems = unknown(component["spec"], "V1PodSpec",
                                           f"predictors[{i}].componentSpecs[{j}].spec")
                        print(*problems, sep="\n", end="\n" if problems else "")
                continue
            assert class_of(name), f"KServe has no {name}"
            problems = unknown(document, name, kind)
            print(*problems, sep="\n", end="\n" if problems else "")


if __name__ == "__main__":
    main()
