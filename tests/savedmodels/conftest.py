"""What the tests of the client share: one exported model of bytes, served on this machine."""

import pytest
import tensorflow as tf

from savedmodels.client import Client
from tests.savedmodels import exports
from tests.savedmodels.clients import AT_ONCE
from tests.serving.stand_in import StandIn


@pytest.fixture(scope="session")
def text_version(tmp_path_factory):
    """Path of an exported model of bytes, with a context of 40 and 4 latents."""
    _, path = exports.export_text(tmp_path_factory.mktemp("served"))
    return path


@pytest.fixture(scope="session")
def loaded(text_version):
    """The same model, loaded here."""
    return tf.saved_model.load(str(text_version))


@pytest.fixture(scope="session")
def session_server(text_version):
    with StandIn("books", {3: text_version, 5: text_version}, {"stable": 3}) as server:
        yield server


@pytest.fixture
def server(session_server):
    """The stand-in, without faults."""
    session_server.faults.clear()
    yield session_server
    session_server.faults.clear()


@pytest.fixture(params=["grpc", "rest"])
def target(server, request):
    """Where it listens for one of the protocols."""
    return server.targets()[request.param]


@pytest.fixture
def connect(target):
    """A function that makes clients with options, which are closed at the end."""
    clients = []

    def connect(model="books", **options):
        clients.append(Client(target, model, **{"retries": AT_ONCE, **options}))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()
