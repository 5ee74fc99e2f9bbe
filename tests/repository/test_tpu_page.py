"""What docs/tpu.md tells a reader to compile is a run, on a slice that its batch divides over."""

import pytest

import gin
from pipelines import command_line
from pipelines.compile_tpu import flags as flags_lib
from pipelines.compile_tpu import lowering
from pipelines.compile_tpu.topologies import num_devices, topology
from tests.repository import pages


@pytest.fixture(autouse=True)
def forget():
    gin.clear_config()
    yield
    gin.clear_config()


def check_compiles(words, monkeypatch):
    """That a command names a run which can be lowered for its slice."""
    assert words[:3] == [".venv/bin/python", "-m", "pipelines.compile_tpu"]
    monkeypatch.setattr(lowering, "_lower", lambda program: b"")
    parser = command_line.parser("test", "")
    flags_lib.add_step_flags(parser)
    parser.add_argument("--topology", type=topology)
    flags = parser.parse_args(words[3:])
    gin.clear_config()
    _, facts = lowering.lower(flags, num_devices(flags.topology))
    assert facts["rows"] >= 1


def test_commands_name_runs_that_can_be_lowered(repository, monkeypatch):
    commands = list(pages.commands(repository / "docs" / "tpu.md"))
    assert commands
    for words in commands:
        check_compiles(words, monkeypatch)
