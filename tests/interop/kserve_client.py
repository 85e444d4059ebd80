"""KServe's unmodified client against a server: kserve_client.py HTTP_PORT GRPC_PORT. Run by
test_inference_clients.py with venv-kserve's Python, in a process of its own, since every client of
the protocol registers the same messages. Prints the answers of each way as JSON."""

from __future__ import annotations

import asyncio
import json
import sys

import grpc
import httpx
import numpy as np
from kserve import (InferenceGRPCClient, InferenceRESTClient, InferInput, InferOutput,
                    InferRequest, RESTConfig)
from kserve.protocol.infer_type import RequestedOutput

CITIES, DISTANCES = ["Oslo", "Bergen"], [3.5, 2.0]


def inputs(binary: bool) -> list[InferInput]:
    city = InferInput("city", [2], "BYTES")
    city.set_data_from_numpy(np.array([one.encode() for one in CITIES], dtype=object),
                             binary_data=binary)
    distance = InferInput("distance", [2, 1], "FP64")
    distance.set_data_from_numpy(np.array(DISTANCES).reshape(2, 1), binary_data=binary)
    return [city, distance]


def values(outputs: list[InferOutput]) -> list[float]:
    (output,) = outputs
    assert output.name == "prediction" and output.shape[0] == 2, output
    return [float(value) for value in output.as_numpy().ravel()]


async def version_1(url: str) -> list[float]:
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        assert await client.is_server_live(url)
        assert await client.is_model_ready(url, "delay")
        rows = [{"city": city, "distance": distance}
                for city, distance in zip(CITIES, DISTANCES)]
        answer = await client.infer(url, {"instances": rows}, model_name="delay")
        try:
            await client.infer(url, {"instances": rows}, model_name="delya")
            raise AssertionError("a deployment that is not there answered")
        except httpx.HTTPStatusError as refused:
            assert refused.response.status_code == 404 and "delya" in str(refused), refused
        return answer["predictions"]


async def version_2(url: str, binary: bool) -> list[float]:
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        assert await client.is_server_live(url) and await client.is_server_ready(url)
        assert await client.is_model_ready(url, "delay")
        assert not await client.is_model_ready(url, "delya")
        request = InferRequest(
            "delay", inputs(binary), request_id="seven",
            request_outputs=[RequestedOutput("prediction", {"binary_data": binary})])
        answer = await client.infer(url, request, model_name="delay")
        assert answer.id == "seven" and answer.model_name == "delay", answer
        assert len(answer.parameters["release_id"]) == 64
        try:
            await client.infer(url, InferRequest("delay", inputs(binary)[:1]), model_name="delay")
            raise AssertionError("a request without an input was answered")
        except httpx.HTTPStatusError as refused:
            assert refused.response.status_code == 400 and "distance" in str(refused), refused
        return values(answer.outputs)


async def over_grpc(address: str, binary: bool) -> list[float]:
    async with InferenceGRPCClient(address) as client:
        assert await client.is_server_live() and await client.is_server_ready()
        assert await client.is_model_ready("delay")
        assert not await client.is_model_ready("delya")
        answer = await client.infer(InferRequest("delay", inputs(binary), request_id="seven"))
        assert answer.id == "seven", answer
        try:
            await client.infer(InferRequest("delya", inputs(binary)))
            raise AssertionError("a deployment that is not there answered")
        except grpc.RpcError as refused:
            assert refused.code() == grpc.StatusCode.NOT_FOUND, refused
        return values(answer.outputs)


async def main() -> None:
    url, address = f"http://127.0.0.1:{sys.argv[1]}", f"127.0.0.1:{sys.argv[2]}"
    print(json.dumps({
        "v1": await version_1(url),
        "v2": await version_2(url, binary=False), "v2, binary": await version_2(url, binary=True),
        "gRPC": await over_grpc(address, binary=False),
        "gRPC, raw": await over_grpc(address, binary=True)}))


if __name__ == "__main__":
    asyncio.run(main())
