"""A view of ten feature groups with ten features each, against ten joins of the peers.

    ./dev bench pit_wide [--rows N] [--labels N] [--groups N] [--runs N] [--chained]
                         [--keep DIRECTORY]

5 M labels in random order are joined to ten groups of 2 M rows with 100,000 keys and ten nullable
float64 columns each, and answered in their order: a hundred features a label. Sides and measure are
those of `pit`; Polars may sort the labels once, before its joins. At full size the answer alone has
4 GB, and each peer holds several of it. DuckDB joins each group to the bare labels and puts the
answers side by side, which takes half as long as a chain of joins and ends at full size; --chained
measures the chain, too.

duckdb, polars   medians of CPU seconds, peer ÷ ours
duckdb_chained   the same for the chain
"""

from __future__ import annotations

import argparse
from pathlib import Path

import join_sides as js


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="of each group")
    parser.add_argument("--labels", type=int, default=5_000_000)
    parser.add_argument("--groups", type=int, default=10)
    parser.add_argument("--features", type=int, default=10, help="of each group")
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3, help="DuckDB's take over a minute")
    parser.add_argument("--chained", action="store_true", help="DuckDB's chain of joins as well")
    parser.add_argument("--keep", help="a folder for the inputs, kept and used again")
    options = parser.parse_args()
    with js.inputs_folder(options.keep, "pit-wide") as folder:
        measure(options, folder)


def measure(options: argparse.Namespace, folder: Path) -> None:
    groups = {f"group{g}": [f"g{g}_f{i}" for i in range(options.features)]
              for g in range(options.groups)}
    if not (folder / "project").exists():
        print("making inputs", flush=True)
        js.make_labels(folder, options.labels, options.keys, sorted_too=False, groups=True)
        for seed, (name, features) in enumerate(groups.items()):
            js.make_group(folder, name, features, options.rows, options.keys, seed)
    ours = js.Side(folder, groups, "tercet", "shuffled")
    peers = {"duckdb": js.Side(folder, groups, "duckdb_apart", "shuffled"),
             "polars": js.Side(folder, groups, "polars", "shuffled")}
    if options.chained:
        peers["duckdb_chained"] = js.Side(folder, groups, "duckdb_chained", "shuffled")
    sides = [ours, *peers.values()]
    js.check_answers(sides, folder, options.labels)
    js.run_all(sides, options.runs)
    js.print_result(
        "pit_wide",
        {key: peer.median("cpu_seconds") / ours.median("cpu_seconds")
         for key, peer in peers.items()},
        {"labels": options.labels, "rows": options.rows, "groups": options.groups,
         "features": options.features, "keys": options.keys, "runs": options.runs,
         **js.figures_of(sides)})


if __name__ == "__main__":
    main()
