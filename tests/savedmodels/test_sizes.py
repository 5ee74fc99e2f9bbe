"""What an export says of its size, and that nothing is held twice."""

import os
import re

import numpy as np
import pytest

from savedmodels import sizes
from tests.savedmodels import exports


def numbers(text):
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", text)]


@pytest.mark.parametrize("weights", ["float32", "bfloat16"])
def test_each_weight_is_held_once_and_everything_is_counted(tmp_path, weights, capsys):
    flags = [] if weights == "float32" else [f"--weights={weights}"]
    model, path = exports.export_copy(tmp_path, *flags)
    told = capsys.readouterr()
    first, *largest = sizes.report(str(path))
    on_disk, held, count, variables, graph, warmup, assets, rest = numbers(first)
    assert held + graph + warmup + assets + rest == on_disk and rest > 0
    files = [os.path.join(place, name) for place, _, names in os.walk(path) for name in names]
    assert on_disk == sum(map(os.path.getsize, files))
    assert graph == os.path.getsize(path / "saved_model.pb")
    assert warmup == os.path.getsize(path / "assets.extra" / "tf_serving_warmup_requests")
    assert assets == 0
    used = [variable for variable in model.variables if "seed" not in variable.path]
    shapes = [tuple(variable.shape) for variable in used]
    assert variables == len(used)
    assert count == sum(np.prod(shape) for shape in shapes)
    width = {"float32": 4, "bfloat16": 2}[weights]
    assert held == sum(np.prod(shape) * (width if len(shape) > 1 else 4) for shape in shapes)
    assert held < os.path.getsize(path / "variables" / "variables.data-00000-of-00001")
    assert len(largest) == 5
    assert re.fullmatch(rf"  [\d,]+ bytes: \S+/\S+, {weights} \d+ × \d+", largest[0])
    assert [numbers(line)[0] for line in largest] == sorted(
        (numbers(line)[0] for line in largest), reverse=True
    )
    assert first in told.out  # the command says it
    *begun, checking, warming = told.err.splitlines()
    assert begun == [
        f"loading step 0 of {tmp_path / 'run'}",
        "compiling",
        f"writing a version in {tmp_path / 'exported'}",
    ]
    assert re.fullmatch(r"checking [\d,]+ operations", checking)
    assert warming == "writing warm-up requests of serving_default, score, generate"
