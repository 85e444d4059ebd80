"""What a query in SQL may read: groups as of when, and which files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Mapping, Sequence, Union

from tercet._times import Time, to_micros
from tercet.errors import InvalidError, WrongTypeError
from tercet.feature_group import AsOf, Commit, FeatureGroup, commit_or_time, integer_of

if TYPE_CHECKING:
    from tercet.project import Project

#: as of when SQL reads: a commit time for all groups, or a commit, version or time by group
SqlAsOf = Union[Time, None, Mapping[Union[str, FeatureGroup], AsOf]]


def read_times(project: "Project", as_of: Any) -> tuple[int | None, dict[str, int]]:
    """Of a `SqlAsOf`: (commit time in microseconds, {group: version})."""
    if isinstance(as_of, Commit):
        return to_micros(as_of.commit_time), {}
    if not isinstance(as_of, Mapping):
        if integer_of(as_of) is not None:
            raise WrongTypeError("a commit's version is one group's: as_of={'weather@1': 3}")
        return to_micros(as_of, "as_of"), {}
    versions: dict[str, int] = {}
    for group, moment in as_of.items():
        if isinstance(group, str):
            name, _, version = group.partition("@")
            if version and not version.isdecimal():
                raise InvalidError(f"as_of names groups as 'weather' or 'weather@1', not '{group}'")
            group = project.feature_group(name, version=int(version or 0))
        commit, time_us = commit_or_time(moment)
        if time_us is not None:
            past = [one.version for one in group.commits()
                    if to_micros(one.commit_time) <= time_us]
            if not past:
                raise InvalidError(f"feature group '{group.name}@{group.version}' has no commit "
                                   "as early as that")
            commit = past[-1]
        if commit is not None:
            versions[f"{group.name}@{group.version}"] = commit
    return None, versions


def absolute_paths(files: Sequence[str]) -> list[str]:
    """Files as absolute paths; a folder keeps the "/" at its end."""
    if isinstance(files, str):
        raise InvalidError(f"files must be a list: ['{files}']")
    return [os.path.abspath(file) + ("/" if str(file).endswith("/") else "") for file in files]
