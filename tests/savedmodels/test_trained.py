"""Models of experiments, exported with their cards, whose commands are followed."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines import midi_files
from pipelines.experiment import table
from savedmodels import trained
from tests.pipelines import runs
from tests.pipelines.experiment import (
    npy_sets,
    test_copy_experiment,
    test_document_experiments,
    test_orders_experiment,
    test_piano_experiment,
)
from tests.savedmodels.test_shell_text import read_back

slow = pytest.mark.slow


def places(output):
    return f"--experiment={output / 'made'}", f"--output={output / 'exported'}"


def export(kind, output, *flags):
    """Card and exported model."""
    words = [kind, *places(output), *flags]
    assert runs.call(trained.main, *words) == 0
    card = (output / "exported" / "README.md").read_text(encoding="utf-8")
    # It makes itself anew: a shell reads the very arguments back.
    command = re.search(r"## To make it anew.*?```bash\n(.*?)```", card, re.DOTALL)[1]
    assert read_back(command) == ["python", "-m", "savedmodels.trained", *words]
    return card, tf.saved_model.load(str(output / "exported" / "1"))


def follow(card, folder):
    """What the commands and programs printed that a card has for asking its model."""
    asked = re.search(r"## Ask it\n(.*?)\n## ", card, re.DOTALL)[1]
    environment = {**os.environ, "PYTHONPATH": str(runs.ROOT), "KERAS_BACKEND": "tensorflow"}
    folder.mkdir()
    (folder / "savedmodels").symlink_to(runs.ROOT / "savedmodels")
    printed = []
    for language, text in re.findall(r"```(bash|python)\n(.*?)```", asked, re.DOTALL):
        start = f"python() {{ '{sys.executable}' \"$@\"; }}\n"
        words = ["bash", "-c", start + text] if language == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{text}\n{done.stderr}"
        printed.append(done.stdout)
    return printed


@slow
def test_copies(tmp_path, capsys):
    flags = runs.bind(*test_copy_experiment.SMALL)
    card, served = export("copy", tmp_path, *flags)
    assert "| context, latents | 32, 8 |" in card and "nobody's" in card
    assert "| training | 8 steps in" in card and "last of 2 stages had 4 |" in card
    assert set(served.signatures) == {"serving_default", "score", "generate"}
    said = capsys.readouterr()
    assert "its card is" in said.out
    weights = tmp_path / "made" / "copy"
    first, *_ = said.err.splitlines()
    assert "that of the experiment copy" in first and "trained now" in first
    # Half a sequence, and the ids that mirror its end beside those that were drawn.
    *_, compared = follow(card, tmp_path / "asked")
    wanted, drawn = json.loads(f"[{compared.replace('] [', '], [')}]")
    assert len(wanted) == len(drawn) == 8 and all(3 <= each < 259 for each in wanted)
    # Again it makes the next version of the same weights, and trains nothing.
    assert runs.call(trained.main, "copy", *places(tmp_path), *flags) == 0
    first, *others = capsys.readouterr().err.splitlines()
    assert f"{weights}_32.weights.h5 is there, of step 4;" in first
    assert not [line for line in others if "| step " in line]
    assert (tmp_path / "exported" / "2" / "saved_model.pb").exists()
    card = (tmp_path / "exported" / "README.md").read_text(encoding="utf-8")
    assert f"| version | 2 of `{tmp_path / 'exported'}`, exported on 2" in card


@slow
def test_images_are_drawn_of_colour_values_at_their_places(tmp_path):
    sets = {
        "RASTER": npy_sets.make_images(tmp_path, "raster"),
        "PERMUTED": npy_sets.make_images(tmp_path, "own", list(range(47, -1, -1))),
        "RGB": "unused",
    }
    data = [f"{name} = '{folder}'" for name, folder in sets.items()]
    # The model that is kept is that of the first order, whatever DATA is.
    first = "OrdersExperiment.folders = {'permuted': %PERMUTED, 'raster': %RASTER}"
    file = npy_sets.write_gin(tmp_path / "gin", *data, *test_orders_experiment.SMALL, first)
    card, _ = export("images", tmp_path, file)
    assert "`--dataset=imagenet64`" in card and "non-commercial" in card
    assert "| train | 6 |" in card and "--order=raster" in card
    assert "| weights | `orders_permuted_0.weights.h5`" in card
    assert "images of 4 × 4 pixels" in card and "| 8.000 |" in card
    follow(card, tmp_path / "asked")
    answer = json.loads((tmp_path / "asked" / "drawn.json").read_text())
    (ids,) = np.array(answer["token_ids"])
    assert ids.shape == (49,) and (ids[1:] >= 3).all()
    with Image.open(tmp_path / "asked" / "drawn.png") as image:
        values = np.array(image.convert("RGB")).reshape(-1)
    assert values.tolist() == (ids[:0:-1] - 3).tolist()


@slow
def test_music_becomes_midi(tmp_path):
    music = npy_sets.make_music(tmp_path)
    file = npy_sets.write_gin(tmp_path / "gin", f"DATA = '{music}'", *test_piano_experiment.SMALL)
    splits = runs.bind("Language.splits = ('validation', 'test')")
    told = ("--data_name=Scales of  a test", "--data_licence=CC0")
    card, _ = export("piano", tmp_path, file, *splits, *told)
    assert "**Scales of a test**. Licence: CC0" in card and "CC BY-NC-SA" not in card
    assert "| test | 1 of 1 |" in card and "| 5.961 | 1.82 |" in card
    assert "for seconds" not in card and "two cores" not in card
    follow(card, tmp_path / "asked")
    assert midi_files.mido.MidiFile(tmp_path / "asked" / "drawn.mid").type == 0


@slow
def test_books_go_on_after_a_prompt(tmp_path, capsys):
    books = npy_sets.make_books(tmp_path)
    (tmp_path / "made").mkdir()
    # Another experiment was there before: its model is not this one.
    table.Table(tmp_path / "made" / "context.csv").add([{"context": 16}])
    small = (*test_document_experiments.MODEL, *test_document_experiments.SETTINGS["latents_books"])
    longer = ("LatentsExperiment.context = 64", "Language.documents = 1")
    card, _ = export("books", tmp_path, *runs.bind(f"DATA = '{books}'", *small, *longer))
    first, *_ = capsys.readouterr().err.splitlines()
    assert (
        "experiment latents_books: " in first and "latents_books.weights.h5 is not there" in first
    )
    assert "Intervals" not in card and "intervals" not in card  # of one document there are none
    assert "| validation | 1 of 2 |" in card
    (answer,) = map(json.loads, follow(card, tmp_path / "asked"))
    assert len(answer["text"]) == 1


def test_a_kind_that_there_is_not(tmp_path, capsys):
    line = runs.refusal(capsys, trained.main, "video", *places(tmp_path))
    assert "video" in line and "piano" in line


def test_books_are_of_text(tmp_path, capsys):
    music = npy_sets.make_music(tmp_path)
    flags = runs.bind(f"DATA = '{music}'")
    line = runs.refusal(capsys, trained.main, "books", *places(tmp_path), *flags)
    assert music in line and "holds no text but performance" in line


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--data_licence=CC0", "random ids: leave --data_name and --data_licence out"),
        ("--data_name= ", "--data_name: must not be empty"),
        ("--output=gs://bucket/a", "--output must be a local folder"),
    ],
)
def test_what_would_fail_or_mislead_after_the_training(tmp_path, capsys, flag, said):
    line = runs.refusal(capsys, trained.main, "copy", *places(tmp_path), flag)
    assert said in line


def test_the_help_says_whose_model_a_kind_is(capsys):
    with pytest.raises(SystemExit):
        trained.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "books of latents_books, images of orders" in said
