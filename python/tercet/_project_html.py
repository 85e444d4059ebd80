"""What a notebook shows of a project."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tercet.project import Project


def project_html(project: "Project") -> str:
    """The names of what there is, a row a kind."""
    if project._core.closed:
        return f"<p>{escape(repr(project))}</p>"
    versioned = (("feature groups", project.feature_groups()),
                 ("feature views", project.feature_views()), ("models", project.models()))
    names = {kind: [f"{one.name}@{one.version}" for one in things] for kind, things in versioned}
    names["deployments"] = [one.name for one in project.deployments()]
    body = "".join(f"<tr><th>{kind}</th><td>{escape(', '.join(found) or '–')}</td></tr>"
                   for kind, found in names.items())
    return f"<p>Project {escape(project.location)}</p><table><tbody>{body}</tbody></table>"
