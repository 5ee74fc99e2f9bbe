"""Positions of the data against the model's tables."""

import types

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from pipelines import evaluate, generate, train
from pipelines.errors import UserError
from pipelines.position_checks import check_positions
from pipelines.prepare import encoders
from savedmodels import export
from tests.pipelines import runs, shards


def backbone(positions):
    sizes = {"num_layers": 1, "width": 8, "num_heads": 2}
    return kpar.models.PerceiverARBackbone(259, 8, 4, positions=positions, **sizes)


def tables(*rows):
    return kpar.layers.PositionEmbedding(rows, 8, kind="learned")


def images(*highest):
    """A task whose positions go up to these."""
    return types.SimpleNamespace(positions=np.array([[1] * len(highest), highest]))


TEXT = types.SimpleNamespace(positions=None)


@pytest.mark.parametrize(
    ("task", "positions"),
    [
        (images(5, 6, 4), tables(6, 7, 5)),
        (images(5, 6, 4), tables(9, 9, 9)),
        (images(500, 6, 4), kpar.layers.RotaryEmbedding(100, num_index_dimensions=3)),
        (images(5), tables(6 + 2)),
        (TEXT, tables(9)),
        (TEXT, "rotary"),
        (object(), "rotary"),
    ],
)
def test_positions_that_fit(task, positions):
    check_positions(task, backbone(positions))


@pytest.mark.parametrize(
    ("task", "positions", "message"),
    [
        (images(6, 6, 4), tables(6, 7, 5), r"reach \(6, 6, 4\), but PositionEmbedding.num_rows is"),
        (images(5, 6, 5), tables(6, 7, 5), r"set PositionEmbedding.num_rows = \(6, 7, 6\)"),
        (images(9), tables(9), r"reach \(9,\)"),
        (images(5, 6, 4), "rotary", r"has positions of 3 axes, but RotaryEmbedding.* is for 1: .*"),
        (images(5, 6, 4), tables(9, 9), "has positions of 3 axes, but PositionEmbedding.* for 2"),
        (images(5, 6, 4), tables(*[9] * 6), "for 6: .* or target_positions = True where the data"),
        (
            TEXT,
            tables(9, 9, 9),
            "counts positions 1, 2, …, but PositionEmbedding.num_rows is for 3",
        ),
    ],
)
def test_positions_that_do_not_fit_are_named(task, positions, message):
    with pytest.raises(UserError, match=message):
        check_positions(task, backbone(positions))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A set of images of 2 × 2 pixels, and one of 4 × 4."""
    folder = tmp_path_factory.mktemp("pictures")
    shards.write_images(folder / "png")
    for size in (2, 4):
        encoder = encoders.make_encoder("imagenet64", image_size=size)
        shards.prepare(folder / "png", folder / f"{size}", dataset="imagenet64", encoder=encoder)
    return folder


def flags(run, folder, *bindings):
    return [
        f"--gin_file=gin/runs/{run}.gin",
        *runs.bind(*runs.TINY, f"DATA = '{folder}'", *bindings),
    ]


WIDTHS = ("PositionEmbedding.width = 16", "PerceiverARBackbone.input_width = 16")
ROWS_OF_2 = "ROWS = (4, 4, 5)"


def test_every_command_refuses_images_beyond_the_tables(pictures, tmp_path, capsys):
    run = tmp_path / "run"
    arguments = flags("imagenet64_tiny", pictures / "2", *WIDTHS, ROWS_OF_2)
    runs.save_untrained(run, arguments)
    larger = runs.bind(f"DATA = '{pictures / '4'}'")
    for main, more in (
        (train.main, arguments),
        (evaluate.main, []),
        (generate.main, [f"--output={tmp_path / 'a.png'}"]),
        (export.main, [f"--output={tmp_path / 'exported'}"]),
    ):
        line = runs.refusal(capsys, main, *more, *larger, f"--model_dir={run}")
        assert "reach (5, 5, 4), but PositionEmbedding.num_rows is (4, 4, 5)" in line
        assert "num_rows = (6, 6, 5)" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_run_file_of_text_over_images_and_the_other_way_round(pictures, tmp_path, capsys):
    model_dir = f"--model_dir={tmp_path / 'run'}"
    line = runs.refusal(capsys, train.main, *flags("pg19_tiny", pictures / "2"), model_dir)
    assert "imagenet64_tiny.gin" in line and "num_rows = (4, 4, 5)" in line
    shards.write_books(tmp_path / "books", (100,))
    shards.prepare(tmp_path / "books", tmp_path / "text")
    arguments = flags("imagenet64_tiny", tmp_path / "text", *WIDTHS, ROWS_OF_2)
    assert "pg19_tiny.gin" in runs.refusal(capsys, train.main, *arguments, model_dir)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("context", [4, 40])
def test_a_context_shorter_or_longer_than_an_image_trains(pictures, tmp_path, capsys, context):
    # SOS and 12 values.
    sizes = (f"CONTEXT = {context}", ROWS_OF_2, "STEPS = 3", *WIDTHS)
    arguments = flags("imagenet64_tiny", pictures / "2", *sizes)
    model_dir = f"--model_dir={tmp_path / 'run'}"
    assert runs.call(train.main, *arguments, model_dir, "--mode=train_and_evaluate") == 0
    assert "evaluation of step 3 | bits_per_dim" in capsys.readouterr().out
