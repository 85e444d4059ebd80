"""Bad input, hostile and broken clients: a clear answer, and a server that lives on."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONNECTIONS = 10_000


def test_schemathesis(server, tmp_path):
    """Requests made from the OpenAPI document, valid and not: none is answered with a server
    error, or by something else than the document says."""
    subprocess.run([sys.executable, ROOT / "tools/setup.py", "venv-schemathesis"], check=True)
    done = subprocess.run(
        [ROOT / ".deps/venv-schemathesis/bin/schemathesis", "--config-file",
         Path(__file__).with_name("schemathesis.toml"), "run", ROOT / "api/openapi.yaml",
         "--url", server.url, "--max-examples", "8", "--generation-deterministic",
         "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all",
         "--exclude-method", "DELETE", "--checks",
         "not_a_server_error,response_schema_conformance,content_type_conformance"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-20000:]
    assert server.process.poll() is None


def nested(depth: int) -> str:
    return '{"instances": ' + "[" * depth + "]" * depth + "}"


@pytest.mark.parametrize("body, word", [
    ('{"instances": [{"city": "Oslo", "distance": "far"}]}', "distance"),
    ('{"instances": [{"city": 7, "distance": 4.0}]}', "city"),
    ('{"instances": [{"city": "Oslo", "distance": [1, 2]}]}', "distance"),
    ('{"instances": [{"distance": 4.0}]}', "city"),
    ('{"instances": {"city": "Oslo"}}', "instances"),
    ('{"instances": [', "JSON"),
    ('{"instances": [{"city": "Oslo", "distance": 1e999}]}', "overflow"),
    (nested(100_000), "deep"),
    (b"\xff\xfe", "JSON"),
], ids=lambda value: str(value)[:40])
def test_what_does_not_fit_is_named(server, body, word):
    status, answer = server.post("/v1/models/delay:predict", body)
    assert 400 <= status < 500, answer
    assert word.lower() in json.dumps(answer).lower(), answer
    assert server.answers()


def test_entities_that_nobody_knows_are_missing_not_wrong(server):
    status, answer = server.post("/v1/models/delay:predict", json.dumps(
        {"instances": [{"city": "Atlantis", "distance": 4.0}, {"city": "Oslo", "distance": None}]}))
    assert status == 200 and len(answer["predictions"]) == 2


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_has_not_are_texts(server, number):
    status, answer = server.post("/v1/models/delay:predict", json.dumps(
        {"instances": [{"city": "Oslo", "distance": number}]}))
    assert status == 200, answer
    status, answer = server.post("/v1/models/delay:predict",
                                 '{"instances": [{"city": "Oslo", "distance": %s}]}' % number)
    assert 400 <= status < 500, answer


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server):
    with socket.create_connection(("127.0.0.1", server.http), timeout=60) as client:
        client.sendall(b"POST /v1/models/delay:predict HTTP/1.1\r\nHost: localhost\r\n"
                       b"Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n")
        assert b" 413 " in client.recv(4096)
    assert server.answers()


def test_clients_that_say_half_of_it_and_go(server):
    """Connections that are reset in the middle of each part of a request."""
    request = (b"POST /v1/models/delay:predict HTTP/1.1\r\nHost: localhost\r\n"
               b"Content-Length: 60\r\n\r\n"
               b'{"instances": [{"city": "Oslo"')
    for cut in range(1, len(request), 7):
        client = socket.create_connection(("127.0.0.1", server.http), timeout=60)
        client.sendall(request[:cut])
        # Reset, not closed.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    assert server.answers()


def test_ten_thousand_connections(server):
    """Idle ones cost little, and one more client is answered as ever."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTIONS + 2000:
        pytest.fail(f"this machine allows {hard} open files; the test needs {CONNECTIONS + 2000}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before, clients = server.megabytes(), []
    try:
        for _ in range(CONNECTIONS):
            clients.append(socket.create_connection(("127.0.0.1", server.http), timeout=60))
        for client in clients[::100]:  # each of them may ask
            client.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        assert server.answers()
        assert server.megabytes() - before < 400
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert server.answers()
