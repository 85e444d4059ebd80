"""ONNX models whose inputs are tensors: embeddings of a feature group, and what Triton's examples
call "simple"."""

import json
import urllib.error
import urllib.request

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tritonclient.grpc as grpc
import tritonclient.http as http
from local_server import Server

import tercet as tc

FLOAT, INT32, STRING = 1, 6, 8  # of onnx.TensorProto
DIM = 4


def model(nodes, inputs, outputs):
    from onnx import helper

    graph = helper.make_graph(
        [helper.make_node(*node) for node in nodes], "graph",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_an_embedding_and_a_number(project):
    random = np.random.default_rng(3)
    vectors = random.normal(size=(5, DIM)).astype(np.float32)
    users = project.feature_group("users", version=1, primary_key=["user"], event_time="seen",
                                  online=True)
    users.insert(pa.table({
        "user": [f"u{i}" for i in range(5)],
        "seen": pd.date_range("2024-01-01", periods=5, freq="h", tz="UTC"),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM)}),
        wait_online=True)
    clicks = project.feature_group("clicks", version=1, primary_key=["click"], event_time="time")
    clicks.insert(pd.DataFrame({"click": range(10), "user": [f"u{i % 5}" for i in range(10)],
                                "time": pd.date_range("2024-02-01", periods=10, freq="h",
                                                      tz="UTC"),
                                "weight": np.arange(10, dtype=np.float32),
                                "liked": [i % 2 == 0 for i in range(10)]}))
    view = project.feature_view(
        "likes", version=1, labels=["liked"],
        query=clicks.select("weight", "liked").join(users.select("vector"), on="user"))
    data = view.training_data()
    scaled = model([("Mul", ["vector", "weight"], ["scaled"])],
                   [("weight", FLOAT, [None, 1]), ("vector", FLOAT, [None, DIM])],
                   [("scaled", FLOAT, [None, DIM])])
    registered = project.register_model("scaled", scaled, training_data=data)
    assert registered.signature.outputs == {"scaled": f"fixed_size_list<item: float>[{DIM}]"}
    project.deploy("scaled", registered)
    answer = project.predict("scaled", {"user": "u3", "weight": 2.0})
    assert answer["scaled"] == (vectors[3] * np.float32(2)).tolist()
    # An embedding that the request brings overrules the stored one.
    for mine in ([1.0, 2.0, 3.0, 4.0], np.array([1, 2, 3, 4], dtype=np.float32)):
        answer = project.predict("scaled", {"user": "u3", "weight": 2.0, "vector": mine})
        assert answer["scaled"] == [2.0, 4.0, 6.0, 8.0]
    with pytest.raises(tc.Error, match="vector"):
        project.predict("scaled", {"user": "u3", "weight": 2.0, "vector": [1.0]})
    endless = []
    endless.append(endless)
    with pytest.raises(tc.InvalidError, match="nested deeper"):
        project.predict("scaled", {"user": "u3", "weight": 2.0, "vector": endless})
    assert view.vector({"user": "u3", "weight": 1.0})["vector"] == vectors[3].tolist()
    batch = registered.batch("2024-02-01", "2024-02-03").to_pandas().sort_values("click")
    for i, row in enumerate(batch.itertuples()):
        assert list(row.scaled) == (vectors[i % 5] * np.float32(i)).tolist()


