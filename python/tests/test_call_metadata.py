"""What gRPC and Flight calls bring beside their messages: a trace and a request's name."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pyarrow.flight
import pytest
from local_server import Server
from serving import models
from trace_collector import TraceCollector

import tercet as tc

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def field(number: int, value: bytes) -> bytes:
    """A member of a protobuf message, of at most 127 bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


def tensor(name: bytes, datatype: bytes, contents: bytes) -> bytes:
    """An input of one value, in a request to infer."""
    return field(5, field(1, name) + field(2, datatype) + field(3, b"\x01") + field(5, contents))


def request(model: bytes, id: bytes = b"") -> bytes:
    """To infer, without a client's classes, of which there may be one set in a process."""
    return (field(1, model) + field(3, id) + tensor(b"city", b"BYTES", field(8, b"Oslo"))
            + tensor(b"distance", b"FP64", field(7, struct.pack("<d", 1.0))))


def infer(server, model: bytes, metadata: list[tuple[str, str]], id: bytes = b"") -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        ask(request(model, id), metadata=metadata, timeout=120)


def infer_stream(server, requests: list[bytes], metadata: list[tuple[str, str]]) -> list[bytes]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        ask = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        return list(ask(iter(requests), metadata=metadata, timeout=120))


@contextmanager
def traced(path: Path) -> Iterator[tuple[Server, TraceCollector, tc.Project, tc.Deployment]]:
    """A server that tells a collector, and its deployment "delay", which logs all requests."""
    with TraceCollector() as collector:
        server = Server(path, *collector.arguments)
        try:
            with tc.open(server.location) as project:
                deployment = project.deploy("delay", models(project, 1)[0])
                yield server, collector, project, deployment.configure(log_percent=100)
        finally:
            server.stop()


def logged_ids(project: tc.Project, deployment: tc.Deployment) -> list[str]:
    deployment.flush_log()
    return list(project.feature_group("delay_predictions").read().to_pandas()["request_id"])


def test_traces_and_request_ids_come_with_grpc_and_flight(tmp_path):
    sampled = ("traceparent", f"00-{TRACE}-{PARENT}-01")
    with traced(tmp_path / "p") as (server, collector, project, deployment):
        infer(server, b"delay", [sampled, ("x-request-id", "mine")])
        infer(server, b"delay", [("x-request-id", "not this")], id=b"own")
        with pytest.raises(grpc.RpcError) as refused:
            infer(server, b"delya", [sampled])
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND
        headers = [(name.encode(), value.encode()) for name, value in [sampled]]
        with pyarrow.flight.connect(f"grpc://127.0.0.1:{server.flight}") as client:
            client.do_get(pyarrow.flight.Ticket(b'{"verb": "read", "group": "weather@1"}'),
                          pyarrow.flight.FlightCallOptions(headers=headers)).read_all()
        collector.until_sent(8)
        assert sorted(logged_ids(project, deployment)) == ["mine", "own"]
    assert len(collector.spans) == 8, collector.names()
    assert all(span["traceId"] == TRACE for span in collector.spans)
    calls = [span for span in collector.spans if span["parentSpanId"] == PARENT]
    told = {(span["name"], one["value"]["intValue"]) for span in calls
            for one in span["attributes"] if one["key"] == "rpc.grpc.status_code"}
    assert told == {("inference.GRPCInferenceService/ModelInfer", "0"),
                    ("inference.GRPCInferenceService/ModelInfer", "5"),
                    ("arrow.flight.protocol.FlightService/DoGet", "0")}
    inferred = next(span for span in calls if any(
        one["key"] == "tercet.deployment" for one in span["attributes"]))
    stages = [span["name"] for span in collector.spans
              if span["parentSpanId"] == inferred["spanId"]]
    assert stages == ["queue", "lookup", "on_demand", "transform", "model"]


def test_each_message_of_a_stream_is_a_request(tmp_path):
    with traced(tmp_path / "p") as (server, collector, project, deployment):
        answers = infer_stream(
            server,
            [request(b"delay"), request(b"delay", b"own"), request(b"delya"), request(b"delay")],
            [("traceparent", f"00-{TRACE}-{PARENT}-01"), ("x-request-id", "stream")])
        assert len(answers) == 4
        assert [b"delya" in answer for answer in answers] == [False, False, True, False]
        infer_stream(server, [request(b"delay")], [])
        collector.until_sent(4 + 3 * 5)
        log = logged_ids(project, deployment)
    # The last stream said nothing: its request has an id that we made.
    assert len(log) == 4 and {"stream", "own", "stream.4"} < set(log), log
    calls = [span for span in collector.spans if span["parentSpanId"] == PARENT]
    assert {span["name"] for span in calls} == {"inference.GRPCInferenceService/ModelStreamInfer"}
    told = [one["value"]["intValue"] for span in calls for one in span["attributes"]
            if one["key"] == "rpc.grpc.status_code"]
    assert sorted(told) == ["0", "0", "0", "5"]
    assert len(collector.spans) == 4 + 3 * 5, collector.names()
