"""A server that is away, slow, overloaded or another one than was meant."""

import concurrent.futures
import socket
import ssl

import numpy as np
import pytest
import trustme

from savedmodels.client import Client
from tests.savedmodels.clients import AT_ONCE, PATIENT, ROW, failure
from tests.serving.stand_in import StandIn


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED", "RESET"])
def test_what_may_pass_is_asked_for_again(connect, server, code):
    client = connect()
    wanted = client.score(ROW)["log_probs"]
    server.faults.take_count()
    server.faults.fail(code, times=2)
    np.testing.assert_array_equal(client.score(ROW)["log_probs"], wanted)
    assert server.faults.take_count() == 3


@pytest.mark.parametrize(
    ("code", "kind"),
    [("UNAVAILABLE", "not_there"), ("RESOURCE_EXHAUSTED", "overloaded"), ("RESET", "not_there")],
)
def test_in_the_end_it_is_told(connect, server, code, kind):
    client = connect()
    server.faults.fail(code, times=3)
    error = failure(lambda: client.score(ROW))
    assert error.kind == kind and error.attempts == 3
    assert client.endpoint in str(error) and "tried 3 times" in str(error)
    assert server.faults.take_count() == 3
    assert client.score(ROW)["log_probs"].shape == (1, 3)  # nothing is left of it


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "INTERNAL", "DATA_LOSS", "UNAUTHENTICATED"])
def test_what_stays_is_asked_for_once(connect, server, code):
    client = connect()
    server.faults.fail(code, message="lengths – no")
    error = failure(lambda: client.score(ROW))
    assert "lengths – no" in str(error) and error.attempts == 1
    assert server.faults.take_count() == 1


def test_a_deadline_ends_a_call(connect, server):
    client = connect()
    server.faults.hold(times=1)
    error = failure(lambda: client.score(ROW, timeout=0.2))
    assert error.kind == "timeout" and "raise timeout" in str(error)
    server.faults.release()
    assert client.score(ROW)["log_probs"].shape == (1, 3)


def test_an_attempt_that_hangs_is_given_up_for_another(connect, server):
    client = connect(attempt_timeout=0.5)
    server.faults.hold(times=1)
    assert client.score(ROW)["log_probs"].shape == (1, 3)
    assert server.faults.take_count() == 2


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_nobody_listens(scheme):
    with socket.socket() as held:  # bound, so that nobody else takes it; it does not listen
        held.bind(("127.0.0.1", 0))
        target = f"{scheme}://127.0.0.1:{held.getsockname()[1]}"
        with Client(target, "books", retries=AT_ONCE) as client:
            error = failure(lambda: client.generate_text("a"))
    assert error.kind == "not_there" and error.attempts == 3
    assert target in str(error) and "refused" in str(error)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_somebody_listens_and_says_nothing(scheme):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        target = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        with Client(target, "books", retries=AT_ONCE) as client:
            error = failure(lambda: client.score(ROW, timeout=0.5))
    # A connection that takes its time is not given up before the deadline.
    assert error.kind == "timeout" and error.attempts == 1


@pytest.mark.parametrize("target", ["nobody.invalid:8500", "http://nobody.invalid:8501"])
def test_a_host_that_does_not_exist(target):
    with Client(target, "books", retries=AT_ONCE) as client:
        assert failure(lambda: client.status()).kind == "not_there"


def test_protocols_that_were_mistaken_for_each_other(server):
    targets = server.targets()
    swapped = {
        targets["rest"].replace("http", "grpc"): "wrong_port",
        targets["grpc"].replace("grpc", "http"): "wrong_port",
        targets["rest"].replace("http", "https"): "tls",
        targets["grpc"].replace("grpc", "grpcs"): "tls",
    }
    for target, kind in swapped.items():
        with Client(target, "books", retries=AT_ONCE) as client:
            error = failure(lambda client=client: client.score(ROW))
        assert (target, error.kind, error.attempts) == (target, kind, 1)


@pytest.fixture
def restarted(text_version):
    with StandIn("books", {1: text_version}) as server:
        yield server


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_server_that_comes_back_is_found(restarted, protocol):
    with Client(restarted.targets()[protocol], "books", retries=PATIENT) as client:
        wanted = client.generate_text("a", max_new_tokens=9)
        restarted.stop()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            answer = pool.submit(client.generate_text, "a", max_new_tokens=9)
            restarted.start()
            assert answer.result()["text"] == wanted["text"]


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_server_that_ends_in_the_middle_of_a_stream(restarted, protocol):
    with Client(restarted.targets()[protocol], "books", retries=AT_ONCE) as client:
        whole = list(client.generate_text_stream("a", max_new_tokens=30, tokens_at_a_time=10))
        pieces = client.generate_text_stream("a", max_new_tokens=30, tokens_at_a_time=10)
        assert next(pieces) == whole[0]
        restarted.stop()
        error = failure(lambda: next(pieces))
        assert error.kind == "not_there"
    restarted.start()
    with Client(restarted.targets()[protocol], "books", retries=PATIENT) as client:
        again = client.generate_text_stream("a", max_new_tokens=30, tokens_at_a_time=10)
        assert list(again) == whole


def test_a_stream_goes_on_over_a_fault(connect, server):
    client = connect()
    arguments = {"max_new_tokens": 30, "tokens_at_a_time": 10}
    whole = list(client.generate_text_stream("a", **arguments))
    pieces = client.generate_text_stream("a", **arguments)
    found = [next(pieces)]
    server.faults.fail("UNAVAILABLE", times=2)
    assert [*found, *pieces] == whole


BIG = np.random.default_rng(0).normal(size=(1000, 2100)).astype(np.float32)  # 8.4 MB


def test_large_messages(connect, server):
    server.faults.answers = {"score": {"log_probs": BIG}}
    # It is wider than what was asked for, as in a batch with others, and is cut.
    np.testing.assert_array_equal(connect().score(ROW * 1000)["log_probs"], BIG[:, :3])
    small = connect(max_message_bytes=2**22)
    error = failure(lambda: small.score(ROW))
    assert error.kind == "too_large" and "Received" in str(error) and str(2**22) in str(error)
    assert "max_message_bytes" in str(error)
    server.faults.take_count()
    error = failure(lambda: small.score(np.full((700, 2100), 100)))
    assert error.kind == "too_large" and "Sent" in str(error)
    assert server.faults.take_count() == 0


def test_answers_that_are_none(connect, server):
    server.faults.answers = {"score": {"other": BIG[:1, :1], "another": BIG[:1, :1]}}
    error = failure(lambda: connect().score(ROW))
    assert error.kind == "broken_answer" and "log_probs" in str(error)


def test_proxies_are_not_asked_for_this_machine(target, monkeypatch):
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Client(target, "books", retries=AT_ONCE) as client:
        assert client.score(ROW)["log_probs"].shape == (1, 3)


@pytest.fixture(scope="module")
def encrypted(text_version, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    key, chain = certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    with StandIn("books", {1: text_version}, tls=(key, chain, context)) as server:
        yield server.targets(), folder


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_encryption(encrypted, protocol):
    targets, folder = encrypted
    with Client(targets[protocol], "books", ca_file=folder / "authority.pem") as client:
        assert client.score(ROW)["log_probs"].shape == (1, 3)
    for ca_file in (None, folder / "other.pem"):
        with Client(targets[protocol], "books", ca_file=ca_file, retries=AT_ONCE) as client:
            error = failure(lambda client=client: client.score(ROW))
        assert error.kind == "tls" and error.attempts == 1
    with pytest.raises(FileNotFoundError):
        Client(targets[protocol], "books", ca_file=folder / "nowhere.pem")
