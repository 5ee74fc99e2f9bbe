"""HTTP answers whose whole, headers and all, comes in the time of their first byte.

A socket's time-out is for each read alone: what comes byte by byte would outlast any.
"""

import http.client
import io
import time

import urllib3


def set_deadlines(pool):
    """Lets a `urllib3.PoolManager` give up answers that are not whole within their time-out."""
    pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


class _Reader(io.RawIOBase):
    """Reads of a socket, each with a time-out of what is left until a deadline.

    Args:
        raw: `socket.SocketIO`.
        sock: the socket below it, whose time-out at this moment is that of all reads together.
    """

    def __init__(self, raw, sock):
        self._raw, self._socket = raw, sock
        timeout = sock.gettimeout()
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def readable(self):
        return True

    def readinto(self, buffer):
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._socket.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self):
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock, *arguments, **options):
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock))


class _HttpConnection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _HttpsConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection
