"""Models of experiments, exported with their cards; that of books in `test_experiments_page`."""

import numpy as np
import pytest
import tensorflow as tf

from savedmodels import trained
from tests.pipelines import runs
from tests.pipelines.experiment import npy_sets, test_copy_experiment, test_orders_experiment
from tests.savedmodels import exports

pytestmark = pytest.mark.slow


def places(output):
    return f"--experiment={output / 'made'}", f"--output={output / 'exported'}"


def export(kind, output, *flags):
    assert runs.call(trained.main, kind, *places(output), *flags) == 0
    card = (output / "exported" / "README.md").read_text(encoding="utf-8")
    return card, tf.saved_model.load(str(output / "exported" / "1"))


def test_copies(tmp_path, capsys):
    flags = runs.bind(*test_copy_experiment.SMALL)
    card, served = export("copy", tmp_path, *flags)
    assert "| context, latents | 32, 8 |" in card and "nobody's" in card
    assert "2 steps" not in card and "| training | 4 steps in" in card
    assert set(served.signatures) == {"serving_default", "score", "generate"}
    assert "its card is" in capsys.readouterr().out
    # Again it makes the next version of the same weights, and trains nothing.
    assert runs.call(trained.main, "copy", *places(tmp_path), *flags) == 0
    assert "step" not in capsys.readouterr().err.split("compiling")[0]
    assert (tmp_path / "exported" / "2" / "saved_model.pb").exists()


def test_images_are_drawn_of_colour_values_at_their_places(tmp_path):
    sets = {
        "RASTER": npy_sets.make_images(tmp_path, "raster"),
        "PERMUTED": npy_sets.make_images(tmp_path, "own", list(range(47, -1, -1))),
        "RGB": "unused",
    }
    data = [f"{name} = '{folder}'" for name, folder in sets.items()]
    file = npy_sets.write_gin(tmp_path / "gin", *data, *test_orders_experiment.SMALL)
    card, served = export("images", tmp_path, file)
    assert "`imagenet64`" in card and "non-commercial" in card and "train: 6 documents" in card
    inputs = exports.sampling(2, max_new_tokens=(48, 48))
    drawn = exports.ask(served, "generate", token_ids=[[2]] * 2, lengths=[1, 1], **inputs)
    ids = np.asarray(drawn["token_ids"])
    assert ids.shape == (2, 49) and (ids[:, 1:] >= 3).all()


def test_a_kind_that_there_is_not(tmp_path, capsys):
    line = runs.refusal(capsys, trained.main, "video", *places(tmp_path))
    assert "video" in line and "piano" in line
