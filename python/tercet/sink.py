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

    def to_json(self) -> dict[str, str]:
        """The sink as a deployment's policy has it."""
        record = {"kind": self.kind, "location": self.location}
        return {**record, "target": self.target} if self.target else record


def file(folder: str | os.PathLike) -> Sink:
    """JSON lines in a folder: <deployment>-000001.jsonl and so on, of about 64 MB each."""
    return Sink("file", os.path.abspath(os.fspath(folder)))


def postgres(connection: str, table: str) -> Sink:
    """A table of PostgreSQL, made when it is not there; `connection` as libpq takes it ("host=db
    dbname=audit user=tercet"). The password is in PGPASSWORD or ~/.pgpass of whoever serves, never
    here. A row that is written again is kept once. Needs libpq."""
    return Sink("postgres", connection, table)


def kafka(brokers: str, topic: str) -> Sink:
    """A topic of Kafka, a message a row, keyed by the entity; `brokers` as "one:9092,two:9092". A
    row may come twice after a failure. Needs librdkafka."""
    return Sink("kafka", brokers, topic)
