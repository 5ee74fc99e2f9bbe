"""Arguments of a client that neither protocol could send."""

import pytest

from savedmodels.client import Client
from tests.savedmodels.clients import ROW

TARGETS = pytest.mark.parametrize("target", ["localhost:1", "http://localhost:1"])


@TARGETS
@pytest.mark.parametrize("name", ["X-bin", "trace-BIN"])
def test_a_header_that_is_binary_to_grpc(target, name):
    with pytest.raises(ValueError, match=f"the header {name} .* -bin") as error:
        Client(target, "books", headers={name: "secret"})
    assert "secret" not in str(error.value)


@TARGETS
@pytest.mark.parametrize("name", ["model", "label"])
def test_half_a_surrogate_pair_is_no_name(target, name):
    with pytest.raises(ValueError, match=rf"^{name} must be valid Unicode, got 'a\\ud800'"):
        Client(target, **{"model": "books", name: "a\ud800"})


@TARGETS
def test_a_closed_client_says_so(target):
    client = Client(target, "books")
    stream = client.generate_text_stream("a")
    client.close()
    client.close()
    for call in (
        lambda: client.score(ROW),
        lambda: client.generate(ROW, max_new_tokens=1, top_k=3),
        lambda: client.generate_text("a"),
        lambda: next(stream),
        client.status,
        client.metadata,
    ):
        with pytest.raises(ValueError, match="closed: make another"):
            call()
