"""An erased entity is nowhere in the bytes of a project any more: raw, and in decoded columns."""

import base64
import datetime
import struct
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
import xgboost

import tercet as tc

START = datetime.datetime(2024, 3, 1, tzinfo=datetime.timezone.utc)
#: One person's own values, which nobody else has: key, text, number.
PERSON, STREET, INCOME = "Zyxwvut-8421", "Quuxbarstrasse-77", 8421.13579246801


def decoded(path: Path) -> str:
    """The columns of a file of a known format, as text."""
    try:
        if path.suffix == ".parquet":
            return str(pa.parquet.ParquetFile(path).read().to_pydict())
        if path.suffix == ".arrow":
            return str(pa.ipc.open_file(path).read_all().to_pydict())
    except (pa.ArrowInvalid, OSError):
        pass  # read as bytes, like all others
    return ""


def holders(folder: Path) -> dict[str, set[str]]:
    """Value → the files of the project that have it."""
    forms = {PERSON: [PERSON.encode(), PERSON.encode().hex().encode(),
                      base64.b64encode(PERSON.encode())[:-2]],
             STREET: [STREET.encode()],
             INCOME: [struct.pack("<d", INCOME), struct.pack(">d", INCOME), b"8421.13579246801",
                      b"8.42113579246801E3"]}
    found: dict = {value: set() for value in forms}
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        data, text = path.read_bytes(), decoded(path)
        for value, raw in forms.items():
            if any(form in data for form in raw) or str(value) in text:
                found[value].add(str(path.relative_to(folder)).split("/")[0])
    return found


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "project"


@pytest.fixture
def project(folder):
    """In a directory: what a server keeps is the same."""
    with tc.open(folder) as opened:
        yield opened


@pytest.fixture
def people(project):
    group = project.feature_group("people", primary_key=["person"], event_time="since",
                                  online=True)
    names = [f"person-{i}" for i in range(50)] + [PERSON]
    rows = pd.DataFrame({"person": names, "since": pd.Timestamp(START),
                         "street": [f"street {i}" for i in range(50)] + [STREET],
                         "income": [1000.5 + i for i in range(50)] + [INCOME]})
    group.insert(rows, wait_online=True)
    group.insert(rows.assign(since=pd.Timestamp(START) + pd.Timedelta("1h")), wait_online=True)
    return group


@pytest.fixture
def loans(project):
    group = project.feature_group("loans", primary_key=["loan"], event_time="asked")
    group.insert(pd.DataFrame({"loan": range(20), "asked": pd.Timestamp(START),
                               "repaid": [i % 2 == 0 for i in range(20)]}))
    return group


def spine(**columns):
    return pd.DataFrame({**columns, "event_time": pd.Timestamp(START) + pd.Timedelta("2h")})


def test_nothing_is_left_of_an_erased_entity(project, people, loans, folder):
    view = project.feature_view(
        "risk", query=loans.select("repaid").join(
            people.select("street", "income"), on={"borrower": "person"}),
        request_parameters={"borrower": "string"}, labels=["repaid"])
    held = view.training_data(spine=spine(loan=[1, 2], borrower=["person-1", PERSON]))
    free = view.training_data(spine=spine(loan=[1, 2], borrower=["person-1", "person-2"]))
    before = holders(folder)
    # Or nothing would be proved.
    assert before[PERSON] >= {"feature_groups", "training_datasets", "online"}
    assert any(file.startswith("catalog.sqlite") for file in before[INCOME])

    erased = project.erase({"person": [PERSON]})
    assert erased.groups["people@1"].rows == 2
    # Both were made of commits that are gone, and one of them of a spine with the entity.
    assert erased.lost_datasets == [f"{data.view}@{data.version}" for data in (held, free)]
    assert erased.models == []
    for data in (held, free):
        with pytest.raises(tc.StorageError, match="were erased on"):
            view.rebuild(data.version)
    project.close()
    # The online store's list of its files has their first keys until it is opened again.
    with tc.open(folder) as again:
        again.feature_group("people").describe()
        again.feature_group("people").insert({"person": ["new"], "since": [START],
                                              "street": ["s"], "income": [1.0]},
                                             wait_online=True)
    assert {value: files for value, files in holders(folder).items() if files} == {}


def test_a_spine_is_looked_at_by_its_own_columns(project, loans):
    view = project.feature_view("risk", query=loans.select("repaid"))
    held = view.training_data(spine=spine(loan=[1, 77]))
    free = view.training_data(spine=spine(loan=[1, 2]))
    # No row of the group is of this loan: its commits stay.
    erased = project.erase({"loan": [77]})
    assert erased.groups["loans@1"].rows == 0
    assert erased.lost_datasets == [f"{held.view}@{held.version}"]
    with pytest.raises(tc.StorageError, match="were erased on"):
        view.rebuild(held.version)
    assert len(view.rebuild(free.version).train) == 2
    assert project.erase({"loan": [77]}).lost_datasets == []


def test_models_that_learned_are_named(project, people):
    view = project.feature_view("rich", query=people.select("income"))
    data = view.training_data()
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(data.train.X, [0.0] * 102),
                            num_boost_round=1)
    model = project.register_model("rich", booster, training_data=data)
    erased = people.erase({"person": [PERSON]})
    assert erased.models == [f"rich@{model.version}"]
    assert erased.lost_datasets == [f"{data.view}@{data.version}"]
