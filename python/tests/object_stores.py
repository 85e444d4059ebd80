"""Object stores that tests start, and a proxy before them that makes trouble."""

from __future__ import annotations

import fcntl
import http.client
import json
import re
import socketserver
import ssl
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path
from typing import Callable

from local_server import free_port, until
from pyarrow import fs

ROOT = Path(__file__).resolve().parents[2]
KEY, SECRET = "test-key", "test-secret"


def options(endpoint: str, **others: str) -> dict[str, str]:
    """As both Tercet and delta-rs understand them."""
    return {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": KEY, "AWS_REGION": "us-east-1",
            "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ALLOW_HTTP": "true", **others}


class Store:
    """A running server of objects."""

    def __init__(self, name: str, command: list[str], port: int, log: Path):
        self.name, self.endpoint = name, f"http://127.0.0.1:{port}"
        self.options = options(self.endpoint)
        with log.open("w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        # Arrow's own client: an oracle for ours.
        self.files = fs.S3FileSystem(
            access_key=KEY, secret_key=SECRET, region="us-east-1", scheme="http",
            endpoint_override=f"127.0.0.1:{port}", allow_bucket_creation=True)

        def ready() -> bool:
            assert self.process.poll() is None, f"{name} ended: {log.read_text()[-2000:]}"
            try:
                self.files.create_dir("ready")
                return True
            except OSError:
                return False

        until(ready)

    def keys(self, folder: str) -> list[str]:
        """All objects below "bucket/prefix"."""
        found = self.files.get_file_info(
            fs.FileSelector(folder, recursive=True, allow_not_found=True))
        return sorted(one.path for one in found if one.type == fs.FileType.File)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def install() -> Path:
    """The environment of the servers, which are no package of ours."""
    with (ROOT / ".deps/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([sys.executable, ROOT / "tools/setup.py", "venv-s3"], check=True)
    return ROOT / ".deps/venv-s3/bin"


def start_moto(folder: Path) -> Store:
    port = free_port()
    return Store("moto", [str(install() / "moto_server"), "-H", "127.0.0.1", "-p", str(port)],
                 port, folder / "moto.log")


def start_seaweedfs(folder: Path) -> Store:
    """This one checks signatures."""
    config = folder / "identities.json"
    config.write_text(json.dumps({"identities": [{
        "name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}))
    data = folder / "seaweedfs"
    data.mkdir()
    ports = {name: free_port() for name in (
        "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
        "filer.port.grpc", "s3.port", "s3.port.grpc")}
    return Store("seaweedfs", [
        str(install() / "weed"), "-logtostderr=true", "server", f"-dir={data}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", "-filer", "-s3", f"-s3.config={config}", "-s3.port.iceberg=0",
        "-s3.port.lance=0", "-master.volumeSizeLimitMB=64", "-master.telemetry=false",
        "-volume.max=40", *(f"-{name}={port}" for name, port in ports.items())],
        ports["s3.port"], folder / "seaweedfs.log")


class Request:
    def __init__(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes):
        self.method, self.path, self.headers, self.body = method, path, headers, body

    @property
    def is_commit(self) -> bool:
        return self.method == "PUT" and bool(re.search(r"/_delta_log/\d{20}\.json$", self.path))

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and "list-type=2" in self.path

    @property
    def is_data(self) -> bool:
        return self.method == "GET" and ".parquet" in self.path and not self.is_list


#: what a fault function may answer:
#:   None           no fault
#:   "503", "429"   the store is busy, nothing is done
#:   "500 after"    it is done, and answered with 500
#:   "reset"        the connection breaks before it is done
#:   "reset after"  it is done, and the connection breaks
#:   "cut"          half of the answer's body comes
#:   "short"        half of it, as if that were all
#:   "stale"        the first answer that there ever was to this request
#:   "hold"         neither done nor answered, ever
Fault = Callable[[Request], "str | None"]


class FaultyProxy:
    """Forwards to a store and makes the trouble that `fault` asks for. Signatures stay valid, for
    the store is told the host that the client asked."""

    def __init__(self, store: Store, fault: Fault, certificate: Path | None = None):
        self.fault = fault
        self.made: list[tuple[str, str]] = []  # (fault, method and path)
        self.seen: list[str] = []
        self._backend = urllib.parse.urlsplit(store.endpoint)
        self._lists: dict[str, tuple[int, list[tuple[str, str]], bytes]] = {}
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while proxy._one(self.rfile, self.wfile):
                    pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address) -> None:
                """Clients that are killed break off; that is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme, host = ("http", "127.0.0.1") if certificate is None else ("https", "localhost")
        self.endpoint = f"{scheme}://{host}:{self._server.server_address[1]}"
        self.options = options(self.endpoint)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "FaultyProxy":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _one(self, source, sink) -> bool:
        """One request; whether the connection is of further use."""
        line = source.readline().decode().split()
        if len(line) < 2:
            return False
        headers = []
        while (text := source.readline().decode().strip()):
            name, value = text.split(":", 1)
            headers.append((name.strip(), value.strip()))
        size = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        request = Request(line[0], line[1], headers, source.read(size))
        self.seen.append(f"{request.method} {request.path}")
        fault = self.fault(request)
        if fault is not None:
            self.made.append((fault, f"{request.method} {request.path}"))
        if fault == "hold":
            threading.Event().wait()
        if fault == "reset":
            return False
        if fault in ("503", "429"):
            return self._answer(sink, int(fault), [], b"<Error><Code>SlowDown</Code></Error>")
        if fault == "stale" and request.path in self._lists:
            return self._answer(sink, *self._lists[request.path])
        status, answer_headers, body = self._forward(request)
        if request.is_list:
            self._lists.setdefault(request.path, (status, answer_headers, body))
        if fault == "reset after":
            return False
        if fault == "500 after":
            return self._answer(sink, 500, [], b"<Error><Code>InternalError</Code></Error>")
        if fault == "cut" and body:
            self._answer(sink, status, answer_headers, body, len(body) // 2)
            return False
        if fault == "short":
            body = body[:len(body) // 2]
        return self._answer(sink, status, answer_headers, body, len(body),
                            request.method == "HEAD")

    def _forward(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self._backend.hostname, self._backend.port)
        connection.putrequest(request.method, request.path, skip_host=True,
                              skip_accept_encoding=True)
        for name, value in request.headers:
            connection.putheader(name, value)
        connection.endheaders(request.body)
        answer = connection.getresponse()
        body = answer.read()
        headers = answer.getheaders()
        connection.close()
        return answer.status, headers, body

    @staticmethod
    def _answer(sink, status: int, headers: list[tuple[str, str]], body: bytes,
                sent: int | None = None, is_head: bool = False) -> bool:
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}"]
        for name, value in headers:
            lower = name.lower()
            if lower not in ("connection", "transfer-encoding", "keep-alive") and (
                    lower != "content-length" or is_head):
                lines.append(f"{name}: {value}")
        if not is_head:
            lines.append(f"Content-Length: {len(body)}")
        sink.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body[:sent])
        sink.flush()
        return True
