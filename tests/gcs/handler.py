"""One connection to the stand-in: a CONNECT proxy, then TLS, then what TensorFlow asks for."""

import http.server
import json
import re
import ssl
import time
import urllib.parse

HOSTS = ("www.googleapis.com", "storage.googleapis.com")
_STATUS = {"unavailable": 503, "too_many": 429}
_B, _O = r"/b/(?P<bucket>[^/]+)", r"/o/(?P<name>[^/]+)"
# Method and path to the kind of request, under which it is counted and served.
_ROUTES = [
    (method, re.compile(pattern + "$"), kind)
    for method, pattern, kind in (
        ("GET", f"/storage/v1{_B}", "bucket"),
        ("GET", f"/storage/v1{_B}/storageLayout", "layout"),
        ("GET", f"/storage/v1{_B}/o", "list"),
        ("GET", f"/storage/v1{_B}{_O}", "stat"),
        ("DELETE", f"/storage/v1{_B}{_O}", "delete"),
        ("POST", f"/storage/v1{_B}{_O}/rewriteTo/b/(?P<to_bucket>[^/]+)/o/(?P<to>.+)", "copy"),
        ("POST", f"/upload/storage/v1{_B}/o", "start_upload"),
        ("PUT", "/upload/storage/v1/sessions/(?P<upload>[0-9]+)", "upload"),
        ("GET", "/(?P<bucket>[^/]+)/(?P<name>.+)", "read"),
    )
]


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `self.server`, a `tests.gcs.server.Server`."""

    protocol_version = "HTTP/1.1"  # connections stay open
    disable_nagle_algorithm = True

    def do_CONNECT(self):
        if self.path.partition(":")[0] not in HOSTS:
            return self.send_error(403, f"{self.path} is no host of Cloud Storage")
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        try:
            self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        except (ssl.SSLError, OSError):  # the caller does not trust us, or went away
            self.close_connection = True
            return
        self.rfile = self.connection.makefile("rb", 2**18)
        self.wfile = self.connection.makefile("wb")

    def handle(self):
        try:
            super().handle()
        except (ssl.SSLError, OSError):  # callers hang up when they have enough
            self.close_connection = True

    def finish(self):
        try:
            super().finish()
        except (ssl.SSLError, OSError, ValueError):
            pass
        finally:
            self.connection.close()

    def handle_expect_100(self):
        answer = super().handle_expect_100()
        self.wfile.flush()  # curl would wait a second for it
        return answer

    def log_message(self, *arguments):
        pass

    def _serve(self):
        self._body = self._read_body()
        path, _, query = self.path.partition("?")
        self._query = dict(urllib.parse.parse_qsl(query))
        kind, parts = _route(self.command, path)
        if kind is None:
            return self._answer(501)
        self.server.count(kind)
        asked = f"{self.path} {self.headers.get('Range', '')}"
        self._fault = self.server.faults.choose(kind, asked)
        if self._fault:
            self.server.count(self._fault)
        if self._fault in _STATUS:
            return self._answer(_STATUS[self._fault])
        if self._fault == "slow":
            time.sleep(self.server.faults.delay)
        try:
            getattr(self, f"_{kind}")(**parts)
        except KeyError:
            self._answer(404)

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def _read_body(self):
        # TensorFlow states the length, and curl sends it in chunks all the same.
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = bytearray()
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # what may follow the last chunk
        return body

    def _bucket(self, bucket):
        self._json({"name": bucket} if self.server.objects.has_bucket(bucket) else None)

    def _layout(self, bucket):
        self._json({"bucket": bucket, "hierarchicalNamespace": {"enabled": False}})

    def _list(self, bucket):
        limit = self._query.get("maxResults")
        names, prefixes, token = self.server.objects.list(
            bucket,
            prefix=self._query.get("prefix", ""),
            delimiter=self._query.get("delimiter", ""),
            after=self._query.get("pageToken", ""),
            limit=limit and int(limit),
        )
        answer = {"items": [{"name": name} for name in names], "prefixes": prefixes}
        self._json({**answer, **({"nextPageToken": token} if token else {})})

    def _stat(self, bucket, name):
        self._json(_metadata(self._find(bucket, name)))

    def _delete(self, bucket, name):
        self.server.objects.delete(bucket, name)
        self._answer(204)

    def _copy(self, bucket, name, to_bucket, to):
        self._find(bucket, name)
        copy = self.server.objects.copy(bucket, name, to_bucket, to)
        self._json({"done": True, "resource": _metadata(copy)})

    def _read(self, bucket, name):
        data = memoryview(self._find(bucket, name).data)
        total, headers = len(data), {}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            start = int(asked[1])
            end = min(int(asked[2]) + 1 if asked[2] else total, total)
            if start >= total:
                return self._answer(416, headers={"Content-Range": f"bytes */{total}"})
            data, headers = data[start:end], {"Content-Range": f"bytes {start}-{end - 1}/{total}"}
        self.server.count("bytes_read", len(data))
        self._answer(206 if asked else 200, data, headers)

    def _start_upload(self, bucket):
        name = self._query["name"]
        if self._query["uploadType"] == "media":
            only_if_new = self._query.get("ifGenerationMatch") == "0"
            stored = self.server.objects.put(bucket, name, bytes(self._body), only_if_new)
            return self._json(_metadata(stored)) if stored else self._answer(412)
        upload = self.server.objects.begin_upload(bucket, name)
        location = f"https://{HOSTS[0]}/upload/storage/v1/sessions/{upload}"
        self._answer(200, headers={"Location": location})

    def _upload(self, upload):
        objects = self.server.objects
        # "bytes 5-9/10" brings bytes, "bytes */10" asks how far it got; an empty file has neither.
        sent = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", self.headers.get("Content-Range", ""))
        start, total = (int(sent[1] or -1), int(sent[2])) if sent else (0, len(self._body))
        if start >= 0:
            broken = self.server.faults.breaks_upload()
            data = self._body[: len(self._body) // 2] if broken else self._body
            objects.add_to_upload(upload, start, data)
            self.server.count("bytes_written", len(data))
            if broken:
                self.server.count("broken_upload")
                return self._answer(503)
        received = objects.received(upload)
        if received >= total:
            return self._json(_metadata(objects.finish_upload(upload)))
        self._answer(308, headers={"Range": f"bytes=0-{received - 1}"} if received else {})

    def _find(self, bucket, name):
        if name in self.server.faults.missing:
            raise KeyError(name)
        return self.server.objects.get(bucket, name)

    def _json(self, answer):
        if answer is None:
            return self._answer(404)
        self._answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _answer(self, status, body=b"", headers=()):
        if self._fault == "short":
            body = body[: len(body) // 2]
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.flush()
        if self._fault == "cut":
            body = body[: len(body) // 2]
            self.close_connection = True
        # Not through the writer, which would copy it.
        self.connection.sendall(body)

    _fault = None


def _route(command, path):
    """The kind of a request, and the names in its path; None if it is not known."""
    for method, pattern, kind in _ROUTES:
        match = pattern.match(path)
        if method == command and match:
            parts = match.groupdict().items()
            return kind, {name: urllib.parse.unquote(part) for name, part in parts}
    return None, {}


def _metadata(stored):
    return {
        "size": str(stored.size),
        "generation": str(stored.generation),
        "updated": stored.updated,
    }
