"""Vectors as binary tensors over HTTP, beside what Python answers for the same entities."""

from __future__ import annotations

import json
import struct
import urllib.error
import urllib.request

import numpy as np
import pyarrow as pa
import pytest

import tercet as tc
from local_server import Server

PRESENT, MISSING, NULL = 0, 1, 5


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("tensors") / "project")
    try:
        with tc.open(server.location) as project:
            numbers = project.feature_group("numbers", version=1, primary_key=["id"], online=True)
            numbers.insert(pa.table({
                "id": pa.array(range(100), pa.int64()),
                "price": pa.array([i / 2 for i in range(100)], pa.float64()),
                "share": pa.array([None if i == 5 else i for i in range(100)], pa.float32()),
                "count": pa.array([None if i == 6 else i for i in range(100)], pa.int32()),
                "open": pa.array([i % 2 == 0 for i in range(100)], pa.bool_())}),
                wait_online=True)
            wide = project.feature_group("wide", version=1, primary_key=["id"], online=True)
            wide.insert(pa.table({"id": [1], **{f"c{i}": [i] for i in range(40)}}),
                        wait_online=True)
            project.feature_view("wide", version=1,
                                 query=wide.select(*(f"c{i}" for i in range(40))))
            texts = project.feature_group("texts", version=1, primary_key=["code"], online=True)
            texts.insert(pa.table({
                "code": [f"c{i}" for i in range(10)], "rank": range(10),
                "name": [f"name {i}" for i in range(10)],
                "embedding": pa.array([[i, 2.0, 3.0] for i in range(10)],
                                      pa.list_(pa.float32(), 3))}), wait_online=True)
            project.feature_view("numbers", version=1,
                                 query=numbers.select("price", "share", "count", "open"))
            project.feature_view("texts", version=1, query=texts.select("name", "embedding"))
            project.feature_view("ranks", version=1, query=texts.select("rank"))
            yield server
    finally:
        server.stop()


def post(server, view: str, head: dict, binary: bytes, query: str = "") -> tuple[dict, bytes]:
    text = json.dumps(head).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.http}/api/v1/feature-views/{view}/1/vectors{query}",
        data=text + binary, headers={"Content-Type": "application/octet-stream",
                                     "Inference-Header-Content-Length": str(len(text))})
    with urllib.request.urlopen(request) as answer:
        body = answer.read()
        size = int(answer.headers["Inference-Header-Content-Length"])
    return json.loads(body[:size]), body[size:]


def tensors(answer: dict, rest: bytes) -> dict:
    """Name → NumPy array, or a list of bytes."""
    kinds = {"FP64": "<f8", "FP32": "<f4", "INT32": "<i4", "INT64": "<i8", "UINT8": "u1",
             "BOOL": "?"}
    found = {}
    for output in answer["outputs"]:
        size = output["parameters"]["binary_data_size"]
        data, rest = rest[:size], rest[size:]
        if output["datatype"] == "BYTES":
            found[output["name"]] = []
            while data:
                length = struct.unpack("<I", data[:4])[0]
                found[output["name"]].append(data[4:4 + length])
                data = data[4 + length:]
        else:
            found[output["name"]] = np.frombuffer(data, kinds[output["datatype"]]).reshape(
                output["shape"])
    assert rest == b""
    return found


def of_ids(ids) -> tuple[dict, bytes]:
    data = np.asarray(ids, "<i8").tobytes()
    return {"inputs": [{"name": "id", "datatype": "INT64", "shape": [len(ids)],
                        "parameters": {"binary_data_size": len(data)}}]}, data


def test_all_present(served):
    ids = [3, 99, 3, 0]
    answer, rest = post(served, "numbers", *of_ids(ids))
    assert answer["model_name"] == "numbers" and answer["parameters"] == {"all_present": True}
    found = tensors(answer, rest)
    assert list(found) == ["price", "share", "count", "open"]
    assert found["price"].tolist() == [i / 2 for i in ids]
    assert found["share"].tolist() == ids and found["count"].tolist() == ids
    assert found["open"].tolist() == [i % 2 == 0 for i in ids]


