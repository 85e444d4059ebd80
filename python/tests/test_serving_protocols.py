"""What other servers' clients send is answered as they expect."""

import gzip
import io
import json
import urllib.request
import zlib

import numpy as np
import pytest
from local_server import Server
from serving import OSLO, TIME, call, models

import tercet as tc


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("served") / "p")
    try:
        with tc.open(server.location) as project:
            project.deploy("delay", models(project, 1)[0])
            expected = [row["prediction"] for row in project.predict(
                "delay", [OSLO, {"city": "Bergen", "distance": 2.0}], event_time=TIME)]
        yield server, expected
    finally:
        server.stop()


def as_floats(answer):
    """JSON has the shortest text of each 32-bit number."""
    return {name: np.array(values, np.float32).tolist() for name, values in answer.items()}


def at(path: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}event_time={int(TIME.timestamp() * 1e6)}"


ROWS = [OSLO, {"city": "Bergen", "distance": 2.0}]


@pytest.mark.parametrize("body", [
    {"dataframe_records": ROWS},
    {"dataframe_split": {"columns": ["city", "distance"],
                         "data": [["Oslo", 1.0], ["Bergen", 2.0]]}},
    {"instances": ROWS},
    {"inputs": {"city": ["Oslo", "Bergen"], "distance": [1.0, 2.0]}},
], ids=lambda body: next(iter(body)))
def test_sagemaker_and_mlflow(served, body):
    server, expected = served
    assert call(server, "/ping")[0] == 200
    status, answer, _ = call(server, at("/invocations"), body)
    assert (status, as_floats(answer)) == (200, {"predictions": expected})


@pytest.mark.parametrize("kind, body", [
    ("text/csv", b"city,distance\nOslo,1\nBergen,2\n"),
    ("text/csv", b"Oslo,1\nBergen,2\n"),
    ("application/jsonlines", b'{"city": "Oslo", "distance": 1}\n{"features": ["Bergen", 2]}'),
    ("application/json", b'[["Oslo", 1], {"city": "Bergen", "distance": 2}]'),
])
def test_rows_as_sagemakers_clients_send_them(served, kind, body):
    server, expected = served
    path = at("/invocations?deployment=delay")
    status, answer, _ = call(server, path, body, content_type=kind)
    assert (status, as_floats(answer)) == (200, {"predictions": expected})
    for accept in "text/csv", "application/jsonlines":
        status, answer, headers = call(server, path, body, content_type=kind,
                                       headers={"Accept": accept})
        assert status == 200 and headers["Content-Type"] == accept
        assert [np.float32(line) for line in answer.split()] == expected


def test_media_types_that_are_not_read_are_refused(served):
    server, expected = served
    path = at("/invocations?deployment=delay")
    body = json.dumps({"instances": ROWS, "parameters": {"k": 1}}).encode()
    for kind in ("application/json; charset=UTF-8", "application/x-www-form-urlencoded"):
        status, answer, _ = call(server, path, body, content_type=kind)
        assert (status, as_floats(answer)) == (200, {"predictions": expected})
    for kind in ("application/vnd.apache.parquet", "unheard_of"):
        status, answer, _ = call(server, path, body, content_type=kind)
        assert status == 415 and kind in answer["error"]
    assert call(server, "/health")[0] == 200


def test_packed_bodies(served):
    server, expected = served
    path = at("/v1/models/delay:predict")
    body = json.dumps({"instances": ROWS}).encode()
    for encoding, packed in ("gzip", gzip.compress(body)), ("deflate", zlib.compress(body)):
        status, answer, _ = call(server, path, packed, headers={"Content-Encoding": encoding})
        assert (status, as_floats(answer)) == (200, {"predictions": expected})
        for broken in packed[:-9], body:
            status, answer, _ = call(server, path, broken, headers={"Content-Encoding": encoding})
            assert status == 400 and f"not whole {encoding}" in answer["error"]
    assert call(server, path, body, headers={"Content-Encoding": "br"})[0] == 415
    bomb = gzip.compress(bytes(65 << 20))
    assert call(server, path, bomb, headers={"Content-Encoding": "gzip"})[0] == 413


