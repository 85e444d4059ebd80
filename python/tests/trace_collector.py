"""A collector of OpenTelemetry's, to which a server under test sends its spans."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local_server import until


class TraceCollector:
    """Takes what comes by OTLP over HTTP in JSON, in a `with` statement."""

    def __init__(self) -> None:
        spans: list[dict] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                read = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for resource in read["resourceSpans"]:
                    assert resource["resource"]["attributes"][0]["key"] == "service.name"
                    for scope in resource["scopeSpans"]:
                        spans.extend(scope["spans"])
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_) -> None:
                pass

        #: What has come until now.
        self.spans = spans
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        #: For `tercet serve`: only what the caller samples is traced.
        self.arguments = ["--traces", f"http://127.0.0.1:{self._server.server_port}/v1/traces",
                          "--trace-percent", "0"]

    def __enter__(self) -> TraceCollector:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()

    def until_sent(self, count: int) -> None:
        """Waits for so many spans."""
        until(lambda: len(self.spans) >= count)

    def names(self) -> list[str]:
        return [span["name"] for span in self.spans]
