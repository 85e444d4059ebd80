"""Clients of Arrow Flight that know nothing of Tercet find what there is, and read it."""

import pyarrow.flight as flight
import pytest
from frames import weather
from local_server import Server

import tercet as tc


def test_groups_are_found_and_read(tmp_path):
    server = Server(tmp_path / "project")
    try:
        with tc.open(server.location) as project:
            group = project.feature_group("weather", version=1, primary_key=["city"],
                                          event_time="hour")
            group.insert(weather())
            rows = group.read().to_arrow()
        with flight.connect(f"grpc://127.0.0.1:{server.flight}") as client:
            (listed,) = client.list_flights()
            assert listed.descriptor.path == [b"weather@1"]
            sql = flight.FlightDescriptor.for_command(
                b'{"verb": "sql", "query": "SELECT city, rain FROM weather"}')
            for descriptor in listed.descriptor, sql:
                info = client.get_flight_info(descriptor)
                read = client.do_get(info.endpoints[0].ticket).read_all()
                assert read.schema.equals(info.schema)
                assert client.get_schema(descriptor).schema == info.schema
                assert read.num_rows == rows.num_rows
            with pytest.raises(KeyError, match="weathr"):
                client.get_flight_info(flight.FlightDescriptor.for_path("weathr@1"))
            for unknown in (flight.FlightDescriptor.for_path("weather@1", "x"),
                            flight.FlightDescriptor.for_command(b"{")):
                with pytest.raises((flight.FlightError, ValueError)):
                    client.get_flight_info(unknown)
    finally:
        server.stop()


def test_a_query_ends_with_its_client(tmp_path):
    """A server runs four queries at once; those whose clients went away make room for others."""
    endless = b'{"verb": "sql", "query": "SELECT sum(a.range) FROM range(1000000000000) a"}'
    server = Server(tmp_path / "project")
    try:
        with flight.connect(f"grpc://127.0.0.1:{server.flight}") as client:
            for _ in range(5):
                with pytest.raises(flight.FlightTimedOutError):
                    client.do_get(flight.Ticket(endless),
                                  flight.FlightCallOptions(timeout=0.5)).read_all()
            answer = client.do_get(flight.Ticket(b'{"verb": "sql", "query": "SELECT 1 AS one"}'))
            assert answer.read_all().to_pylist() == [{"one": 1}]
    finally:
        server.stop()
