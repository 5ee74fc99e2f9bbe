"""Every command and example of docs/guides runs, at a small size.

Those of serve_it.md run in test_serving_page.py, the example of use_the_layers.md in test_docs.py.
"""

import ast
import pickle
import re
import sys

import numpy as np
import pytest
from PIL import Image

import keras_perceiver_ar as kpar
from keras_perceiver_ar.convert.settings import make_model
from pipelines import image_files, midi_files
from tests.golden import test_published as published
from tests.pipelines.prepare.test_encoders import write_images, write_music
from tests.repository import pages
from tests.repository.test_tpu_page import check_compiles

SMALL = ("STEPS = 2", "WARMUP_STEPS = 1", "DECAY_STEPS = 1")
WAY = ("prepare", "prepare", "train", "evaluate", "generate")


def write_texts(folder):
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.txt").write_text("It was a dark and stormy night. " * 200)


def write_pictures(folder):
    for split, number in (("train", 3), ("valid", 2)):
        write_images(folder / split, number, size=16)


def follow(repository, folder, guide, write, raw, name, prompt=None, more=()):
    """Runs a guide from raw data to an export; what each command was and printed."""
    write(folder / raw)
    places = {f"/path/to/{raw}": folder / raw}
    if prompt:
        places |= {f"/path/to/a.{prompt.rsplit('.')[-1]}": folder / raw / prompt}
    places |= {
        f"savedmodels/{name}": folder / "exported",
        f"runs/{name}": folder / "run",
        "shards/": f"{folder}/shards-",
    }
    bindings = [f"--gin_bindings={binding}" for binding in (*SMALL, *more)]
    page = repository / "docs" / "guides" / guide
    ran = pages.run_commands(page, repository, places, {"pipelines.train": bindings})
    modules = [module.removeprefix("pipelines.") for module, *_ in ran]
    assert modules[:5] == list(WAY)
    assert modules[-2:] == ["savedmodels.export", "savedmodels/try_plain.py"]
    assert "step 2/2" in ran[2][2] and (folder / "run" / "metrics.json").exists()
    assert "step 2 of" in ran[-2][2]
    return [printed for *_, printed in ran]


@pytest.mark.slow
def test_text(repository, tmp_path):
    printed = follow(
        *(repository, tmp_path, "train_on_my_text.md", write_texts, "texts", "texts"),
        more=("CONTEXT = 256", "LATENTS = 64"),
    )
    assert "It was a dark" in printed[1] and "bits_per_byte" in printed[3]
    assert printed[4].startswith("It was ") and '"text": [' in printed[6]


@pytest.mark.slow
def test_images(repository, tmp_path):
    guide = "train_on_my_images.md"
    printed = follow(
        *(repository, tmp_path, guide, write_pictures, "images", "small", "train/0.png")
    )
    assert (tmp_path / "shards-small-examples" / "train-examples.png").exists()
    assert "bits_per_dim" in printed[3] and '"token_ids": [[2, ' in printed[8]
    assert Image.open(tmp_path / "run" / "drawn.png").size == (2 * 16 + 2,) * 2
    given = image_files.read(tmp_path / "images/train/0.png", 16)
    completed = image_files.read(tmp_path / "run" / "completed.png", 16)
    assert (completed[:8] == given[:8]).all() and (completed[8:] != given[8:]).any()


@pytest.mark.slow
def test_midi(repository, tmp_path):
    guide = "train_on_my_midi.md"
    printed = follow(
        *(repository, tmp_path, guide, write_music, "midi", "midi", "2004/0.midi"),
    )
    assert list((tmp_path / "shards-midi-examples").glob("*.mid")) and "loss" in printed[3]
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"played.wav", "played.mid", "played.png", "continued.mid"}
    prompt = midi_files.read(tmp_path / "run" / "continued.mid")[:8]
    assert prompt["pitch"].tolist() == list(range(60, 68))
    assert '"token_ids": [[2, ' in printed[7]


@pytest.fixture(scope="module")
def converting(repository):
    return repository / "docs" / "guides" / "convert_the_released_checkpoint.md"


def config_of(example):
    """What an example assigns to `config`."""
    (value,) = (
        statement.value
        for statement in ast.parse(example).body
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "config"
    )
    return ast.literal_eval(value)


def test_the_settings_are_those_of_the_original(converting):
    config = config_of(pages.blocks(converting, "python")[0])
    settings, (vocabulary, context, rows), _ = published.SWEEPS["random_mirrored_32"]
    assert config == {
        "num_classes": vocabulary,
        "max_context_length": context,
        "input_idx_size": rows,
        "model_kwargs": published.RELEASED | settings,
    }
    count = published.make("random_mirrored_32").count_params()
    assert f"# {count:,}\n" in converting.read_text(encoding="utf-8")


@pytest.mark.slow
def test_converting(repository, converting, tmp_path):
    narrow = [block.replace(": 1024,", ": 32,") for block in pages.blocks(converting, "python")]
    original = kpar.convert.to_original(make_model(config_of(narrow[0])))
    draw, params = np.random.default_rng(0), {}
    for name, array in original.items():
        module, entry = name.rsplit("/", 1)
        is_table = entry == "embeddings" and "embed_1" in module  # frozen, and compared
        noise = 0 if is_table else draw.normal(size=array.shape)
        params.setdefault(module, {})[entry] = (array + noise).astype("float32")
    (tmp_path / "step_25000").mkdir()
    checkpoint = {"global_step": 25000, "params": params, "state": {}, "opt_state": ()}
    (tmp_path / "step_25000" / "checkpoint.dill").write_bytes(pickle.dumps(checkpoint))
    for block in narrow:
        code = block.replace("/path/to/", f"{tmp_path}/")
        printed = pages.run([sys.executable, "-c", code], repository, cwd=tmp_path)
    assert printed == "(1, 32)\n"
    places = {
        "original.keras": tmp_path / "original.keras",
        "runs/converted": tmp_path / "run",
        "savedmodels/converted": tmp_path / "exported",
    }
    small = ("STEPS = 1", "WARMUP_STEPS = 1", "DECAY_STEPS = 1", "PerceiverARBackbone.width = 32")
    small += ("CopyTask.evaluation_examples = 8",)
    extra = {"pipelines.train": [f"--gin_bindings={binding}" for binding in small]}
    trained, evaluated, exported = (
        printed for *_, printed in pages.run_commands(converting, repository, places, extra)
    )
    matched, weights = re.search(r"(\d+) of (\d+) weights match", trained).groups()
    assert matched == weights == str(len(original) - 1)
    assert "accuracy" in evaluated and "step 1 of" in exported


@pytest.mark.slow
def test_a_pod(repository, tmp_path, monkeypatch):
    commands = list(pages.commands(repository / "docs" / "guides" / "run_on_a_pod.md"))
    look, compile_ = commands
    here = [sys.executable, *look[1:]]
    here[here.index("--model_dir=runs/copy_131072")] = f"--model_dir={tmp_path}"
    assert "89,757,955" in pages.run(here, repository, cwd=repository)
    check_compiles(compile_, monkeypatch)
