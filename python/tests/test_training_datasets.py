"""Transformations, splits and datasets, against scikit-learn, pandas and NumPy."""

import pickle
import shutil
import struct

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.csv
import pytest
import xgboost
from sklearn import preprocessing

import tercet as tc

ROWS = 400


def sales() -> pd.DataFrame:
    random = np.random.default_rng(5)
    amount = random.lognormal(2, 1, ROWS)
    amount[random.random(ROWS) < 0.1] = np.nan
    shop = random.choice(["north", "south", "east", "harbour"], ROWS, p=[0.5, 0.3, 0.15, 0.05])
    return pd.DataFrame({
        "sale": range(ROWS),
        "at": pd.date_range("2024-01-01", periods=ROWS, freq="37min", tz="UTC"),
        "amount": amount,
        "shop": shop,
        "customer": [f"c{i}" for i in random.integers(0, 30, ROWS)],
        "opened": pd.date_range("2020-02-28T23:30", periods=ROWS, freq="11h", tz="UTC"),
        "note": random.choice(["Paid late", "paid  in cash, on time", "returned", ""], ROWS),
        "returned": random.random(ROWS) < np.where(shop == "south", 0.6, 0.2),
        "profit": amount * 0.3 + np.where(shop == "south", -4, 2)})


@pytest.fixture
def group(project):
    made = project.feature_group("sales", version=1, primary_key=["sale"], event_time="at")
    made.insert(sales())
    return made


def view_of(project, group, *transformations, features=("amount", "shop"), labels=("returned",),
            helpers=(), name="sale"):
    return project.feature_view(name, version=1,
                                query=group.select(*features, *labels, *helpers),
                                labels=list(labels), helper_columns=list(helpers),
                                transformations=transformations)


# -- transformations -----------------------------------------------------------------------------

def test_a_chain_is_one_expression_and_can_be_undone(project, group):
    chain = tc.impute_median("amount", indicator=True) | tc.power_transformer()
    data = view_of(project, group, chain, tc.one_hot_encoder("shop")).training_data(
        split=tc.split.by_time(train=0.75, test=0.25))
    raw = sales()
    train, test = raw.iloc[:300], raw.iloc[300:]
    median = train["amount"].median()
    fitted = preprocessing.PowerTransformer().fit(train[["amount"]].fillna(median).to_numpy())
    expected = fitted.transform(test[["amount"]].fillna(median).to_numpy())[:, 0]
    np.testing.assert_allclose(data.test.X["amount"], expected, rtol=1e-5, atol=1e-6)
    assert data.test.X["amount_missing"].tolist() == test["amount"].isna().astype(float).tolist()
    assert data.transformations[1].parameters["amount"]["lambda"] == pytest.approx(
        fitted.lambdas_[0], rel=1e-5)
    assert "lambda" in repr(data.transformations[1])

    before = data.inverse_transform(data.test.X).to_pandas()
    np.testing.assert_allclose(before["amount"], test["amount"], rtol=1e-9)
    assert before["shop"].tolist() == test["shop"].tolist()
    assert "amount_missing" not in before


@pytest.mark.parametrize("label, smooth", [("returned", "auto"), ("returned", 10.0),
                                           ("profit", "auto")])
def test_the_target_encoder_is_out_of_fold(project, group, label, smooth):
    view = view_of(project, group, tc.target_encoder("shop", smooth=smooth, shuffle=False),
                   features=("shop",), labels=(label,))
    data = view.training_data(split=tc.split.by_time(train=0.75, test=0.25))
    raw = sales().dropna(subset=[label]) if label == "returned" else sales()
    train, test = raw.iloc[:300], raw.iloc[300:]
    if label == "profit":
        # Rows without a label are left out of fitting; scikit-learn takes none at all.
        known = train.dropna(subset=["profit"])
        encoder = preprocessing.TargetEncoder(smooth=smooth, target_type="continuous")
        encoder.fit(known[["shop"]].to_numpy(), known["profit"])
        expected = encoder.transform(test[["shop"]].to_numpy())[:, 0]
        np.testing.assert_allclose(data.test.X["shop"], expected, rtol=1e-9)
        return
    encoder = preprocessing.TargetEncoder(smooth=smooth, shuffle=False)
    expected = encoder.fit_transform(train[["shop"]].to_numpy(), train[label])[:, 0]
    np.testing.assert_allclose(data.train.X["shop"], expected, rtol=1e-12)
    np.testing.assert_allclose(data.test.X["shop"],
                               encoder.transform(test[["shop"]].to_numpy())[:, 0], rtol=1e-12)
    # No row sees its own label: a category's rows have as many values as there are folds.
    assert data.train.X["shop"].nunique() > 4
    again = view.rebuild(data.version)
    assert again.train.X.equals(data.train.X)


