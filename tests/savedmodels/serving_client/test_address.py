import pytest

from savedmodels.serving_client.address import Address


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("host", ("grpc", "host", 8500, "")),
        ("host.example.com:9000", ("grpc", "host.example.com", 9000, "")),
        ("grpcs://host:443", ("grpcs", "host", 443, "")),
        ("http://host", ("http", "host", 8501, "")),
        ("http://host:8501/", ("http", "host", 8501, "")),
        ("https://host:443/gate/way/", ("https", "host", 443, "/gate/way")),
        ("[::1]:8500", ("grpc", "[::1]", 8500, "")),
    ],
)
def test_targets(target, parts):
    assert Address.parse(target) == Address(*parts)


@pytest.mark.parametrize(
    "target",
    ["", ":8500", "a b:1", "host:", "host:0", "host:65536", "host:-1", "x://host", "u@host:1"],
)
def test_what_is_no_target(target):
    with pytest.raises(ValueError, match="target must be HOST:PORT"):
        Address.parse(target)


@pytest.mark.parametrize(
    "target", ["grpc://host:1/path", "http://host:1/a?b", "http://", b"host:1", 8500]
)
def test_what_is_none_for_its_protocol(target):
    with pytest.raises(ValueError, match="target must be HOST:PORT"):
        Address.parse(target)


def test_text_names_everything():
    assert str(Address.parse("https://host/gate")) == "https://host:8501/gate"
    assert str(Address.parse("host")) == "grpc://host:8500"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_this_machine(host):
    assert Address.parse(f"{host}:1").is_local


@pytest.mark.parametrize("host", ["10.0.0.1", "localhost.example.com", "[::2]", "0.0.0.0"])
def test_other_machines(host):
    assert not Address.parse(f"{host}:1").is_local
