"""What is refused before TensorFlow lowers anything, and what stands in for the data."""

import types

import pytest
import tensorflow as tf

import gin
from pipelines.compile_tpu import lowering
from pipelines.errors import RunError, UserError

TINY = ("PerceiverARBackbone.num_layers = 1", "PerceiverARBackbone.width = 32", "LATENTS = 4")


@pytest.fixture(autouse=True)
def forget():
    gin.clear_config()
    yield
    gin.clear_config()


@pytest.fixture
def lowered(monkeypatch):
    """The programs that would have been lowered: a CPU has no kernels of TPUs."""
    programs = []
    monkeypatch.setattr(lowering, "_lower", lambda program: programs.append(program) or b"hlo")
    return programs


def flags(run, *bindings, step="train", vocab_size=None, rows=8):
    return types.SimpleNamespace(
        gin_file=[f"gin/runs/{run}.gin"],
        gin_bindings=list(bindings),
        step=step,
        vocab_size=vocab_size,
        decode_rows=rows,
    )


def test_a_run_without_its_data(lowered):
    hlo, facts = lowering.lower(
        flags("pg19_tiny", *TINY, "BATCH_SIZE = 16", vocab_size=32_000), replicas=4
    )
    assert hlo == b"hlo" and (facts["rows"], facts["microbatches"]) == (4, 1)
    (program,) = lowered
    assert program.model.backbone.vocab_size == 32_000
    assert [tuple(spec.shape) for spec in tf.nest.flatten(program.rest)][:1] == [
        (4, program.model.backbone.max_context)
    ]
    # No weight was made.
    assert all(variable._value is None for variable in program.variables)


def test_a_run_is_found_from_anywhere(lowered, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    lowering.lower(flags("pg19_tiny", *TINY, "BATCH_SIZE = 4", vocab_size=300), replicas=4)
    with pytest.raises(UserError, match="no gin file gin/runs/pg20.gin: looked for it here and in"):
        lowering.lower(flags("pg20", vocab_size=300), replicas=4)


def test_a_run_whose_data_nothing_stands_in_for(lowered):
    with pytest.raises(UserError, match="give --vocab_size=NUMBER in their place, or DATA"):
        lowering.lower(flags("pg19_tiny"), replicas=4)
    for binding in ("DATA = '/nowhere'", "BATCH_SIZE = 4\nDATA = '/nowhere'"):
        gin.clear_config()
        with pytest.raises(UserError, match="/nowhere"):
            lowering.lower(flags("pg19_tiny", binding), replicas=4)
    assert lowered == []


def test_images_have_positions_of_three_axes(lowered):
    lowering.lower(flags("imagenet64_tiny", *TINY, "BATCH_SIZE = 8", vocab_size=259), replicas=4)
    inputs, _ = lowered[0].rest[:2]
    assert inputs["positions"].shape[-1] == 3


def test_a_run_whose_vocabulary_is_known_takes_another(lowered):
    lowering.lower(flags("copy_32_tiny", vocab_size=77), replicas=4)
    assert lowered[0].model.backbone.vocab_size == 77


@pytest.mark.parametrize(
    ("step", "rows", "share"), [("train", 64, 1), ("evaluate", 64, 3), ("decode", 8, 3)]
)
def test_each_step_has_its_rows_and_its_count_of_operations(lowered, step, rows, share):
    _, facts = lowering.lower(flags("copy_32_tiny", step=step), replicas=4)
    assert (facts["step"], facts["rows"]) == (step, rows)
    train = lowering.flops.train_step_flops(lowered[0].model, rows)
    assert facts["hand_flops"] == train // share


def test_microbatches_are_counted_one_at_a_time(lowered):
    binding = "TrainSettings.num_microbatches = 4"
    _, whole = lowering.lower(flags("copy_32_tiny"), replicas=4)
    gin.clear_config()
    _, parts = lowering.lower(flags("copy_32_tiny", binding), replicas=4)
    assert parts["microbatches"] == 4 and parts["hand_flops"] * 4 == whole["hand_flops"]


@pytest.mark.parametrize(
    ("bindings", "step", "named"),
    [
        (["BATCH_SIZE = 255"], "train", "TrainSettings.batch_size is 255, which 4 devices"),
        (
            ["TrainSettings.evaluation_batch_size = 3"],
            "evaluate",
            "TrainSettings.evaluation_batch_size is 3, which 4 devices",
        ),
        (["BATCH_SIZE = 12", "TrainSettings.num_microbatches = 2"], "train", "multiple of 8"),
        (["BooksTask.path = 'x'"], "train", "has no effect"),
    ],
)
def test_what_does_not_fit_is_refused(lowered, bindings, step, named):
    with pytest.raises(UserError, match=named):
        lowering.lower(flags("copy_32_tiny", *bindings, step=step), replicas=4)
    assert not lowered


def test_data_that_nobody_named_is_asked_for(lowered):
    with pytest.raises(UserError, match="DATA"):
        lowering.lower(flags("pg19_tiny"), replicas=4)


def test_what_tensorflow_cannot_lower_is_one_line():
    def program():
        raise ValueError("Dimension size must be\n non-negative")

    program.specs = []
    with pytest.raises(RunError, match="cannot lower this step for TPUs: .*must be non-negative$"):
        lowering._lower(program)