def test_a_matrix_in_the_order_of_the_columns(served):
    """As clients of KServe's and MLServer's scikit-learn and XGBoost servers ask."""
    server, _ = served
    import pandas as pd
    import xgboost
    rows = pd.DataFrame({"a": [0.0, 1, 2, 3], "b": [3.0, 2, 0, 1], "c": [1.0, 1, 0, 0]})
    booster = xgboost.train({"max_depth": 2}, xgboost.DMatrix(rows, [0, 1, 2, 3]), 3)
    with tc.open(server.location) as project:
        project.deploy("matrix", project.register_model("matrix", booster))
        expected = [row["prediction"] for row in project.predict(
            "matrix", rows.to_dict("records"))]
    values = rows.to_numpy().tolist()
    for name, data in (("input-0", values), ("predict", rows.to_numpy().ravel().tolist())):
        status, answer, _ = call(server, "/v2/models/matrix/infer", {"inputs": [
            {"name": name, "shape": [4, 3], "datatype": "FP32", "data": data}]})
        assert status == 200, answer
        assert np.array(answer["outputs"][0]["data"], np.float32).tolist() == expected
    # Triton's raw binary request: nothing but the values.
    with urllib.request.urlopen(urllib.request.Request(
            f"{server.url}/v2/models/matrix/infer", rows.to_numpy(np.float32).tobytes(),
            {"Inference-Header-Content-Length": "0"}), timeout=60) as answer:
        values_at = int(answer.headers["Inference-Header-Content-Length"])
        assert np.frombuffer(answer.read()[values_at:], np.float32).tolist() == expected
    for frame in {"columns": [0, 1, 2], "data": values}, {"data": values}:  # as pandas numbers them
        status, answer, _ = call(server, "/invocations?deployment=matrix",
                                 {"dataframe_split": frame})
        assert (status, as_floats(answer)) == (200, {"predictions": expected})
    # NumPy's arrays, as SageMaker's clients send them: also those of a frame, in Fortran's order.
    fortran = np.asfortranarray(rows.to_numpy(np.float32))
    for array, rows_of_it in (rows.to_numpy(), 4), (fortran, 4), (rows.to_numpy(np.int64)[0], 1):
        sent = io.BytesIO()
        np.save(sent, array)
        with urllib.request.urlopen(urllib.request.Request(
                f"{server.url}/invocations?deployment=matrix", sent.getvalue(),
                {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}),
                timeout=60) as answer:
            got = np.load(io.BytesIO(answer.read()))
        assert got.dtype == np.float32 and got.tolist() == expected[:rows_of_it]
    for form in "instances", "inputs":
        status, answer, _ = call(server, "/v1/models/matrix:predict", {form: values})
        assert (status, as_floats(answer)) == (200, {"predictions": expected})
    status, answer, _ = call(server, "/v2/models/matrix/infer", {"inputs": [
        {"name": "input-0", "shape": [4, 2], "datatype": "FP32", "data": [[1, 2]] * 4}]})
    assert status == 400 and "no input 'input-0'" in answer["error"]
    assert call(server, "/api/v1/deployments/matrix", method="DELETE")[0] == 200


def test_kserve_v1(served):
    server, expected = served
    assert call(server, "/v1/models")[1] == {"models": ["delay"]}
    assert call(server, "/v1/models/delay")[1] == {"name": "delay", "ready": True}
    status, answer, _ = call(server, at("/v1/models/delay:predict"), {"instances": ROWS})
    assert (status, as_floats(answer)) == (200, {"predictions": expected})
    status, answer, _ = call(server, "/v1/models/delya:predict", {"instances": ROWS})
    assert status == 404 and "delya" in answer["error"]
    assert call(server, "/v1/models/delay:predict", {})[0] == 400
    # Nor is a column that is not known a thing that is not there.
    wrong = {"instances": [{**OSLO, "distnce": 1.0}]}
    for path in "/v1/models/delay:predict", "/invocations":
        status, answer, _ = call(server, path, wrong)
        assert status == 400 and "did you mean 'distance'" in answer["error"]


