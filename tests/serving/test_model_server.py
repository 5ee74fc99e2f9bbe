"""The real TensorFlow Serving, where there is one: it answers as the stand-in does."""

import contextlib
import os
import shutil
import socket
import subprocess

import numpy as np
import pytest

from savedmodels.client import Client
from tests.pipelines import runs
from tests.serving import storm
from tests.serving.stand_in import StandIn

IMAGE = "tensorflow/serving"
BINARY = shutil.which("tensorflow_model_server")
pytestmark = pytest.mark.slow


def _has_image():
    """Whether Docker runs and holds the image: nothing is fetched."""
    command = ["docker", "image", "inspect", IMAGE]
    return shutil.which("docker") and subprocess.run(command, capture_output=True).returncode == 0


def _free_ports(number):
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in sockets]


def _command(folder, grpc_port, rest_port):
    if BINARY:
        return [
            BINARY,
            "--model_name=books",
            f"--model_base_path={folder}",
            f"--port={grpc_port}",
            f"--rest_api_port={rest_port}",
        ]
    ports = [f"--publish=127.0.0.1:{a}:{b}" for a, b in ((grpc_port, 8500), (rest_port, 8501))]
    mount = [f"--volume={folder}:/models/books:ro", "--env=MODEL_NAME=books"]
    return ["docker", "run", "--rm", *ports, *mount, IMAGE]


@pytest.fixture(scope="module")
def targets(text_version):
    """Where the real server listens."""
    if not (BINARY or _has_image()):
        pytest.skip("tensorflow_model_server: not run, no binary and no docker here")
    grpc_port, rest_port = _free_ports(2)
    process = subprocess.Popen(
        _command(text_version.parent, grpc_port, rest_port),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_MAX_VLOG_LEVEL": "0"},
    )
    try:
        runs.read_until(process, "Exporting HTTP/REST API at")
        yield {"grpc": f"localhost:{grpc_port}", "rest": f"http://localhost:{rest_port}"}
    finally:
        process.terminate()
        process.communicate()


@pytest.fixture(scope="module")
def stand_in(text_version):
    with StandIn("books", {1: text_version}) as server:
        yield server.targets()["grpc"]


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_it_answers_as_the_stand_in_does(targets, stand_in, protocol):
    with Client(targets[protocol], "books") as real, Client(stand_in, "books") as other:
        assert real.status() == other.status()
        assert real.metadata() == other.metadata()
        for request in storm.draw(200):
            found, wanted = request.ask(real), request.ask(other)
            if request.kind is not None:
                assert found[0] == wanted[0] == request.kind, (request.name, found)
                named = any(field in found[1] for field in request.fields)
                assert named or not request.fields, (request.name, found)
            elif isinstance(wanted, str):
                assert found == wanted
            else:
                _assert_close(found, wanted)


def _assert_close(found, wanted):
    """Text and ids alike, and floats to rounding: it may add up in another order."""
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        if name == "log_probs":
            (shape, data), (wanted_shape, wanted_data) = found[name], value
            assert shape == wanted_shape
            arrays = [np.frombuffer(d, np.float32) for d in (data, wanted_data)]
            np.testing.assert_allclose(*arrays, atol=1e-4)
        else:
            assert found[name] == value, name


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_what_it_does_not_have(targets, protocol):
    for options, kind in (
        ({"model": "other"}, "unknown_model"),
        ({"model": "books", "version": 9}, "unknown_version"),
        ({"model": "books", "label": "x"}, "unknown_version"),
    ):
        with Client(targets[protocol], **options) as client:
            request = storm.StormRequest("unknown", lambda client: client.score([[2, 5]]))
            assert request.ask(client)[0] == kind
