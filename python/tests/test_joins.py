"""Lags, horizons, paths over groups, all entities and what was known, against DuckDB's ASOF."""

import datetime

import duckdb
import numpy as np
import pandas as pd
import pytest

import tercet as tc

START = pd.Timestamp("2024-01-01", tz="UTC")
ROWS = 500


def at(minutes) -> pd.Series:
    return pd.Series(START + pd.to_timedelta(np.asarray(minutes), unit="min")).dt.as_unit("us")


@pytest.fixture
def frames() -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(3)

    def times(rows):
        return at(np.sort(random.choice(5000, rows, replace=False)))

    cards = pd.DataFrame({"card": random.integers(0, 20, ROWS), "since": times(ROWS),
                          "account": random.integers(0, 15, ROWS).astype("int32")})
    accounts = pd.DataFrame({"account": random.integers(0, 15, ROWS), "at": times(ROWS),
                             "balance": random.normal(size=ROWS)})
    payments = pd.DataFrame({"payment": range(ROWS), "at": times(ROWS),
                             "card": random.integers(0, 22, ROWS),
                             "amount": random.normal(size=ROWS)})
    return {"cards": cards, "accounts": accounts, "payments": payments}


@pytest.fixture
def groups(project, frames):
    made = {
        "cards": project.feature_group("cards", version=1, primary_key=["card"],
                                       event_time="since", online=True),
        "accounts": project.feature_group("accounts", version=1, primary_key=["account"],
                                          event_time="at", ttl="10h", online=True),
        "payments": project.feature_group("payments", version=1, primary_key=["payment"],
                                          event_time="at")}
    for name, group in made.items():
        group.insert(frames[name], wait_online=group.online)
    return made


def view_of(project, groups):
    path = groups["cards"].through().join(groups["accounts"].select("balance"), on="account",
                                          lag="30min", ttl="2d")
    return project.feature_view(
        "paid", version=1, labels=["next_balance"],
        query=groups["payments"].select("amount")
        .join(path, on="card")
        .join(groups["accounts"].select("balance"), on={"card": "account"}, prefix="next_",
              horizon=datetime.timedelta(hours=5)))


def expected(frames) -> pd.DataFrame:
    cards, accounts, payments = frames["cards"], frames["accounts"], frames["payments"]
    known = accounts["at"].max()
    assert len(cards) and len(payments)
    rows = duckdb.sql("""
        with hop as (
            select p.*, c.account from payments p asof left join cards c
            on p.card = c.card and p.at >= c.since),
        seen as (
            select h.*, a.balance, a.at as a_at from hop h asof left join accounts a
            on h.account = a.account and h.at >= a.at + interval 30 minute)
        select s.payment, s.amount, if(s.at - s.a_at <= interval 2 day, s.balance, null) as balance,
               if(s.at + interval 5 hour - l.at <= interval 10 hour, l.balance, null)
                   as next_balance,
               s.at
        from seen s asof left join accounts l
        on s.card = l.account and s.at + interval 5 hour >= l.at
        order by s.payment""").df()
    rows.loc[rows["at"] + pd.Timedelta("5h") > known, "next_balance"] = np.nan
    return rows


def same(left, right) -> bool:
    return np.array_equal(np.asarray(left, float), np.asarray(right, float), equal_nan=True)


def test_paths_lags_and_horizons_are_duckdbs(project, groups, frames):
    view = view_of(project, groups)
    data = view.training_data()
    rows = expected(frames)
    assert rows["balance"].notna().sum() > 100 and rows["next_balance"].notna().sum() > 50
    assert same(data.train.features.to_pandas()["balance"], rows["balance"])
    assert same(data.train.labels.to_pandas()["next_balance"], rows["next_balance"])
    assert data.train.labels.to_pandas()["next_balance"].isna().sum() > rows["balance"].size / 10

    # The same path online, as of each time; what the store let go it says.
    for index in range(ROWS - 40, ROWS):
        payment = frames["payments"].iloc[index]
        vector = view.vector({"card": int(payment["card"]), "amount": float(payment["amount"])},
                             event_time=payment["at"])
        assert "next_balance" not in vector
        if vector.status["balance"] != "unavailable":
            assert same([vector["balance"]], [rows["balance"].iloc[index]])

    groups["accounts"].insert(pd.DataFrame({"account": range(15), "at": [at([0])[0]] * 15,
                                            "balance": 1e9}))
    groups["accounts"].compact()
    assert view.rebuild(data.version).train.labels.to_pandas().equals(data.train.labels.to_pandas())
    # A definition comes back as it was made.
    assert project.feature_view("paid", version=1).definition == view.definition
    assert view_of(project, groups).definition["joins"][1]["from"] == "cards"


