"""Pipeline I, in batch: predicts December and inserts the predictions into a feature group.

    python batch_pipeline.py PROJECT"""

from __future__ import annotations

import argparse

import raw
import store
import tercet as tc


def predict_december(project: tc.Project, model: tc.Model) -> tuple[tc.Commit, int]:
    """Predicts all flights of December, those that were then cancelled too."""
    with project.run("predict_december", model=model.version):
        scored = model.batch(raw.month_start(12), raw.month_start(13))
        commit = store.predictions(project).insert(
            scored, idempotency_key=f"december-{model.version}")
        print(f"December: {len(scored):,} predictions")
    return commit, len(scored)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", help="the project's directory, or tercet://host:port")
    arguments = parser.parse_args()
    with tc.open(arguments.project) as project:
        predict_december(project, project.model("delay"))


if __name__ == "__main__":
    main()