def test_metadata_config_and_statistics(served):
    server, _ = served
    assert set(call(server, "/v2")[1]["extensions"]) == {
        "binary_tensor_data", "model_configuration", "model_repository", "statistics"}
    config = call(server, "/v2/models/delay/config")[1]
    inputs = {one["name"]: one for one in config["input"]}
    assert inputs["city"]["data_type"] == "TYPE_STRING" and inputs["city"]["dims"] == [1]
    # As the metadata has them: perf_analyzer refuses a model otherwise.
    metadata = call(server, "/v2/models/delay")[1]
    assert list(inputs) == [one["name"] for one in metadata["inputs"]]
    assert config["max_batch_size"] > 0
    assert config["output"][0]["data_type"].startswith("TYPE_FP")
    before = call(server, "/v2/models/delay/stats")[1]["model_stats"][0]
    call(server, "/api/v1/deployments/delay/predict", {"entities": ROWS})
    after = call(server, "/v2/models/delay/versions/1/stats")[1]["model_stats"][0]
    assert after["inference_count"] == before["inference_count"] + 2
    assert after["execution_count"] == before["execution_count"] + 1
    success = after["inference_stats"]["success"]
    assert success["count"] == after["execution_count"] and success["ns"] > 0
    assert call(server, "/v2/models/delay/versions/9/stats")[0] == 404


def test_load_and_unload(served):
    server, _ = served
    assert call(server, "/v2/repository/models/delay/unload", {})[0] == 200
    try:
        assert call(server, "/v2/models/delay/ready")[0] == 404
        assert call(server, "/v2/repository/index", {})[1][0]["state"] == "UNAVAILABLE"
        assert call(server, "/v2/repository/index", {"ready": True})[1] == []
        status, answer, _ = call(server, "/v2/models/delay/infer", {"inputs": [
            {"name": "city", "datatype": "BYTES", "shape": [1], "data": ["Oslo"]}]})
        assert status == 404 and "unloaded" in answer["error"]
    finally:
        assert call(server, "/v2/repository/models/delay/load", {})[0] == 200
    assert call(server, "/v2/models/delay/ready")[0] == 200
    # Triton's own examples look for how these begin.
    for path, says in (("/v2/repository/models/delya/load", "failed to load 'delya': "),
                       ("/v2/models/delya/infer", "Request for unknown model: ")):
        body = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1]}]}
        status, answer, _ = call(server, path, body)
        assert status == 404 and answer["error"].startswith(says)
    status, answer, _ = call(server, "/v2/repository/models/delay/load",
                             {"parameters": {"config": "{}"}})
    assert status == 501 and "failed to load 'delay'" in answer["error"]


def test_schemas_describe_what_is_answered(served):
    server, _ = served
    schema = call(server, "/v2/models/delay/schema.json")[1]
    assert schema["required"] == ["city", "distance"]
    assert "rain" in schema["properties"] and schema["additionalProperties"] is False
    document = call(server, "/v2/models/delay/openapi.json")[1]
    assert document["openapi"].startswith("3.1")
    path = next(path for path in document["paths"] if path.startswith("/api"))
    status, answer, _ = call(server, path, {"entities": OSLO})
    assert status == 200
    promised = document["components"]["schemas"]["PredictAnswer"]["required"]
    assert set(promised) <= set(answer)
    for reference in references(document):
        assert reference.split("/")[-1] in document["components"]["schemas"], reference


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_metrics_have_the_names_that_dashboards_know(served):
    server, _ = served
    call(server, "/api/v1/deployments/delay/predict", {"entities": OSLO})
    call(server, "/api/v1/deployments/delay/predict", {"entities": {"city": 5}})
    text = call(server, "/metrics")[1]
    values = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert name not in values, f"{name} is there twice"
            values[name] = float(value)
    assert values['nv_inference_request_success{model="delay",version="1"}'] > 0
    for name in ("nv_inference_count", "nv_inference_exec_count",
                 "nv_inference_request_duration_us", "nv_inference_queue_duration_us",
                 "nv_inference_compute_input_duration_us",
                 "nv_inference_compute_infer_duration_us",
                 "nv_inference_compute_output_duration_us"):
        assert f'{name}{{model="delay",version="1"}}' in values
    assert values['nv_inference_pending_request_count{model="delay"}'] == 0
    assert values['request_predict_seconds_count{model_name="delay"}'] > 0
    for stage in ("queue", "lookup", "on_demand", "transform", "model"):
        name = "tercet_inference_stage_seconds_count"
        assert values[f'{name}{{deployment="delay",release="1",stage="{stage}"}}'] > 0
