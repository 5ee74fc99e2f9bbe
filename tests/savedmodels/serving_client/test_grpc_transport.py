"""What goes beside the messages; the rest is in tests/savedmodels/test_client*.py."""

import concurrent.futures

import grpc

from savedmodels.client import Client
from tests.savedmodels.clients import ROW, failure


class _Metadata(grpc.ServerInterceptor):
    """Keeps what came with the last call."""

    seen = None

    def intercept_service(self, continuation, details):
        self.seen = dict(details.invocation_metadata)
        return continuation(details)


def test_headers_go_with_every_request():
    interceptor = _Metadata()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(), interceptors=[interceptor])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    headers = {"Authorization": "Bearer abc", "X-Who": "night"}
    try:
        with Client(f"127.0.0.1:{port}", "books", headers=headers) as client:
            error = failure(lambda: client.score(ROW))
    finally:
        server.stop(0).wait()
    assert error.kind == "broken_answer"  # the server has no services
    assert {"authorization": "Bearer abc", "x-who": "night"}.items() <= interceptor.seen.items()
