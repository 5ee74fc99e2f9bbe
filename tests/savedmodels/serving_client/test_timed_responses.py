"""Answers that come slowly, from a server that stops wherever a test says."""

import contextlib
import itertools
import socket
import threading
import types

import pytest

from savedmodels.client import Client, Retries
from savedmodels.serving_client import timed_responses
from tests.savedmodels.clients import ROW, failure

BODY = b'{"outputs": [[0.5, 0.5, 0.5]]}'
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSING = HEADERS.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


@contextlib.contextmanager
def stopping(sent):
    """A server that answers with some bytes, and then with nothing more: its port."""
    connections = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connections.append(listener.accept()[0])
                connections[-1].recv(2**16)
                connections[-1].sendall(sent)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    for connection in connections:
        connection.close()


def connect(port, timeout):
    return Client(f"http://127.0.0.1:{port}", "books", retries=Retries(1), timeout=timeout)


SLOW = {
    "nothing": b"",
    "headers": HEADERS[:30],
    "body": HEADERS + BODY[:9],
    "body that closes": CLOSING + BODY[:9],
    "size of a chunk": CHUNKED + b"1",
    "chunk": CHUNKED + b"1e\r\n" + BODY[:9],
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_what_stops_is_given_up(sent):
    with stopping(sent) as port, connect(port, timeout=0.2) as client:
        error = failure(lambda: client.score(ROW))
    assert error.kind == "timeout" and "no whole answer came" in str(error)


@pytest.mark.parametrize("headers", [HEADERS, CLOSING])
def test_each_read_gets_what_the_others_left(monkeypatch, headers):
    # Each look at the clock is a second later, and each read one of a byte, as if they dripped.
    clock = types.SimpleNamespace(monotonic=itertools.count().__next__)
    monkeypatch.setattr(timed_responses, "time", clock)
    plain = timed_responses._Reader.readinto
    monkeypatch.setattr(
        timed_responses._Reader, "readinto", lambda self, buffer: plain(self, buffer[:1])
    )
    whole = len(headers + BODY)
    for timeout, is_enough in (
        (2, False),
        (len(headers) + 5, False),
        (whole - 2, False),
        (whole + 9, True),
    ):
        with stopping(headers + BODY) as port, connect(port, timeout) as client:
            if is_enough:
                assert client.score(ROW)["log_probs"].tolist() == [[0.5] * 3]
            else:
                assert failure(lambda: client.score(ROW)).kind == "timeout"


def test_a_connection_that_is_kept_gets_the_time_of_each_request():
    with stopping(HEADERS + BODY) as port, connect(port, timeout=30) as client:
        client.score(ROW)
        assert failure(lambda: client.score(ROW, timeout=0.2)).kind == "timeout"
        client.score(ROW)
