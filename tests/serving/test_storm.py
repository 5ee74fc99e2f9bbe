"""Eight clients at once, and requests of all kinds: each is answered as if it were alone."""

import collections
import concurrent.futures
import json
import os
import time

import pytest

from savedmodels.client import Client
from tests.serving import separate, storm

pytestmark = pytest.mark.slow

# `make test-storm` asks for two thousand.
REQUESTS = int(os.environ.get("PERCEIVER_AR_STORM", "200"))
CLIENTS = 8
WARM = REQUESTS // 4
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def server(text_version):
    with separate.serve("books", {1: text_version}) as server:
        yield server


def run(targets, requests, clients):
    """What came of each request, of so many clients in threads of their own."""
    targets = [targets[protocol] for protocol in ("grpc", "rest")]
    made = [Client(targets[number % len(targets)], "books") for number in range(clients)]

    def ask(number):
        return [request.ask(made[number]) for request in requests[number::clients]]

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        parts = list(pool.map(ask, range(clients)))
    for client in made:
        client.close()
    came = [None] * len(requests)
    for number, part in enumerate(parts):
        came[number::clients] = part
    return came


def test_every_request_is_answered_as_if_it_were_alone(server):
    targets, requests = server.targets(), storm.draw(REQUESTS)
    pid, before = server.process()
    # One client, over gRPC alone: REST brings the same bits. It comes first, because what the
    # first calls of TensorFlow allocate and free again stays with the allocator for a while.
    alone = run({"grpc": targets["grpc"], "rest": targets["grpc"]}, requests, 1)
    _, cold = server.process()
    began = time.monotonic()
    came = run(targets, requests[:WARM], CLIENTS)
    _, warm = server.process()
    came += run(targets, requests[WARM:], CLIENTS)
    seconds = time.monotonic() - began
    still, after = server.process()
    assert still == pid
    figures = {
        "requests": len(requests),
        "per_second": round(len(requests) / seconds, 1),
        "refused": sum(request.kind is not None for request in requests),
        "mebibytes": [round(rss / MEBIBYTE) for rss in (before, cold, warm, after)],
        "kinds": collections.Counter(request.name for request in requests),
    }
    print(json.dumps(figures))
    for request, found, wanted in zip(requests, came, alone):
        if request.kind is None:
            assert isinstance(found, dict | str), (request.name, found)
            assert found == wanted, request.name
        else:
            assert found[0] == wanted[0] == request.kind, (request.name, found)
            assert not request.fields or any(field in found[1] for field in request.fields), found
    assert 0.25 < figures["refused"] / len(requests) < 0.75
    assert abs(after - warm) < 0.05 * warm, figures
