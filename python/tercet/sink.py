"""Sinks: where the rows of a prediction log go besides (`Deployment.configure(sinks=…)`)."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Sink:
    """A place outside of Tercet that gets predictions. Made by the functions of this module."""

    kind: str
    location: str
    target: str = ""
    format: str = ""
    file_mb: int = 0
    file_seconds: int = 0

    def to_json(self) -> dict[str, str | int]:
        """The sink as a deployment's policy has it."""
        more: dict[str, str | int] = {
            "target": self.target, "format": self.format, "file_mb": self.file_mb,
            "file_seconds": self.file_seconds}
        return {"kind": self.kind, "location": self.location,
                **{name: value for name, value in more.items() if value}}


def file(folder: str | os.PathLike[str], *, format: str = "", file_mb: int = 0,
         file_seconds: int = 0) -> Sink:
    """Files in a folder, each begun when the one before has about `file_mb` (64) or is
    `file_seconds` old.

    JSON lines: <deployment>-000001.jsonl and so on, which grow. `format="parquet"`: files that are
    whole when they get their name, <deployment>-<time>-<id>.parquet; rows are in one after a minute
    (`file_seconds`), when 64 MB wait, and at `flush_log`. What waits for that is in a hidden file,
    on the disk: of a process that was killed, it becomes a file when the next one writes."""
    return Sink("file", os.path.abspath(os.fspath(folder)), format=format, file_mb=file_mb,
                file_seconds=file_seconds)


def postgres(connection: str, table: str) -> Sink:
    """A table of PostgreSQL, made when it is not there; `connection` as libpq takes it ("host=db
    dbname=audit user=tercet"). The password is in PGPASSWORD or ~/.pgpass of whoever serves, never
    here. A row that is written again is kept once. Needs libpq."""
    return Sink("postgres", connection, table)


def kafka(brokers: str, topic: str) -> Sink:
    """A topic of Kafka, a message a row, keyed by the entity; `brokers` as "one:9092,two:9092". A
    row may come twice after a failure. Needs librdkafka."""
    return Sink("kafka", brokers, topic)
