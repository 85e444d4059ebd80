"""Models of other registered models, for `Project.register_model`.

The parts are named with their versions and can't be dropped while the composite exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tercet.model import Model


@dataclass(frozen=True)
class Composite:
    """A model of other registered models. Made by `chain`, `mean` and `vote`."""

    kind: str
    parts: tuple[Model, ...]
    weights: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        parts = [f"{part.name}@{part.version}" for part in self.parts]
        return {"kind": self.kind, "parts": parts,
                **({"weights": list(self.weights)} if self.weights else {})}


def chain(*parts: Model) -> Composite:
    """Registered models in a row, for `register_model`: each takes the outputs of those before it
    by name, and what none of them gives from the request."""
    return Composite("chain", parts)


def mean(*parts: Model, weights: tuple[float, ...] | list[float] = ()) -> Composite:
    """Registered models whose outputs' (weighted) mean is the answer."""
    return Composite("mean", parts, tuple(weights))


def vote(*parts: Model, weights: tuple[float, ...] | list[float] = ()) -> Composite:
    """Registered models whose most frequent output (by weight) is the answer."""
    return Composite("vote", parts, tuple(weights))
