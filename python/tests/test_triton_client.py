"""NVIDIA's unmodified HTTP client asks a deployment, with binary tensors as it sends by default."""

import numpy as np
import pytest
import xgboost
from conftest import Server
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