@pytest.fixture
def simple(tmp_path):
    server = Server(tmp_path / "p")
    try:
        with tc.open(server.location) as project:
            shape = [None, 16]
            project.deploy("simple", project.register_model("simple", model(
                [("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
                 ("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"])],
                [("INPUT0", INT32, shape), ("INPUT1", INT32, shape)],
                [("OUTPUT0", INT32, shape), ("OUTPUT1", INT32, shape)])))
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("library", [http, grpc])
@pytest.mark.parametrize("rows", [1, 3])
def test_tritons_simple_model(simple, library, rows):
    client = library.InferenceServerClient(
        f"127.0.0.1:{simple.http if library is http else simple.grpc}")
    numbers = np.arange(rows * 16, dtype=np.int32).reshape(rows, 16)
    ones = np.ones((rows, 16), dtype=np.int32)
    inputs = [library.InferInput(name, list(values.shape), "INT32")
              for name, values in (("INPUT0", numbers), ("INPUT1", ones))]
    for one, values in zip(inputs, (numbers, ones)):
        one.set_data_from_numpy(values)
    answer = client.infer("simple", inputs, outputs=[library.InferRequestedOutput("OUTPUT0"),
                                                     library.InferRequestedOutput("OUTPUT1")])
    assert answer.as_numpy("OUTPUT0").dtype == np.int32
    assert (answer.as_numpy("OUTPUT0") == numbers + ones).all()
    assert (answer.as_numpy("OUTPUT1") == numbers - ones).all()
    narrow = library.InferInput("INPUT0", [rows, 8], "INT32")
    narrow.set_data_from_numpy(numbers[:, :8].copy())
    with pytest.raises(library.InferenceServerException, match="has 8 values a row.*lists of 16"):
        client.infer("simple", [narrow, inputs[1]])


def test_lists_as_json(simple):
    with tc.open(simple.location) as project:
        project.deploy("image", project.register_model("image", model(
            [("Identity", ["X"], ["Y"])], [("X", FLOAT, [None, 2, 3])],
            [("Y", FLOAT, [None, 2, 3])])))

    def call(path, body):
        request = urllib.request.Request(f"http://127.0.0.1:{simple.http}{path}",
                                         json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    ones, image = [1] * 16, [[1, 2, 3], [4, 5, 6]]
    answer = call("/api/v1/deployments/simple/predict",
                  {"entities": {"INPUT0": ones, "INPUT1": ones}})
    assert answer["prediction"] == {"OUTPUT0": [2] * 16, "OUTPUT1": [0] * 16}
    for instance in (image, {"X": image}, [1, 2, 3, 4, 5, 6], {"X": [1, 2, 3, 4, 5, 6]}):
        assert call("/v1/models/image:predict", {"instances": [instance]}) == {
            "predictions": [[1, 2, 3, 4, 5, 6]]}
    tensor = {"name": "X", "shape": [1, 2, 3], "datatype": "FP32", "data": [image]}
    assert call("/v2/models/image/infer", {"inputs": [tensor]})["outputs"][0]["data"] == [
        1, 2, 3, 4, 5, 6]
    with pytest.raises(urllib.error.HTTPError, match="400"):
        call("/v1/models/image:predict", {"instances": [[1, 2, 3]]})


def test_lists_of_python(project):
    project.deploy("image", project.register_model("image", model(
        [("Identity", ["X"], ["Y"])], [("X", FLOAT, [None, 2, 3])], [("Y", FLOAT, [None, 2, 3])])))
    numbers = [1, 2, 3, 4, 5, 6]
    assert project.predict("image", {"X": numbers}) == {"Y": numbers}
    assert project.predict("image", [{"X": numbers}, {"X": numbers[::-1]}])[1]["Y"] == numbers[::-1]
    for wrong in ([1.0], ["a"] * 6, 1.0):
        with pytest.raises(tc.Error, match="X"):
            project.predict("image", {"X": wrong})


def test_words_with_zero_bytes(project):
    words = {"X": ["he\0llo", "", "\0"]}
    project.deploy("words", project.register_model("words", model(
        [("Identity", ["X"], ["Y"])], [("X", STRING, [None, 3])], [("Y", STRING, [None, 3])]),
        signature=tc.Signature(inputs={"X": "list<string>"}, outputs={"Y": "list<string>"})))
    assert project.predict("words", words) == {"Y": words["X"]}
    assert project.predict("words", [words, words])[1] == {"Y": words["X"]}
