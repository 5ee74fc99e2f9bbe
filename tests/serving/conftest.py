"""The exported model that the stand-in serves."""

import pytest

from tests.savedmodels import exports


@pytest.fixture(scope="session")
def text_version(tmp_path_factory):
    """Path of an exported model of bytes, with a context of 40 and 4 latents."""
    _, path = exports.export_text(tmp_path_factory.mktemp("served"))
    return path
