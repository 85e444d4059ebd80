"""Lineage, impact and search: what there is, what it is made of, and what needs it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tercet import _core
from tercet.errors import WrongTypeError


@dataclass(frozen=True)
class LineageNode:
    """A noun ("weather@1"), or one column of it. `kind` is that of the noun ("feature_view"),
    "run" for all runs of a name, or "source"; `note` is for people."""

    id: str
    kind: str
    name: str
    column: str
    note: str


@dataclass(frozen=True)
class LineageEdge:
    """`target` is made of `source` (ids of nodes); `how` says by what: "select", "join", …"""

    source: str
    target: str
    how: str


class Lineage:
    """A graph of what something is made of and what is made of it. Made by `Project.lineage`.

    Prints as a tree; a notebook shows a picture."""

    def __init__(self, graph: dict[str, Any]):
        self._graph = graph

    @property
    def start(self) -> LineageNode:
        """The node that was asked for."""
        return next(node for node in self.nodes if node.id == self._graph["start"])

    @property
    def nodes(self) -> list[LineageNode]:
        """All nodes, in the order in which they are reached; upstream first."""
        return [LineageNode(**node) for node in self._graph["nodes"]]

    @property
    def edges(self) -> list[LineageEdge]:
        """All edges, from what is used to what is made of it."""
        return [LineageEdge(edge["from"], edge["to"], edge["how"])
                for edge in self._graph["edges"]]

    def to_dict(self) -> dict[str, Any]:
        """{"start", "nodes", "edges"}, as REST and `tercet lineage --json` give it."""
        return json.loads(self.to_json())

    def to_json(self) -> str:
        return json.dumps(self._graph)

    def _text(self, form: str) -> str:
        return _core.Project.lineage_text(self.to_json(), form)

    def to_mermaid(self) -> str:
        """A flowchart in Mermaid's language, for Markdown."""
        return self._text("mermaid")

    def to_dot(self) -> str:
        """A graph in Graphviz's language."""
        return self._text("dot")

    def to_svg(self) -> str:
        """A picture."""
        return self._text("svg")

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def __str__(self) -> str:
        return self._text("tree")

    def __repr__(self) -> str:
        return f"<Lineage of {self._graph['start']}: {len(self._graph['nodes'])} nodes, " \
               f"{len(self._graph['edges'])} edges>"


@dataclass(frozen=True)
class Broken:
    """Something that breaks. `path` is one shortest way to it. `uses`: its values or rows come of
    what goes, not just its view's. `served`: requests are answered with it now."""

    kind: str
    name: str
    path: str
    uses: bool
    served: bool


#: lines of an Impact's repr; `broken` has them all
_SHOWN_BROKEN = 20


@dataclass(frozen=True)
class Refusal:
    """What Tercet does not do as long as something depends on the object, and why."""

    operation: str
    because: str


@dataclass(frozen=True, repr=False)
class Impact:
    """What breaks if something is dropped. Made by `Project.impact`."""

    object: str
    broken: list[Broken]
    refused: list[Refusal]

    @classmethod
    def _of(cls, record: dict[str, Any]) -> "Impact":
        return cls(object=record["object"], broken=[Broken(**one) for one in record["broken"]],
                   refused=[Refusal(**one) for one in record["refused"]])

    @property
    def served(self) -> list[Broken]:
        """Those of `broken` that requests are answered with now."""
        return [one for one in self.broken if one.served]

    def __bool__(self) -> bool:
        """Whether anything breaks."""
        return bool(self.broken)

    def __repr__(self) -> str:
        shown = [f"  {one.kind.replace('_', ' ')} {one.path}{' (served)' if one.served else ''}"
                 for one in self.broken[:_SHOWN_BROKEN]]
        if len(self.broken) > _SHOWN_BROKEN:
            shown.append("  …")
        return "\n".join([f"<Impact of dropping {self.object}: {len(self.broken)} break, "
                          f"{len(self.served)} of them served>", *shown])


@dataclass(frozen=True)
class Annotation:
    """What is said of something: a description, an owner, tags, and of its features the same."""

    description: str = ""
    owner: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    features: dict[str, "Annotation"] = field(default_factory=dict)

    @classmethod
    def _of(cls, record: dict[str, Any]) -> "Annotation":
        return cls(description=record["description"], owner=record["owner"], tags=record["tags"],
                   features={name: cls._of(one)
                             for name, one in record.get("features", {}).items()})


@dataclass(frozen=True)
class Hit:
    """One thing that a search found: a noun, or with `feature` one feature of it. `snippet` has
    the words in [brackets]; `score` is higher for better hits of one search."""

    kind: str
    name: str
    feature: str
    description: str
    owner: str
    tags: dict[str, str]
    snippet: str
    score: float


def name_of(thing: Any) -> str:
    """The name of a noun for lineage and its like: text as it is, an object with its kind."""
    if isinstance(thing, str):
        return thing
    kind = _KINDS.get(type(thing).__name__)
    if kind is None:
        raise WrongTypeError("expected a name such as 'weather@1.temp', or a feature group, view, "
                             "training data, model, deployment or run, not "
                             f"{type(thing).__name__}")
    if kind == "run":
        return f"run:{thing.id}"
    if kind == "deployment":
        return f"deployment:{thing.name}"
    if kind == "training_dataset":
        return f"training_dataset:{thing.view}@{thing.version}"
    return f"{kind}:{thing.name}@{thing.version}"


_KINDS = {"FeatureGroup": "feature_group", "FeatureView": "feature_view", "Model": "model",
          "TrainingData": "training_dataset", "SparkTrainingData": "training_dataset",
          "Deployment": "deployment", "Run": "run"}
