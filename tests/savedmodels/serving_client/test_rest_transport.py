"""Answers of HTTP servers that are not TensorFlow Serving, or have one before them."""

import http.server
import threading

import pytest

from savedmodels.client import Client
from tests.savedmodels.clients import AT_ONCE, ROW, failure


class _answering:
    """An HTTP server that has one answer; a context manager of its port and what it was asked."""

    def __init__(self, status, body, length=None):
        seen = self._seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def do_GET(self):
                seen.append({"path": self.path, "headers": dict(self.headers)})
                self.send_response(status)
                self.send_header("Content-Length", str(length or len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self._server.server_port, self._seen

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (400, b'{ "error": "lengths \\342\\200\\246 it\\\'s wrong" }', "refused", "… it's wrong"),
        (404, b"<html>\nnginx\n</html>", "broken_answer", "HTTP status 404: <html> nginx"),
        (401, b"", "denied", "HTTP status 401"),
        (429, b"slow down", "overloaded", "slow down"),
        (502, b"", "not_there", "HTTP status 502"),
        (503, b'{"error": "queue"}', "not_there", "queue"),
        (504, b"", "timeout", "HTTP status 504"),
        (500, b'{"error": 7}', "failed", "7"),
        (302, b"", "failed", "HTTP status 302"),
        (200, b"<html>", "broken_answer", "no JSON came but b'<html>'"),
        (200, b"[1]", "broken_answer", "cannot be read"),
        (200, b'{"outputs": [[1], [2, 3]]}', "broken_answer", "cannot be read"),
        (200, b'{"outputs": [["a"]]}', "broken_answer", "cannot be read"),
        (200, b'{"outputs": [[null, 0.5, 0.5]]}', "broken_answer", "cannot be read"),
        (200, b'{"outputs": [[0.5, 0.5]]}', "broken_answer", "must have the shape (1, 3)"),
        (200, b'{"outputs": [0.5, 0.5, 0.5]}', "broken_answer", "must have the shape (1, 3)"),
        (200, b'{"outputs": {"other": [[0.5]]}}', "broken_answer", "lacks ['log_probs']"),
        (200, b"[" * 200_000, "broken_answer", "no JSON came"),
        (400, b"[" * 200_000, "refused", "HTTP status 400"),
        (400, b'{"error": "\\x"}', "refused", "HTTP status 400"),
    ],
)
def test_answers_of_other_servers(status, body, kind, said):
    with (
        _answering(status, body) as (port, seen),
        Client(f"http://127.0.0.1:{port}", "books", retries=AT_ONCE) as client,
    ):
        error = failure(lambda: client.score(ROW))
    assert error.kind == kind and said in str(error)
    assert len(seen) == (3 if error.may_pass else 1)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"model_version_status": [null]}',
        b'{"model_version_status": [{"version": Infinity, "state": "A", "status": {}}]}',
        b'{"model_version_status": [{"version": 1.5, "state": "A", "status": '
        b'{"error_message": ""}}]}',
        b'{"model_version_status": [{"version": "1", "state": 5, "status": '
        b'{"error_message": ""}}]}',
        b'{"model_spec": {"version": Infinity}, "metadata": {"signature_def": '
        b'{"signature_def": {}}}}',
        b'{"model_spec": {"version": "1"}, "metadata": {"signature_def": {"signature_def": {"a": '
        b'{"inputs": {"a": {"dtype": 5, "tensor_shape": null}}, "outputs": {}}}}}}',
    ],
)
@pytest.mark.parametrize("call", [Client.status, Client.metadata])
def test_what_is_told_of_a_model_is_checked(body, call):
    with (
        _answering(200, body) as (port, _),
        Client(f"http://127.0.0.1:{port}", "books", retries=AT_ONCE) as client,
    ):
        assert failure(lambda: call(client)).kind == "broken_answer"


def test_an_answer_that_breaks_off():
    with (
        _answering(200, b'{"outputs": [[0.5', length=99) as (port, seen),
        Client(f"http://127.0.0.1:{port}", "books", retries=AT_ONCE) as client,
    ):
        error = failure(lambda: client.score(ROW))
    assert error.kind == "not_there" and len(seen) == 3


def test_an_output_of_several_is_found_by_its_name():
    body = b'{"outputs": {"log_probs": [[0.5, NaN, NaN]], "later": [1]}}'
    with (
        _answering(200, body) as (port, _),
        Client(f"http://127.0.0.1:{port}", "books") as client,
    ):
        (found,) = client.score(ROW)["log_probs"].tolist()
    assert found[0] == 0.5 and found[1] != found[1] and len(found) == 3


def test_the_proxy_of_the_environment_is_asked_for_others(monkeypatch):
    with _answering(200, b'{"outputs": [[0.5, 0.5, 0.5]]}') as (port, seen):
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        with Client("http://elsewhere.invalid:8501", "books", retries=AT_ONCE) as client:
            assert client.score(ROW)["log_probs"].tolist() == [[0.5] * 3]
    (request,) = seen
    assert request["path"] == "http://elsewhere.invalid:8501/v1/models/books:predict"
    assert request["headers"]["proxy-authorization"].startswith("Basic ")


def test_headers_go_with_every_request():
    headers = {"Authorization": "Bearer abc", "X-Who": "night"}
    with (
        _answering(200, b'{"outputs": [[0.5, 0.5, 0.5]]}') as (port, seen),
        Client(f"http://127.0.0.1:{port}", "books", headers=headers) as client,
    ):
        client.score(ROW)
    assert headers.items() <= seen[0]["headers"].items()
