"""Where a server listens."""

import dataclasses
import ipaddress
import re

_SCHEMES = {"http": 8501, "https": 8501, "grpc": 8500, "grpcs": 8500}
_TARGET = re.compile(
    r"(?:(?P<scheme>[a-z]+)://)?(?P<host>\[[0-9a-fA-F:.]+\]|[^\s/:@\[\]]+)"
    r"(?::(?P<port>\d{1,5}))?(?P<path>/[^\s?#]*)?"
)


@dataclasses.dataclass(frozen=True)
class Address:
    """Protocol, host and port of a server.

    Args:
        scheme: str: "http", "https", "grpc" or "grpcs".
        host: str, IPv6 in square brackets.
        port: int.
        path: str. What a gateway in front of a REST server wants before `/v1`.
    """

    scheme: str
    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, target):
        """Reads `HOST:8500`, `grpcs://HOST:443` or `https://HOST:8501/gateway`.

        Raises:
            ValueError: none of these.
        """
        found = _TARGET.fullmatch(target) if isinstance(target, str) else None
        scheme = found and (found["scheme"] or "grpc")
        port = int(found["port"] or _SCHEMES.get(scheme, 0)) if found else 0
        path = found["path"] if found and found["path"] not in (None, "/") else ""
        if not 0 < port < 65536 or scheme not in _SCHEMES or (path and scheme[:4] == "grpc"):
            raise ValueError(
                "target must be HOST:PORT or grpcs://HOST:PORT for gRPC, or http[s]://HOST:PORT "
                f"for REST, got {target!r}"
            )
        return cls(scheme, found["host"], port, path.rstrip("/"))

    @property
    def is_grpc(self):
        """Whether gRPC is spoken, not REST."""
        return self.scheme.startswith("grpc")

    @property
    def is_encrypted(self):
        """Whether TLS is spoken."""
        return self.scheme.endswith("s")

    @property
    def is_local(self):
        """Whether this is this machine, which no proxy leads to."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self):
        return f"{self.scheme}://{self.host}:{self.port}{self.path}"
