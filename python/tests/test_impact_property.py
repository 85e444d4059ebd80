"""Impact against an oracle that knows no lineage: take the column away and try every view."""

import random

import tercet as tc

GROUPS, COLUMNS, VIEWS = 3, 4, 25


def column(group, number):
    return f"{'abc'[group]}{number}"


def columns_of(group):
    return ["k", "t", *(column(group, number) for number in range(COLUMNS))]


def define_groups(project, timed, without=(None, None)):
    """The groups, one of them without one of its columns. A key or event time that is gone makes
    the group impossible: None stands for it."""
    groups = []
    for number in range(GROUPS):
        names = [name for name in columns_of(number) if (number, name) != without]
        schema = {name: "timestamp[us, tz=UTC]" if name == "t" else "int64" for name in names}
        try:
            groups.append(project.feature_group(
                f"g{number}", primary_key=["k"], event_time="t" if timed[number] else None,
                schema=schema))
        except tc.InvalidError:
            groups.append(None)
    return groups


def random_view(chance):
    """What a view is made of: (root, its features, joins, on-demand features, filter)."""
    root = chance.randrange(GROUPS)
    own = [column(root, number) for number in range(COLUMNS)]
    names, joins = list(own), []
    for group in range(GROUPS):
        if group != root and chance.random() < 0.5:
            taken = chance.sample([column(group, n) for n in range(COLUMNS)], chance.randint(1, 3))
            joins.append((group, taken, chance.choice(["k", *own])))
            names += taken
    computed = {}
    for number in range(chance.randrange(3)):
        computed[f"x{number}"] = f"{chance.choice(names)} + coalesce({chance.choice(names)}, 1)"
        names.append(f"x{number}")
    if chance.random() < 0.25:
        computed["y"] = f"year(event_time) + {chance.choice(names)}"
    condition = f"{chance.choice(names)} > 0" if chance.random() < 0.4 else None
    return root, chance.sample(own, chance.randint(1, 3)), joins, computed, condition


def define_view(project, groups, name, view):
    root, features, joins, computed, condition = view
    used = [groups[root], *(groups[group] for group, _, _ in joins)]
    if None in used:
        raise tc.InvalidError("one of its groups can't be")
    query = used[0].select(*features)
    for group, taken, key in joins:
        query = query.join(groups[group].select(*taken), on={key: "k"})
    if condition:
        query = query.filter(condition)
    project.feature_view(name, query=query, on_demand=computed)


def test_impact_is_what_dropping_and_trying_finds(tmp_path):
    chance = random.Random(20261123)
    timed = [True, chance.random() < 0.5, False]
    views = {}
    whole = tc.open(tmp_path / "whole")
    groups = define_groups(whole, timed)
    while len(views) < VIEWS:
        name, view = f"v{len(views)}", random_view(chance)
        define_view(whole, groups, name, view)
        views[name] = view
    outcomes = []
    for group in range(GROUPS):
        for name in columns_of(group):
            with tc.open(tmp_path / f"without-{group}-{name}") as project:
                left = define_groups(project, timed, without=(group, name))
                expected = set()
                for view_name, view in views.items():
                    try:
                        define_view(project, left, view_name, view)
                    except tc.Error:
                        expected.add(f"{view_name}@1")
            found = {one.name for one in whole.impact(f"g{group}@1.{name}").broken}
            assert found == expected, f"g{group}@1.{name}"
            outcomes += [len(expected), VIEWS - len(expected)]
    # Both answers must be common, or nothing was tried.
    assert sum(outcomes[::2]) > 80 and sum(outcomes[1::2]) > 80
