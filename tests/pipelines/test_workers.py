"""TF_CONFIG, and the meeting of the workers that it names."""

import json
import socket
import threading

import pytest

from pipelines.errors import RunError, UserError
from pipelines.workers import Workers
from tests.pipelines import runs

TWO = {"worker": ["a:1", "b:2"]}


def config(cluster=TWO, **task):
    return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0, **task}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (config(index=1), Workers(("a:1", "b:2"), 1)),
        (config({"worker": ["b:2"], "chief": ["a:1"]}), Workers(("a:1", "b:2"), 1, 1)),
        (
            config({"worker": ["b:2"], "chief": ["a:1"]}, type="chief"),
            Workers(("a:1", "b:2"), 0, 1),
        ),
    ],
)
def test_the_environment_says_who_they_are(monkeypatch, text, expected):
    monkeypatch.setenv("TF_CONFIG", text)
    assert Workers.from_environment() == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "needs TF_CONFIG in the environment"),
        ("", "needs TF_CONFIG in the environment"),
        ("{", "is '{'"),
        ("[]", "is '\\[\\]'"),
        ('{"cluster": {"worker": ["a:1"]}}', "is"),
        (config({"worker": "a:1"}), "has 'a:1' for a list of host:port"),
        (config({"worker": ["a"]}), "has \\['a'\\] for a list"),
        (config({"worker": ["a:1", "b:99999"]}), "for a list"),
        (config({"worker": ["a:1", "a:1"]}), "names an address twice"),
        (config({"worker": ["a:1"], "ps": ["b:1"]}), "names \\['ps'\\], where only"),
        (config({"chief": ["a:1", "b:1"]}), "more than one chief"),
        (config(index=2), "says that this is worker 2 of 2"),
        (config(index=-1), "says that this is worker -1 of 2"),
        (config(index="first"), "is '"),
        (config(type="chief"), "says that this is chief 0 of 0"),
        (config({}), "says that this is worker 0 of 0"),
    ],
)
def test_another_environment_is_refused_with_what_would_do(monkeypatch, text, said):
    if text is None:
        monkeypatch.delenv("TF_CONFIG", raising=False)
    else:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=said) as error:
        Workers.from_environment()
    assert 'like {"cluster": {"worker": ["host0:2222", "host1:2222"]}' in str(error.value)


def workers(monkeypatch, number=2):
    for environment in runs.cluster(number):
        monkeypatch.setenv("TF_CONFIG", environment["TF_CONFIG"])
        yield Workers.from_environment()


def test_they_wait_for_each_other(monkeypatch):
    met = []

    def meet(worker):
        worker.meet(60)
        met.append(worker.index)
        # In the place of TensorFlow, which listens from then on.
        server = socket.create_server(("127.0.0.1", int(worker.addresses[worker.index][10:])))
        servers.append(server)

    servers = []
    threads = [threading.Thread(target=meet, args=(w,)) for w in workers(monkeypatch, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(met) == [0, 1, 2]
    for server in servers:
        server.close()


def test_who_does_not_come_is_named_while_they_wait_and_at_the_end(monkeypatch, capsys):
    first, second = workers(monkeypatch)
    line = f"worker 1 ({second.addresses[1]})"
    with pytest.raises(RunError) as error:
        first.meet(0.3, said_every=0.0)
    assert str(error.value) == f"{line} did not come in 0.3 s: start all workers"
    said = capsys.readouterr().err
    assert said.startswith(f"waiting for {line}\n")


def test_a_port_in_use_is_refused(monkeypatch):
    first, _ = workers(monkeypatch)
    port = int(first.addresses[0][10:])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as gRPC's are
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(UserError, match=f"port {port} of worker 0 .*running already?"):
            first.meet(5)