def test_times_texts_and_hashes(project, group):
    data = view_of(
        project, group, tc.date_parts("opened", parts=["year", "day_of_year", "hour"]),
        tc.hashed_ngrams("note", n_features=8), tc.hash_bucket("customer", buckets=16),
        tc.frequency_encoder("shop"),
        features=("opened", "note", "customer", "shop")).training_data()
    raw = sales()
    x = data.train.X
    assert x["opened_year"].tolist() == raw["opened"].dt.year.tolist()
    assert x["opened_day_of_year"].tolist() == raw["opened"].dt.day_of_year.tolist()
    assert x["opened_hour"].tolist() == raw["opened"].dt.hour.tolist()
    from sklearn.feature_extraction.text import HashingVectorizer

    expected = HashingVectorizer(n_features=8).transform(raw["note"]).toarray()
    np.testing.assert_allclose(x[[f"note_h{k}" for k in range(8)]].to_numpy(), expected,
                               atol=1e-12)
    assert x["customer"].between(0, 15).all()
    assert x.groupby(raw["customer"])["customer"].nunique().max() == 1
    expected = raw["shop"].map(raw["shop"].value_counts(normalize=True))
    np.testing.assert_allclose(x["shop"], expected, rtol=1e-12)
    with pytest.raises(tc.InvalidError, match="no inverse"):
        data.inverse_transform(x)


def test_bad_definitions_are_refused(project, group):
    with pytest.raises(tc.InvalidError, match="did you mean 'normal'"):
        view_of(project, group, tc.quantile_transformer("amount", output="norma"))
    with pytest.raises(tc.InvalidError, match="needs the names of columns"):
        view_of(project, group, tc.standard_scaler())
    with pytest.raises(tc.WrongTypeError, match="takes strings"):
        view_of(project, group, tc.text_length("amount"))
    with pytest.raises(tc.NotFoundError, match="no label 'profits'"):
        view_of(project, group, tc.target_encoder("shop", target="profits"), labels=("profit",))
    with pytest.raises(tc.InvalidError, match="positive numbers only"):
        view_of(project, group, tc.power_transformer("profit", method="box_cox"),
                features=("profit",)).training_data()


# -- splits --------------------------------------------------------------------------------------

def test_stratified_and_group_splits(project, group):
    view = view_of(project, group, helpers=("customer",))
    data = view.training_data(split=tc.split.stratified("returned", train=0.8, test=0.2), seed=1)
    share = sales()["returned"].mean()
    for part, rows in (("train", 320), ("test", 80)):
        assert abs(len(data[part]) - rows) <= 1
        assert data[part].y.mean() == pytest.approx(share, abs=1 / len(data[part]))
    data = view.training_data(split=tc.split.by_group("customer", train=0.7, test=0.3), seed=1)
    customers = [set(data[part].helpers.to_pandas()["customer"]) for part in ("train", "test")]
    assert customers[0].isdisjoint(customers[1])
    assert len(customers[0] | customers[1]) == sales()["customer"].nunique()
    assert len(data.train) == pytest.approx(280, abs=25)
    with pytest.raises(tc.NotFoundError, match="'custom'"):
        view.training_data(split=tc.split.by_group("custom", train=0.7, test=0.3))


def test_splits_refuse_what_is_no_share():
    assert tc.split.random(train=np.float32(0.5), test=0.5).parts == ["train", "test"]
    for split in (tc.split.random, tc.split.by_time,
                  lambda **shares: tc.split.stratified("shop", **shares),
                  lambda **shares: tc.split.by_group("shop", **shares)):
        with pytest.raises(tc.WrongTypeError, match="share of 'test' must be a number, not nan"):
            split(train=0.5, test=float("nan"))
        with pytest.raises(tc.InvalidError, match="needs its parts: split"):
            split()
    with pytest.raises(tc.WrongTypeError, match="not 'half'"):
        tc.split.random(train="half")


def test_class_balance_and_weights(project, group):
    data = view_of(project, group).training_data(split=tc.split.random(train=0.8, test=0.2))
    from sklearn.utils.class_weight import compute_sample_weight

    y = data.train.y
    classes = {one["class"]: one for one in data.class_balance["train"]["returned"]}
    assert classes[True]["rows"] == int(y.sum())
    assert classes[True]["share"] == pytest.approx(y.mean())
    np.testing.assert_allclose(data.train.balanced_weights(), compute_sample_weight("balanced", y))