def test_all_entities_and_a_spine_in_sql(project, groups, frames):
    view = view_of(project, groups)
    payments = frames["payments"]
    times = [at([1000])[0], at([3000])[0]]
    data = view.training_data(tc.entities(times))
    keys = data.train.keys.to_pandas()
    for time in times:
        asked = keys[keys["event_time"] == time]["payment"].tolist()
        assert asked == payments[payments["at"] <= time]["payment"].tolist()
    assert view.rebuild(data.version).train.keys.to_pandas().equals(keys)
    assert tc.entities(pd.DatetimeIndex(times)) == tc.entities(times)
    assert tc.entities(np.datetime64("2024-03-01")) == tc.entities("2024-03-01")
    hours = view.training_data(tc.entities(start=START, end=START + pd.Timedelta("4h"), every="1h"))
    assert len(hours.train) == sum((payments["at"] <= START + pd.Timedelta(hours=h)).sum()
                                   for h in range(4))
    rows = view.training_data('select payment, "at", card, amount from payments where payment < 7')
    assert rows.train.keys.to_pandas()["payment"].tolist() == list(range(7))

    with pytest.raises(tc.InvalidError, match="longer than 0"):
        tc.entities(start=START, end=START, every=datetime.timedelta(0))
    with pytest.raises(tc.InvalidError, match="not both"):
        tc.entities(START, every="1h")


def test_known_at_leaves_out_what_came_later(project, frames):
    rates = project.feature_group("rates", version=1, primary_key=["city"], event_time="day",
                                  history=True)
    asks = project.feature_group("asks", version=1, primary_key=["ask"], event_time="at",
                                 schema={"ask": "int64", "at": "timestamp[us, tz=UTC]",
                                         "city": "string"})

    def rate(city, day, value):
        return rates.insert(pd.DataFrame({"city": [city], "day": [START + pd.Timedelta(days=day)],
                                          "rate": [value]}))

    commits = [rate("Oslo", 1, 1.0), rate("Oslo", 1, 2.0), rate("Oslo", 2, 3.0),
               rates.delete(pd.DataFrame({"city": ["Oslo"]})), rate("Oslo", 1, 4.0)]
    view = project.feature_view("asked", version=1,
                                query=asks.select().join(rates.select("rate"), on="city"))
    spine = pd.DataFrame({
        "ask": range(6), "city": "Oslo",
        "at": [commits[0].commit_time - datetime.timedelta(microseconds=1),
               *(commit.commit_time for commit in commits)]})
    leaky = view.training_data(spine)
    assert same(leaky.train.X["rate"], [4.0] * 6)
    known = [np.nan, 1.0, 2.0, 3.0, np.nan, 4.0]
    data = view.training_data(spine, known_at=True)
    assert same(data.train.X["rate"], known)
    assert data.definition["known_at"] is True

    rates.compact()
    rates.vacuum(retention="0s")
    assert same(view.training_data(spine, known_at=True).train.X["rate"], known)
    assert same(view.rebuild(data.version).train.X["rate"], known)

    plain = project.feature_group("plain", version=1, primary_key=["city"], event_time="day")
    plain.insert(pd.DataFrame({"city": ["Oslo"], "day": [START], "rate": [1.0]}))
    unkept = project.feature_view("unkept", version=1,
                                  query=asks.select().join(plain.select("rate"), on="city"))
    with pytest.raises(tc.InvalidError, match="'plain@1' keeps no history"):
        unkept.training_data(spine, known_at=True)


def test_mistakes_are_told(project, groups):
    payments, accounts, cards = groups["payments"], groups["accounts"], groups["cards"]

    def define(query, labels=()):
        project.feature_view("wrong", version=1, query=query, labels=list(labels))

    with pytest.raises(tc.InvalidError, match="a lag must be 0 or longer, not -60000000 us"):
        define(payments.select().join(accounts.select(), on={"card": "account"},
                                      lag=datetime.timedelta(minutes=-1)))
    with pytest.raises(tc.InvalidError, match="its lag of 11h is longer than its TTL of 10h"):
        define(payments.select().join(accounts.select(), on={"card": "account"}, lag="11h"))
    with pytest.raises(tc.InvalidError, match="a horizon must be longer than 0"):
        define(payments.select().join(accounts.select(), on={"card": "account"},
                                      horizon=datetime.timedelta(0)))
    with pytest.raises(tc.InvalidError, match="it is known in training only; make it a label"):
        define(payments.select().join(accounts.select(), on={"card": "account"}, horizon="1h"))
    with pytest.raises(tc.NotFoundError, match="'cards@1' has no column 'acount'.*'account'"):
        define(payments.select().join(
            cards.through().join(accounts.select(), on={"acount": "account"}), on="card"))
    with pytest.raises(tc.InvalidError, match="only passed through"):
        define(cards.through())
