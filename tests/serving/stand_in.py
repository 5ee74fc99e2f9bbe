"""A local stand-in for TensorFlow Serving: its front ends over an exported version.

It is not TensorFlow Serving. It loads a version with `tf.saved_model.load` and calls its signatures
as that does: its names, codes and messages are those of TensorFlow Serving's sources, but none of
its C++ runs here: no batching, no version manager, no session, no HTTP server of its own. What is
tested against this has not been run on TensorFlow Serving.
"""

import argparse
import concurrent.futures
import contextlib
import ctypes
import gc
import http.server
import os
import pathlib
import signal
import socket
import threading

import grpc
import psutil
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from tests.serving import grpc_front
from tests.serving.faults import Faults
from tests.serving.rest_front import RestHandler
from tests.serving.served_model import ServedModel


class StandIn:
    """Serves one model over gRPC and REST on this machine; a context manager.

    Args:
        name: str. Of the model.
        versions: dict of int to the path of an exported version.
        labels: dict of str to int, or None.
        tls: (PEM of a key, PEM of its certificates, `ssl.SSLContext`) for both front ends, or None.
        grpc_port, rest_port: int. 0 is one that is free.

    Attributes:
        faults: `Faults`.
        grpc_port, rest_port: int.
    """

    def __init__(self, name, versions, labels=None, tls=None, grpc_port=0, rest_port=0):
        self._model, self.faults = ServedModel(name, versions, labels), Faults()
        self._tls = tls
        self.grpc_port, self.rest_port = grpc_port, rest_port

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.faults.clear()
        self.stop()

    def start(self):
        """Listens: where no port was given on a free one at first, on the same one later."""
        pool = concurrent.futures.ThreadPoolExecutor(16)
        # As `server.cc` sets it; so_reuseport would let a second server share the port.
        options = [("grpc.max_receive_message_length", 2**31 - 1), ("grpc.so_reuseport", 0)]
        self._grpc = grpc.server(pool, options=[*options, ("grpc.max_send_message_length", -1)])
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            grpc_front.PredictionService(self._model, self.faults), self._grpc
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            grpc_front.ModelService(self._model), self._grpc
        )
        place = f"127.0.0.1:{self.grpc_port}"
        if self._tls:
            credentials = grpc.ssl_server_credentials([self._tls[:2]])
            self.grpc_port = self._grpc.add_secure_port(place, credentials)
        else:
            self.grpc_port = self._grpc.add_insecure_port(place)
        self._grpc.start()
        self._rest = _RestServer(("127.0.0.1", self.rest_port), RestHandler)
        if self._tls:
            # The handshake is left to the threads that serve.
            self._rest.socket = self._tls[2].wrap_socket(
                self._rest.socket, server_side=True, do_handshake_on_connect=False
            )
        self._rest.model, self._rest.faults = self._model, self.faults
        self.rest_port = self._rest.server_port
        threading.Thread(target=self._rest.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        """Stops at once: calls under way are cut off."""
        self._grpc.stop(0).wait()
        self._rest.shutdown()
        self._rest.server_close()
        self._rest.cut()

    def targets(self):
        """Targets for the client, by protocol: dict of str."""
        s = "s" if self._tls else ""
        return {
            "grpc": f"grpc{s}://localhost:{self.grpc_port}",
            "rest": f"http{s}://localhost:{self.rest_port}",
        }

    def process(self):
        """Id of the process, and the bytes of memory that it holds: int, int.

        What was freed is given back first: glibc does so when it likes, and 80 MiB of the figure
        went with it in the middle of a storm.
        """
        gc.collect()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
        if trim:
            trim(0)
        return os.getpid(), psutil.Process().memory_info().rss


class _RestServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._open = set()

    def process_request(self, request, client_address):
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self._open.discard(request)
        super().shutdown_request(request)

    def cut(self):
        """Ends the connections that are open."""
        for request in list(self._open):
            with contextlib.suppress(OSError):  # it has just ended by itself
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address):
        pass  # a caller went away


def main():
    """Serves the newest version of a folder until it is interrupted."""
    flags = argparse.ArgumentParser(prog="python -m tests.serving.stand_in")
    flags.add_argument("name", help="of the model")
    flags.add_argument("dir", type=pathlib.Path, help="folder of numbered versions")
    flags.add_argument("--grpc_port", type=int, default=8500, help="0: one that is free")
    flags.add_argument("--rest_port", type=int, default=8501, help="0: one that is free")
    flags = flags.parse_args()
    numbers = [int(path.parent.name) for path in flags.dir.glob("[0-9]*/saved_model.pb")]
    if not numbers:
        raise SystemExit(f"error: {flags.dir} holds no version: give the --output of an export")
    versions = {max(numbers): str(flags.dir / str(max(numbers)))}
    ports = {"grpc_port": flags.grpc_port, "rest_port": flags.rest_port}
    with StandIn(flags.name, versions, **ports) as server:
        places = " and ".join(server.targets().values())
        print(f"version {max(numbers)} of {flags.name} at {places}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