def test_folds_have_parameters_of_their_own(project, group):
    view = view_of(project, group, tc.impute_mean("amount") | tc.standard_scaler(),
                   tc.target_encoder("shop"))
    data = view.training_data(split=tc.split.k_fold(4, stratify="returned"), seed=9)
    assert list(data.parts) == ["fold_0", "fold_1", "fold_2", "fold_3"]
    seen = []
    folds = list(data.folds())
    assert len(folds) == 4
    raw = sales().set_index("sale")
    for k, fold in enumerate(folds):
        train, test = (fold[part].keys.to_pandas()["sale"] for part in ("train", "test"))
        assert set(train).isdisjoint(test) and len(train) + len(test) == ROWS
        assert test.tolist() == data[f"fold_{k}"].keys.to_pandas()["sale"].tolist()
        # The test rows have no part in the mean.
        assert fold.transformations[0].parameters["amount"]["fill"] == pytest.approx(
            raw.loc[train, "amount"].mean(), rel=1e-12)
        assert fold.train.X["amount"].mean() == pytest.approx(0, abs=1e-9)
        seen += test.tolist()
    assert sorted(seen) == list(range(ROWS))
    with pytest.raises(tc.InvalidError, match="not into folds"):
        view.training_data().folds()


def test_purged_folds_leave_no_overlap_in_time(project, group):
    view = view_of(project, group)
    horizon, embargo = pd.Timedelta("5h"), pd.Timedelta("12h")
    data = view.training_data(split=tc.split.purged(5, horizon="5h", embargo="12h"))
    assert [len(part) for part in data.parts.values()] == [80] * 5
    at = sales().set_index("sale")["at"]
    for fold in data.folds():
        train = at[fold.train.keys.to_pandas()["sale"]]
        test = at[fold.test.keys.to_pandas()["sale"]]
        others = at.drop(test.index)
        first, last = test.min(), test.max()
        kept = others[(others + horizon < first) | (others > last + horizon + embargo)]
        assert sorted(train.index) == sorted(kept.index)
        assert len(train) < len(others)


# -- datasets ------------------------------------------------------------------------------------

@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_files_come_back_with_every_bit(project, group, tmp_path, format):
    view = view_of(project, group, tc.standard_scaler("amount"), helpers=("customer",))
    data = view.training_data(split=tc.split.by_time(train=0.75, test=0.25),
                              location=tmp_path / "files", format=format)
    back = project.training_dataset("sale", data.version, location=tmp_path / "files")
    again = project.training_dataset("sale", data.version)
    for one in (back, again):
        for part in ("train", "test"):
            for side in ("features", "labels", "helpers", "keys"):
                assert getattr(one[part], side).to_arrow().equals(
                    getattr(data[part], side).to_arrow())
    assert back.definition == data.definition

    file = tmp_path / "files" / f"test.{format}"
    other = tmp_path / "files" / f"train.{format}"
    shutil.copy(other, file)
    with pytest.raises(tc.StorageError, match="'test'"):
        project.training_dataset("sale", data.version, location=tmp_path / "files")
    view.training_data()
    with pytest.raises(tc.StorageError, match="differ in version"):
        shutil.rmtree(tmp_path / "files")
        data.save(tmp_path / "files", format)
        project.training_dataset("sale", location=tmp_path / "files")
    with pytest.raises(tc.NotFoundError, match="no training dataset"):
        project.training_dataset("sale", location=tmp_path / "nowhere")


def test_csv_for_others(project, group, tmp_path):
    data = view_of(project, group).training_data()
    data.save(tmp_path, "csv")
    table = pa.csv.read_csv(tmp_path / "train.csv")
    assert table.column_names == ["sale", "event_time", "amount", "shop", "returned"] or \
        set(table.column_names) >= {"sale", "amount", "shop", "returned"}
    np.testing.assert_allclose(table.column("amount").to_pandas(), sales()["amount"], rtol=1e-15)
    with pytest.raises(tc.NotSupportedError, match="loses types"):
        project.training_dataset("sale", data.version, location=tmp_path)
    with pytest.raises(tc.InvalidError, match="did you mean 'parquet'"):
        data.save(tmp_path, "parqet")


