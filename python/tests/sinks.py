"""Servers that take predictions, started by tests and stopped at will."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from local_server import free_port, until

ROOT = Path(__file__).resolve().parents[2]


class Postgres:
    """A PostgreSQL on a port, with TLS, since libpq asks for that over TCP."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        assert found, "initdb is not there; it is of Debian's package postgresql"
        self._programs = found[-1].parent
        self.home = Path(tempfile.mkdtemp(prefix="tercet-pg-"))
        # PostgreSQL refuses to run as root.
        owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self._as_owner = owner if os.geteuid() == 0 else []
        if self._as_owner:
            shutil.chown(self.home, "postgres", "postgres")
        self.port = free_port()
        self._run(self._programs / "initdb", "-D", self.home / "data", "-A", "trust", "-U",
                  "tester", "--no-sync")
        self._run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                  "/CN=localhost", "-keyout", self.home / "data/server.key", "-out",
                  self.home / "data/server.crt")
        self.connection = f"host=127.0.0.1 port={self.port} user=tester dbname=postgres"
        self.start()

    def _run(self, *words) -> None:
        subprocess.run([*self._as_owner, *words], check=True, cwd=self.home,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env={**os.environ, "HOME": str(self.home)})

    def start(self) -> None:
        self._run(self._programs / "pg_ctl", "-D", self.home / "data", "-l", self.home / "log",
                  "-w", "-o", f"-p {self.port} -c listen_addresses=127.0.0.1 -c ssl=on "
                  f"-c fsync=off -c unix_socket_directories={self.home}", "start")

    def stop(self) -> None:
        self._run(self._programs / "pg_ctl", "-D", self.home / "data", "-m", "immediate", "stop")

    def ask(self, query: str) -> list[str]:
        done = subprocess.run(["psql", "-qAt", "-d", self.connection, "-c", query], check=True,
                              capture_output=True, text=True)
        return done.stdout.splitlines()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.home)


class Kafka:
    """A broker of Kafka's that is its own controller. Clients may come by TLS, too, as user
    "tercet" with a password: `secure`, with `settings` for librdkafka."""

    def __init__(self, folder: Path):
        subprocess.run([sys.executable, ROOT / "tools/setup.py", "kafka"], check=True)
        self._folder = folder
        folder.mkdir()
        self.port, controller, secure = free_port(), free_port(), free_port()
        self.brokers = f"127.0.0.1:{self.port}"
        self.secure = f"127.0.0.1:{secure}"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=kafka", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                        folder / "key.pem", "-out", folder / "certificate.pem"], check=True,
                       stderr=subprocess.DEVNULL)
        (folder / "keys.pem").write_text((folder / "key.pem").read_text() +
                                         (folder / "certificate.pem").read_text())
        self.settings = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN",
                         "sasl.username": "tercet", "sasl.password": "kafka=secret",
                         "ssl.ca.location": str(folder / "certificate.pem")}
        (folder / "server.properties").write_text("\n".join([
            "process.roles=broker,controller", "node.id=1",
            f"controller.quorum.voters=1@127.0.0.1:{controller}",
            f"listeners=PLAINTEXT://{self.brokers},CONTROLLER://127.0.0.1:{controller},"
            f"SECURE://{self.secure}",
            f"advertised.listeners=PLAINTEXT://{self.brokers},SECURE://{self.secure}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
            "SECURE:SASL_SSL",
            "listener.name.secure.sasl.enabled.mechanisms=PLAIN",
            "listener.name.secure.plain.sasl.jaas.config="
            "org.apache.kafka.common.security.plain.PlainLoginModule required "
            'user_tercet="kafka=secret";',
            "listener.name.secure.ssl.keystore.type=PEM",
            f"listener.name.secure.ssl.keystore.location={folder / 'keys.pem'}",
            "controller.listener.names=CONTROLLER", f"log.dirs={folder / 'data'}",
            "offsets.topic.replication.factor=1", "num.partitions=2",
            "auto.create.topics.enable=true"]) + "\n")
        self._java("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAQACAAAAAAAAAAQ", "-c",
                   folder / "server.properties").wait(60)
        self.start()

    def _java(self, *words) -> subprocess.Popen:
        with open(self._folder / "log", "a") as log:
            return subprocess.Popen(
                ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp",
                 str(ROOT / ".deps/kafka/jars") + "/*", *map(str, words)], stdout=log, stderr=log,
                cwd=self._folder)

    def start(self) -> None:
        self._process = self._java("kafka.Kafka", self._folder / "server.properties")

        def ready() -> bool:
            assert self._process.poll() is None, (self._folder / "log").read_text()[-3000:]
            return subprocess.run(["kcat", "-b", self.brokers, "-L", "-m", "1"],
                                  capture_output=True).returncode == 0

        until(ready)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def messages(self, topic: str) -> list[tuple[str, dict]]:
        """Key and value of each message there is, read by another client."""
        done = subprocess.run(["kcat", "-C", "-e", "-q", "-b", self.brokers, "-t", topic, "-J"],
                              check=True, capture_output=True, text=True)
        read = [json.loads(line) for line in done.stdout.splitlines()]
        return [(one["key"], json.loads(one["payload"])) for one in read]
