import argparse

import pytest

from pipelines.compile_tpu.topologies import num_devices, topology


@pytest.mark.parametrize(
    ("name", "devices"),
    [("v2:2x2", 8), ("v4:2x2x1", 8), ("v5e:2x4", 8), ("v5e:16x16", 256), ("v5p:4x4x8", 128)],
)
def test_devices_as_the_compiler_counts_them(name, devices):
    assert topology(name) == name
    assert num_devices(name) == devices


@pytest.mark.parametrize(
    "name",
    ["", "v5e", "v9:2x2", "v5e:2x2x1", "v4:2x2", "v5e:1x1", "v5e:3x2", "v5e:0x2", "v5e:2x2 "],
)
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(argparse.ArgumentTypeError, match="v5e:16x16"):
        topology(name)
