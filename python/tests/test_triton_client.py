"""NVIDIA's unmodified HTTP client asks a deployment, with binary tensors as it sends by default."""

import subprocess
import sys

import numpy as np
import pytest
import xgboost
from local_server import Server
from frames import rides, weather

import tercet as tc

tritonclient = pytest.importorskip("tritonclient.http")


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path / "p")
    try:
        with tc.open(server.location) as project:
            group = project.feature_group("weather", version=1, primary_key=["city"],
                                          event_time="hour", online=True)
            group.insert(weather(), wait_online=True)
            left = project.feature_group("rides", version=1, primary_key=["ride"],
                                         event_time="started")
            left.insert(rides())
            view = project.feature_view("delay", version=1, labels=["late"], query=left.select(
                "distance", "late").join(group.select("rain"), on="city"))
            data = view.training_data()
            booster = xgboost.train({"objective": "binary:logistic", "nthread": 1},
                                    xgboost.DMatrix(data.train.X, data.train.y), 5)
            project.deploy("delay", project.register_model("delay", booster, training_data=data))
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("binary", [True, False])
def test_health_metadata_and_infer(server, binary):
    time = weather()["hour"].iloc[-1]
    client = tritonclient.InferenceServerClient(f"127.0.0.1:{server.http}")
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("delay")
    assert "delay" == client.get_model_metadata("delay")["name"]
    city = tritonclient.InferInput("city", [2], "BYTES")
    city.set_data_from_numpy(np.array([b"Oslo", b"Bergen"], dtype=object), binary_data=binary)
    distance = tritonclient.InferInput("distance", [2], "FP64")
    distance.set_data_from_numpy(np.array([1.0, 2.0]), binary_data=binary)
    answer = client.infer("delay", [city, distance], request_id="seven", outputs=[
        tritonclient.InferRequestedOutput("prediction", binary_data=binary)],
        parameters={"event_time": time.isoformat()})
    assert answer.get_response()["id"] == "seven"
    with tc.open(server.location) as project:
        expected = project.predict("delay", [{"city": "Oslo", "distance": 1.0},
                                             {"city": "Bergen", "distance": 2.0}], event_time=time)
    assert answer.as_numpy("prediction").tolist() == [row["prediction"] for row in expected]
    with pytest.raises(tritonclient.InferenceServerException, match="no deployment|delya"):
        client.infer("delya", [city, distance])


GRPC = """
import sys
import grpc
import numpy as np
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException
client = triton.InferenceServerClient(sys.argv[1])
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("delay")
assert not client.is_model_ready("delya")
metadata = client.get_model_metadata("delay")
assert {one.name for one in metadata.inputs} == {"city", "distance"}
assert metadata.versions == ["1"] and list(metadata.inputs[0].shape) == [-1, 1]
assert client.get_server_metadata().name == "tercet"
health = grpc.insecure_channel(sys.argv[1]).unary_unary("/grpc.health.v1.Health/Check")
for service in (b"", b"\\n\\x1einference.GRPCInferenceService"):
    assert health(service) == b"\\x08\\x01"  # SERVING
reflection = grpc.insecure_channel(sys.argv[1]).stream_stream(
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
assert b"inference.GRPCInferenceService" in next(reflection(iter([b":\\x00"])))  # list_services
config = client.get_model_config("delay").config
assert config.backend == "tercet" and {one.name for one in config.input} == {"city", "distance"}

def inputs(count=2):
    city = triton.InferInput("city", [count], "BYTES")
    city.set_data_from_numpy(np.array([b"Oslo", b"Bergen"], dtype=object)[:count])
    distance = triton.InferInput("distance", [count, 1], "FP64")
    distance.set_data_from_numpy(np.array([[1.0], [2.0]])[:count])
    return [city, distance]

parameters = {"event_time": sys.argv[2]}
answer = client.infer("delay", inputs(), request_id="seven", parameters=parameters)
assert answer.get_response().id == "seven"
assert len(answer.get_response().parameters["release_id"].string_param) == 64
predictions = answer.as_numpy("prediction").tolist()
half = triton.InferInput("distance", [1], "FP16")
half.set_data_from_numpy(np.array([1.0], dtype=np.float16))
assert client.infer("delay", [inputs(1)[0], half], parameters=parameters,
                    outputs=[triton.InferRequestedOutput("prediction")]
                    ).as_numpy("prediction").tolist() == predictions[:1]
for wrong, says in (("delya", "NOT_FOUND"), ("delay", "INVALID_ARGUMENT")):
    try:
        client.infer(wrong, inputs()[:1])
        raise AssertionError("answered")
    except InferenceServerException as refused:
        assert says in str(refused.status()), refused
classified = triton.InferRequestedOutput("prediction", class_count=2)
shared = triton.InferRequestedOutput("prediction")
shared.set_shared_memory("region", 8)
twice = triton.InferRequestedOutput("prediction")
for outputs, says in (([classified], "UNIMPLEMENTED"), ([shared], "UNIMPLEMENTED"),
                      ([twice, twice], "INVALID_ARGUMENT")):
    try:
        client.infer("delay", inputs(), outputs=outputs)
        raise AssertionError("answered")
    except InferenceServerException as refused:
        assert says in str(refused.status()), refused
try:
    client.get_inference_statistics("delay", "9")
    raise AssertionError("answered")
except InferenceServerException as refused:
    assert "NOT_FOUND" in str(refused.status()), refused
statistics = client.get_inference_statistics("delay").model_stats[0]
assert statistics.inference_count == 3 and statistics.inference_stats.fail.count == 1
assert [one.name for one in client.get_model_repository_index().models] == ["delay"]
client.unload_model("delay")
assert not client.is_model_ready("delay")
client.load_model("delay")

import queue
answers = queue.Queue()
client.start_stream(lambda result, error: answers.put((result, error)))
for name in ("delay", "delya", "delay"):
    client.async_stream_infer(name, inputs(), parameters=parameters)
streamed = [answers.get(timeout=120) for _ in range(3)]
client.stop_stream()
assert streamed[1][1] is not None and "delya" in str(streamed[1][1])
for result, error in (streamed[0], streamed[2]):
    assert error is None and result.as_numpy("prediction").tolist() == predictions

# The contents that other clients send instead of raw bytes.
message = triton.service_pb2.ModelInferRequest(model_name="delay")
message.parameters["event_time"].string_param = sys.argv[2]
tensor = message.inputs.add(name="city", datatype="BYTES", shape=[1])
tensor.contents.bytes_contents.append(b"Oslo")
tensor = message.inputs.add(name="distance", datatype="INT8", shape=[1])
tensor.contents.int_contents.append(1)
raw = client._client_stub.ModelInfer(message).raw_output_contents[0]
assert np.frombuffer(raw, answer.as_numpy("prediction").dtype).tolist() == predictions[:1]
print(predictions)
"""


def test_grpc(server):
    """In a process of its own: every client of the protocol registers the same messages."""
    pytest.importorskip("grpc")
    time = weather()["hour"].iloc[-1]
    done = subprocess.run([sys.executable, "-c", GRPC, f"127.0.0.1:{server.grpc}",
                           time.isoformat()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with tc.open(server.location) as project:
        expected = project.predict("delay", [{"city": "Oslo", "distance": 1.0},
                                             {"city": "Bergen", "distance": 2.0}], event_time=time)
    assert done.stdout.strip().splitlines()[-1] == str([row["prediction"] for row in expected])
