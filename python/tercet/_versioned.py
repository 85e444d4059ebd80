"""What feature groups, views and models have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tercet._slips import Noun

if TYPE_CHECKING:
    from tercet.project import Project


class Versioned(Noun):
    """Something of a project that is stored as a definition under a name and a version."""

    def __init__(self, project: "Project", definition: dict[str, Any]):
        self._project = project
        self._definition = definition

    @property
    def name(self) -> str:
        return self._definition["name"]

    @property
    def version(self) -> int:
        return self._definition["version"]

    @property
    def description(self) -> str:
        return self._definition.get("description", "")

    @property
    def tags(self) -> dict[str, str]:
        return dict(self._definition.get("tags") or {})

    @property
    def definition(self) -> dict[str, Any]:
        """The whole definition as stored."""
        return dict(self._definition)

    @property
    def _core(self) -> Any:
        return self._project._core
