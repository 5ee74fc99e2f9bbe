import json
import os
import subprocess
import sys

import pytest

from pipelines.benchmark import flops
from pipelines.benchmark.workload import Workload

SMALL = {"context": 6, "latents": 2, "layers": 3, "width": 4, "heads": 2, "batch": 5, "vocab": 7}


def test_each_part_is_counted_by_hand():
    # Latents on inputs 4 and 5 read 5 and 6 of them; of themselves 1 and 2.
    assert flops.forward_flops(Workload(**SMALL)) == {
        "latents": 2 * 2 * 4 * 4,
        "cross_attend": 2 * 16 * (2 + 2 + 6 + 6) + 4 * 11 * 4 + 2 * (2 * 2 * 4 * 16),
        "stack": 3 * (4 * 2 * 2 * 16 + 4 * 3 * 4 + 2 * (2 * 2 * 4 * 16)),
        "logits": 2 * 2 * 4 * 7,
    }


def test_a_decoder_is_a_stack_over_all_inputs():
    assert flops.forward_flops(Workload(model="transformer", **SMALL)) == {
        "stack": 3 * (4 * 2 * 6 * 16 + 4 * 21 * 4 + 2 * (2 * 6 * 4 * 16)),
        "logits": 2 * 6 * 4 * 7,
    }


def test_a_memory_is_projected_and_read():
    with_memory = Workload(model="transformer_xl", memory=9, **SMALL)
    without = flops.forward_flops(Workload(model="transformer", **SMALL))["stack"]
    # 6 queries read 9 entries more; distances take half as much as contents and values together.
    remembered = 2 * 2 * 9 * 16 + 4 * 54 * 4
    distances = 2 * (21 + 54) * 4 + 2 * 6 * 4 * 2
    assert flops.forward_flops(with_memory)["stack"] == without + 3 * (remembered + distances)


def test_the_step_is_three_forward_passes_of_each_row():
    workload = Workload(**SMALL)
    forward = sum(flops.forward_flops(workload).values())
    assert flops.train_step_flops(workload) == 3 * 5 * forward


@pytest.mark.slow
@pytest.mark.parametrize("model", ["perceiver_ar", "transformer", "transformer_xl"])
def test_the_compiler_counts_the_same(repository, model):
    # Dense, because a compiler counts the body of a loop once, and the masked pairs, because dense
    # attention computes them. What it counts beyond products stays below 5 % at this size.
    code = f"""
import json
from pipelines.benchmark import flops, jax_backend
from pipelines.benchmark.workload import Workload
workload = Workload(model={model!r}, context=256, latents=128, layers=2, width=256, heads=4,
                    batch=2, dtype="float32", attention="dense", dropout=0.0)
step = jax_backend.TrainStep(workload)
step.compile()
print(json.dumps([step.flops(), flops.train_step_flops(workload, masked_pairs=True)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    counted, by_formula = json.loads(done.stdout)
    assert counted == pytest.approx(by_formula, rel=0.05)
