"""What gRPC and Flight calls bring beside their messages: a trace and a request's name."""

import json
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pyarrow.flight
from local_server import SECONDS_TO_WAIT, Server
from serving import models

import tercet as tc

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(BaseHTTPRequestHandler):
    spans: list = []

    def do_POST(self):
        read = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in read["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                Collector.spans += scope["spans"]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


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


def test_traces_and_request_ids_come_with_grpc_and_flight(tmp_path):
    Collector.spans = []
    collector = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    server = Server(tmp_path / "p", "--traces",
                    f"http://127.0.0.1:{collector.server_port}/v1/traces", "--trace-percent", "0")
    traced = ("traceparent", f"00-{TRACE}-{PARENT}-01")
    try:
        with tc.open(server.location) as project:
            deployment = project.deploy("delay", models(project, 1)[0])
            deployment.configure(log_percent=100)
            infer(server, b"delay", [traced, ("x-request-id", "mine")])
            infer(server, b"delay", [("x-request-id", "not this")], id=b"own")
            try:
                infer(server, b"delya", [traced])
            except grpc.RpcError as refused:
                assert refused.code() == grpc.StatusCode.NOT_FOUND
            headers = [(name.encode(), value.encode()) for name, value in [traced]]
            with pyarrow.flight.connect(f"grpc://127.0.0.1:{server.flight}") as client:
                client.do_get(pyarrow.flight.Ticket(b'{"verb": "read", "group": "weather@1"}'),
                              pyarrow.flight.FlightCallOptions(headers=headers)).read_all()
            deadline = time.monotonic() + SECONDS_TO_WAIT
            while len(Collector.spans) < 8 and time.monotonic() < deadline:
                time.sleep(0.05)
            deployment.flush_log()
            log = project.feature_group("delay_predictions").read().to_pandas()["request_id"]
            assert sorted(log) == ["mine", "own"]
    finally:
        server.stop()
        collector.shutdown()
        collector.server_close()
    assert len(Collector.spans) == 8, [span["name"] for span in Collector.spans]
    assert all(span["traceId"] == TRACE for span in Collector.spans)
    calls = [span for span in Collector.spans if span["parentSpanId"] == PARENT]
    told = {(span["name"], one["value"]["intValue"]) for span in calls
            for one in span["attributes"] if one["key"] == "rpc.grpc.status_code"}
    assert told == {("inference.GRPCInferenceService/ModelInfer", "0"),
                    ("inference.GRPCInferenceService/ModelInfer", "5"),
                    ("arrow.flight.protocol.FlightService/DoGet", "0")}
    inferred = next(span for span in calls if any(
        one["key"] == "tercet.deployment" for one in span["attributes"]))
    stages = [span["name"] for span in Collector.spans
              if span["parentSpanId"] == inferred["spanId"]]
    assert stages == ["queue", "lookup", "on_demand", "transform", "model"]


def test_each_message_of_a_stream_is_a_request(tmp_path):
    Collector.spans = []
    collector = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    server = Server(tmp_path / "p", "--traces",
                    f"http://127.0.0.1:{collector.server_port}/v1/traces", "--trace-percent", "0")
    try:
        with tc.open(server.location) as project:
            deployment = project.deploy("delay", models(project, 1)[0])
            deployment.configure(log_percent=100)
            answers = infer_stream(
                server,
                [request(b"delay"), request(b"delay", b"own"), request(b"delya"),
                 request(b"delay")],
                [("traceparent", f"00-{TRACE}-{PARENT}-01"), ("x-request-id", "stream")])
            assert len(answers) == 4
            assert [b"delya" in answer for answer in answers] == [False, False, True, False]
            infer_stream(server, [request(b"delay")], [])
            deadline = time.monotonic() + SECONDS_TO_WAIT
            while len(Collector.spans) < 4 + 3 * 5 and time.monotonic() < deadline:
                time.sleep(0.05)
            deployment.flush_log()
            log = list(project.feature_group("delay_predictions").read().to_pandas()["request_id"])
    finally:
        server.stop()
        collector.shutdown()
        collector.server_close()
    # The last stream said nothing: its request has an id that we made.
    assert len(log) == 4 and {"stream", "own", "stream.4"} < set(log), log
    calls = [span for span in Collector.spans if span["parentSpanId"] == PARENT]
    assert {span["name"] for span in calls} == {"inference.GRPCInferenceService/ModelStreamInfer"}
    told = [one["value"]["intValue"] for span in calls for one in span["attributes"]
            if one["key"] == "rpc.grpc.status_code"]
    assert sorted(told) == ["0", "0", "0", "5"]
    assert len(Collector.spans) == 4 + 3 * 5, [span["name"] for span in Collector.spans]