@pytest.mark.parametrize("short", [True, False])
def test_gaps_have_a_status(served, short):
    """By the short way, and with named outputs by the long one: the same answer."""
    head, data = of_ids([4, 5, 6, 1000])
    if not short:
        head["outputs"] = [{"name": name} for name in ("price", "share", "count", "open")]
    answer, rest = post(served, "numbers", head, data)
    assert answer["parameters"] == {"all_present": False}
    found = tensors(answer, rest)
    assert found["price"][:3].tolist() == [2, 2.5, 3] and np.isnan(found["price"][3])
    assert np.isnan(found["share"][[1, 3]]).all()
    assert found["count"].tolist() == [4, 5, 0, 0]
    assert found["open"].tolist() == [True, False, True, False]
    assert list(found)[-1] == "$status"
    assert found["$status"].tolist() == [[PRESENT] * 4, [PRESENT, NULL, PRESENT, PRESENT],
                                         [PRESENT, PRESENT, NULL, PRESENT], [MISSING] * 4]


def test_texts_lists_and_chosen_outputs(served):
    codes = [b"c3", b"c9"]
    data = b"".join(struct.pack("<I", len(code)) + code for code in codes)
    head = {"id": "seven", "outputs": [{"name": "embedding"}, {"name": "name"}],
            "inputs": [{"name": "code", "datatype": "BYTES", "shape": [2],
                        "parameters": {"binary_data_size": len(data)}}]}
    answer, rest = post(served, "texts", head, data)
    assert answer["id"] == "seven"
    found = tensors(answer, rest)
    assert list(found) == ["embedding", "name"]
    assert found["embedding"].tolist() == [[3, 2, 3], [9, 2, 3]]
    assert found["name"] == [b"name 3", b"name 9"]


@pytest.mark.parametrize("short", [True, False])
def test_keys_are_texts(served, short):
    data = b"".join(struct.pack("<I", len(code)) + code for code in (b"c3", b"", b"c9"))
    head = {"inputs": [{"name": "code", "datatype": "BYTES", "shape": [3],
                        "parameters": {"binary_data_size": len(data)}}]}
    if not short:
        head["outputs"] = [{"name": "rank"}]
    found = tensors(*post(served, "ranks", head, data))
    assert found["rank"].tolist() == [3, 0, 9]
    assert found["$status"].tolist() == [[PRESENT], [MISSING], [PRESENT]]
    for bad, message in ((b"\x09\0\0\0c3", "binary data"), (b"\x01\0\0\0\xff", "UTF-8")):
        head["inputs"][0].update(shape=[1], parameters={"binary_data_size": len(bad)})
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(served, "ranks", head, bad)
        assert refused.value.code == 400 and message in refused.value.read().decode()


def test_bad_requests_are_refused(served):
    head, data = of_ids([1, 2])
    cases = [(dict(head, inputs=[dict(head["inputs"][0], shape=[3])]), data, "INT64"),
             (dict(head, inputs=[dict(head["inputs"][0], name="idd")]), data, "did you mean 'id'"),
             (dict(head, inputs=[]), b"", "at least one tensor"),
             (dict(head, outputs=[{"name": "prize"}]), data, "did you mean 'price'"),
             (head, data[:-1], "only 15 are left")]
    for bad, binary, message in cases:
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(served, "numbers", bad, binary)
        assert refused.value.code in (400, 404)
        assert message in refused.value.read().decode()


def test_an_answer_has_a_limit(served):
    ids = np.ones(1_000_000, "<i8")
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(served, "wide", *of_ids(ids))
    assert refused.value.code == 413 and "fewer at once" in refused.value.read().decode()
    found = tensors(*post(served, "wide", *of_ids(ids[:50_000])))
    assert (found["c39"] == 39).all()
