"""Starts `tercet serve` in a container, or asks the one that runs there whether it is ready.

    start.py [ARGUMENT…]     serves; arguments go on to `tercet serve`
    start.py --ready         exits with 0 when the server is ready: the probe of the manifests

Where it listens is what the platform says: Seldon (PREDICTIVE_UNIT_HTTP_SERVICE_PORT and …_GRPC_…),
Knative and so KServe (PORT), SageMaker (SAGEMAKER_BIND_TO_PORT); else 8080, and 9000 for gRPC.
TERCET_PROJECT is the project's directory or bucket, /srv/project by default. With a token, in the
file TERCET_TOKEN_FILE, other machines may come in; without, only what runs in the same pod.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

TOKEN_FILE = os.environ.get("TERCET_TOKEN_FILE", "/etc/tercet/token")


def port(default: int, *names: str) -> int:
    return int(next((os.environ[name] for name in names if os.environ.get(name)), default))


def http_port() -> int:
    return port(8080, "TERCET_HTTP_PORT", "PREDICTIVE_UNIT_HTTP_SERVICE_PORT", "PORT",
                "SAGEMAKER_BIND_TO_PORT")


def ready() -> int:
    headers = {}
    if os.path.exists(TOKEN_FILE):
        with open(TOKEN_FILE) as file:
            headers["Authorization"] = "Bearer " + file.readline().strip()
    request = urllib.request.Request(f"http://127.0.0.1:{http_port()}/v2/health/ready",
                                     headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5):
            return 0
    except OSError as error:
        print(f"start.py: not ready: {error}", file=sys.stderr)
        return 1


def main() -> int:
    if sys.argv[1:] == ["--ready"]:
        return ready()
    token = ["--token-file", TOKEN_FILE] if os.path.exists(TOKEN_FILE) else []
    host = "0.0.0.0" if token else "127.0.0.1"
    grpc = port(9000, "TERCET_GRPC_PORT", "PREDICTIVE_UNIT_GRPC_SERVICE_PORT")
    flight = port(8081, "TERCET_FLIGHT_PORT")
    if not token:
        print(f"start.py: no token in {TOKEN_FILE}, so only this pod is served", file=sys.stderr)
    command = ["tercet", "serve", os.environ.get("TERCET_PROJECT", "/srv/project"),
               "--http", f"{host}:{http_port()}", "--grpc", f"{host}:{grpc}",
               "--flight", f"{host}:{flight}", *token, *sys.argv[1:]]
    # It would be read by `tercet` as well, whether the file is there or not.
    os.environ.pop("TERCET_TOKEN_FILE", None)
    # In place of this process, so that it gets the platform's SIGTERM and drains.
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main())