def crc32c(data: bytes) -> int:
    """Bit by bit, with the polynomial as RFC 3720 writes it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def examples(path):
    """The records of a TFRecord file, checked and parsed by Google's own protocol buffers."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="tensorflow",
                                              syntax="proto3")

    def message(name, *fields):
        made = file.message_type.add(name=name)
        for number, (field, kind, repeated, of) in enumerate(fields, 1):
            made.field.add(name=field, number=number, type=kind, type_name=of,
                           label=3 if repeated else 1)
        return made

    message("BytesList", ("value", 12, True, None))
    message("FloatList", ("value", 2, True, None))
    message("Int64List", ("value", 3, True, None))
    message("Feature", ("bytes_list", 11, False, ".tensorflow.BytesList"),
            ("float_list", 11, False, ".tensorflow.FloatList"),
            ("int64_list", 11, False, ".tensorflow.Int64List"))
    features = message("Features", ("feature", 11, True, ".tensorflow.Features.FeatureEntry"))
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=9, label=1)
    entry.field.add(name="value", number=2, type=11, type_name=".tensorflow.Feature", label=1)
    message("Example", ("features", 11, False, ".tensorflow.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    example = message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))

    def masked(data):
        crc = crc32c(data)
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

    data = path.read_bytes()
    assert crc32c(b"123456789") == 0xE3069283
    at, found = 0, []
    while at < len(data):
        length, check = struct.unpack_from("<QI", data, at)
        assert check == masked(data[at:at + 8])
        body = data[at + 12:at + 12 + length]
        assert struct.unpack_from("<I", data, at + 12 + length)[0] == masked(body)
        row = example.FromString(body)
        found.append({name: list(getattr(feature, kind).value)
                      for name, feature in row.features.feature.items()
                      for kind in ("bytes_list", "float_list", "int64_list")
                      if feature.HasField(kind)})
        at += 16 + length
    return found


def test_tfrecords_are_read_by_protocol_buffers(project, group, tmp_path):
    data = view_of(project, group, features=("amount", "shop", "opened")).training_data()
    data.save(tmp_path, "tfrecord")
    rows = examples(tmp_path / "train.tfrecord")
    assert len(rows) == ROWS
    for row, (_, raw) in zip(rows, sales().iterrows()):
        assert row["sale"] == [raw["sale"]]
        assert row["shop"] == [raw["shop"].encode()]
        assert row["returned"] == [int(raw["returned"])]
        assert row["opened"] == [int(raw["opened"].timestamp() * 1_000_000)]
        if np.isnan(raw["amount"]):
            assert np.isnan(row.get("amount", [np.nan])[0])
        else:
            assert row["amount"] == [np.float32(raw["amount"])]


def test_diff_says_what_changed(project, group):
    view = view_of(project, group, tc.standard_scaler("amount"))
    first = view.training_data(split=tc.split.random(train=0.8, test=0.2), seed=1)
    assert [one["path"] for one in first.diff(view.training_data(
        split=tc.split.random(train=0.8, test=0.2), seed=1))] == ["version"]
    more = sales().head(10).assign(sale=range(1000, 1010))
    group.insert(more)
    second = view.training_data(split=tc.split.random(train=0.8, test=0.2), seed=1)
    paths = {one["path"]: (one["left"], one["right"]) for one in first.diff(second)}
    assert paths["pins.sales@1"] == (1, 2) or paths["pins.sales@1"][0] < paths["pins.sales@1"][1]
    assert paths["rows.train"] == (320, 328)
    assert "fitted_transformations[0].parameters.amount.mean" in paths
    assert "sha256.train" in paths


def test_statistics_by_part(project, group):
    data = view_of(project, group, features=("amount", "shop"),
                   labels=("returned", "profit")).training_data(
        split=tc.split.by_time(train=0.75, test=0.25))
    raw = sales().iloc[:300]
    amount = data.statistics["train"]["amount"]
    assert amount["mean"] == pytest.approx(raw["amount"].mean(), rel=1e-12)
    assert amount["std"] == pytest.approx(raw["amount"].std(), rel=1e-12)
    assert amount["quantiles"]["0.25"] == pytest.approx(raw["amount"].quantile(0.25), rel=1e-12)
    assert sum(amount["histogram"]["counts"]) == raw["amount"].count()
    assert amount["correlations"]["profit"] == pytest.approx(
        raw["amount"].corr(raw["profit"]), rel=1e-9)
    assert amount["correlations"]["returned"] == pytest.approx(
        raw["amount"].corr(raw["returned"].astype(float)), rel=1e-9)
    described = data.describe("train").to_pandas().set_index("column")
    assert described.loc["shop", "distinct"] == 4
    assert described.loc["amount", "0.5"] == pytest.approx(raw["amount"].median())


def test_a_dataset_is_rebuilt_on_a_copy_of_the_project(tmp_path):
    with tc.open(tmp_path / "one") as project:
        group = project.feature_group("sales", version=1, primary_key=["sale"], event_time="at")
        group.insert(sales())
        view = view_of(project, group, tc.quantile_transformer("amount", n_quantiles=50),
                       tc.target_encoder("shop"))
        data = view.training_data(split=tc.split.random(train=0.8, test=0.2), seed=3)
        group.insert(sales().assign(amount=0.0))
        group.compact()
    shutil.move(tmp_path / "one", tmp_path / "elsewhere")
    with tc.open(tmp_path / "elsewhere") as project:
        again = project.training_dataset("sale", data.version)
        assert again.definition == data.definition
        assert again.train.features.to_arrow().equals(data.train.features.to_arrow())


# -- batches -------------------------------------------------------------------------------------

def test_batches_are_the_rows(project, group):
    data = view_of(project, group, tc.label_encoder("shop"),
                   labels=("returned", "profit")).training_data()
    part = data.train
    whole = part.features.to_pandas().to_numpy(np.float32)
    batches = part.batches(64)
    assert len(batches) == 7
    for _ in range(2):
        x = np.concatenate([x for x, _ in batches])
        np.testing.assert_array_equal(x, whole)
    x, y = next(iter(batches))
    assert x.dtype == np.float32 and x.shape == (64, 2) and y.shape == (64, 2)
    shuffled = part.batches(64, shuffle=True, seed=4, drop_last=True)
    first, second = (np.concatenate([x for x, _ in shuffled]) for _ in range(2))
    assert len(first) == 384 and not np.array_equal(first, second, equal_nan=True)
    again = np.concatenate([x for x, _ in part.batches(64, shuffle=True, seed=4, drop_last=True)])
    np.testing.assert_array_equal(first, again)
    with pytest.raises(tc.InvalidError, match="'shop'.*is no number"):
        next(iter(view_of(project, group, name="raw").training_data().train.batches(8)))


def test_frames_come_in_the_library_that_is_chosen(project, group):
    view = project.feature_view("v", version=1, query=group.select("amount", "returned"),
                                labels=["returned"])
    assert project.frames == "pandas"  # that of the insert
    before = view.training_data().train
    project.frames = "polars"
    group.insert(sales())
    after = view.training_data().train
    assert project.frames == "polars"
    assert (type(before.X), type(before.y)) == (pd.DataFrame, pd.Series)
    assert (type(after.X), type(after.y)) == (polars.DataFrame, polars.Series)
    assert after.X["amount"].to_list() == before.features.to_arrow()["amount"].to_pylist()
    project.frames = "arrow"
    assert type(view.training_data().train.X) is pa.Table
    project.frames = None
    assert project.frames == "pandas"
    with pytest.raises(tc.InvalidError, match="not 'numpy'"):
        project.frames = "numpy"
    with pytest.raises(tc.InvalidError, match="not 'pands'"):
        tc.open(project.location, frames="pands")
    with tc.open(project.location, frames="polars") as again:
        assert again.frames == pickle.loads(pickle.dumps(again)).frames == "polars"


def test_xgboost_reads_batch_by_batch(project, group, tmp_path):
    data = view_of(project, group, tc.label_encoder("shop")).training_data()
    part = data.train
    matrix = xgboost.QuantileDMatrix(part.xgboost_iterator(50, weights=part.balanced_weights()))
    whole = xgboost.QuantileDMatrix(part.X.astype(np.float32), part.y,
                                    weight=part.balanced_weights())
    parameters = {"objective": "binary:logistic", "seed": 1, "nthread": 1}
    models = [xgboost.train(parameters, each, num_boost_round=5) for each in (matrix, whole)]
    scores = [model.predict(xgboost.DMatrix(part.X)) for model in models]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-2)
    assert matrix.num_row() == ROWS and matrix.feature_names == ["amount", "shop"]
    external = xgboost.ExtMemQuantileDMatrix(
        part.xgboost_iterator(50, cache=str(tmp_path / "cache")))
    assert external.num_row() == ROWS


# -- a model of some features --------------------------------------------------------------------

def test_a_model_may_use_some_of_the_features(project, group):
    view = view_of(project, group, tc.impute_mean("amount") | tc.standard_scaler(),
                   tc.label_encoder("shop"))
    data = view.training_data()
    x = data.train.X[["shop"]].astype(float)
    booster = xgboost.train({"objective": "binary:logistic", "seed": 7, "nthread": 1},
                            xgboost.DMatrix(x, data.train.y), num_boost_round=5)
    model = project.register_model("by_shop", booster, training_data=data)
    assert list(model.signature.inputs) == ["shop"] or "shop" in str(model.signature.inputs)
    scores = model.batch().to_pandas()
    expected = booster.predict(xgboost.DMatrix(x))
    np.testing.assert_allclose(np.sort(scores.iloc[:, -1]), np.sort(expected), rtol=1e-5)
