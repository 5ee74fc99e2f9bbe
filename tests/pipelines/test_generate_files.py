"""Images and music are drawn to files, and what is wrong with a file is said at once."""

import subprocess
import sys
import wave

import mido
import numpy as np
import pytest
from PIL import Image

from keras_perceiver_ar.codecs import image_codec, performance_codec
from keras_perceiver_ar.codecs.notes import make_notes
from pipelines import generate, midi_files
from pipelines.data import ShardsTask
from pipelines.generation import prompts
from pipelines.generation.prompt_files import Prompt
from pipelines.generation.request import Request
from pipelines.prepare import encoders
from tests.pipelines import runs, shards
from tests.pipelines.prepare.test_encoders import SIZE, VALUES, write_images, write_music


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs on images and on music, never trained, in a folder with a long name."""
    folder = tmp_path_factory.mktemp(
        "a folder with a name that is so long that gin breaks the line"
    )
    write_images(folder / "raw-images/train")
    write_music(folder / "raw-music")
    of_images = encoders.make_encoder("imagenet64", image_size=SIZE)
    np.save(folder / "own.npy", np.random.default_rng(1).permutation(VALUES))
    orders = {
        name: encoders.make_encoder("imagenet64", image_size=SIZE, order=order)
        for name, order in (("rgb", "rgb"), ("own", str(folder / "own.npy")))
    }
    orders["told"] = orders["own"]  # and where the next value goes
    for name, dataset, encoder in (
        ("images", "imagenet64", of_images),
        *((name, "imagenet64", encoder) for name, encoder in orders.items()),
        ("music", "maestro", encoders.make_encoder("maestro")),
    ):
        data = folder / f"shards-{name}"
        raw = folder / ("raw-music" if name == "music" else "raw-images")
        shards.prepare(raw, data, dataset=dataset, encoder=encoder)
        flags = [f"--gin_file=gin/runs/{dataset}_tiny.gin", *runs.bind(*runs.TINY)]
        flags += runs.bind(f"DATA = '{data}'", f"CONTEXT = {VALUES}")
        rows = (SIZE + 2, SIZE + 2, 5)
        if name == "told":
            flags += runs.bind(f"ROWS = {rows * 2}", "ShardsTask.target_positions = True")
        elif name != "music":
            flags += runs.bind(f"ROWS = {rows}")
        runs.save_untrained(folder / name, flags, scale=0.5)
    return folder


def draw(folder, *flags, name="images"):
    output = folder / "drawn.png"
    flags = [f"--model_dir={folder / name}", f"--output={output}", *flags]
    assert runs.call(generate.main, *flags) == 0
    return np.asarray(Image.open(output))


def test_an_image_is_drawn_to_its_last_value(folder, capsys):
    drawn = [draw(folder, f"--seed={seed}") for seed in range(3)]
    assert any(image[-1, -1, -1] > 0 for image in drawn)
    lines = capsys.readouterr().err.splitlines()
    assert lines[::3] == [f"loading step 0 of {folder / 'images'}"] * 3
    assert lines[1::3] == [f"drawing up to {VALUES} tokens"] * 3
    assert all(line.startswith(f"drew {VALUES} tokens in ") for line in lines[2::3])


def test_an_image_does_not_end_before_its_last_value(folder, capsys):
    """Though a model that was never trained, hot, says an end as soon as any value."""
    draw(folder, "--samples=20", "--batch_size=20", "--top_p=1", "--temperature=100")
    assert "the rest is black" not in capsys.readouterr().err


def test_several_images_are_those_of_the_seeds_one_by_one(folder, capsys):
    grid = draw(folder, "--samples=5", "--top_p=1", "--batch_size=2", "--max_new_tokens=40")
    assert grid.shape == (SIZE * 2 + 2, SIZE * 3 + 4, 3)
    _, first, *_, of_values, last = capsys.readouterr().err.splitlines()
    assert first == "drawing up to 40 tokens for each of 5 rows"
    assert f" of {VALUES} values of an image: the rest is black" in of_values
    assert last.startswith("drew ")
    for seed in range(5):
        top, left = seed // 3 * (SIZE + 2), seed % 3 * (SIZE + 2)
        alone = draw(folder, "--top_p=1", f"--seed={seed}", "--max_new_tokens=40")
        assert (grid[top : top + SIZE, left : left + SIZE] == alone).all()


def test_a_part_of_an_image_says_so(folder, capsys):
    image = draw(folder, "--max_new_tokens=20").reshape(-1)
    assert image[:20].any() and not image[20:].any()
    wanted = f"drew 20 of {VALUES} values of the image: the rest is black"
    assert wanted in capsys.readouterr().err.splitlines()


def test_an_image_has_no_more_values(folder, capsys):
    flags = [f"--output={folder / 'x.png'}", f"--max_new_tokens={VALUES + 1}"]
    line = runs.refusal(capsys, generate.main, f"--model_dir={folder / 'images'}", *flags)
    assert f"--max_new_tokens can be at most {VALUES}, got {VALUES + 1}" in line


def test_images_and_music_can_be_searched(folder, capsys):
    likeliest = draw(folder, "--beam=2")
    assert likeliest.shape == (SIZE, SIZE, 3) and (likeliest == draw(folder, "--beam=2")).all()
    lines = capsys.readouterr().err.splitlines()
    assert lines[1] == f"searching up to {VALUES} tokens"
    assert lines[2].startswith(f"searched {VALUES} tokens in ")
    flags = [f"--model_dir={folder / 'music'}", f"--output={folder / 'searched.mid'}", "--beam=3"]
    assert runs.call(generate.main, *flags, "--max_new_tokens=9") == 0
    assert midi_files.read(folder / "searched.mid") is not None


def test_a_search_has_no_place_for_what_is_given_behind_what_is_drawn(folder, capsys):
    path = folder / "raw-images/train/3.png"
    flags = [f"--output={folder / 'x.png'}", f"--prompt={path}", "--keep_rows=2", "--beam=2"]
    line = runs.refusal(capsys, generate.main, f"--model_dir={folder / 'rgb'}", *flags)
    assert "--beam and --keep_rows do not go together here: the order of this model" in line
    given = np.asarray(Image.open(path))
    image = draw(folder, f"--prompt={path}", "--keep_rows=2", "--beam=2")
    assert (image[:2] == given[:2]).all()


@pytest.mark.parametrize("name", ["images", "rgb", "own", "told"])
@pytest.mark.parametrize("rows", [1, SIZE - 1])
def test_the_rest_of_an_image_is_drawn_whatever_its_order(folder, name, rows):
    path = folder / "raw-images/train/3.png"
    given = np.asarray(Image.open(path))
    flags = [f"--prompt={path}", f"--keep_rows={rows}", "--samples=2", "--top_p=1"]
    grid = draw(folder, *flags, name=name)
    first, second = grid[:, :SIZE], grid[:, SIZE + 2 :]
    for image in (first, second):
        assert (image[:rows] == given[:rows]).all()
        assert (image[rows:] != given[rows:]).mean() > 0.9
    assert (first[rows:] != second[rows:]).mean() > 0.9


def test_a_completed_image_does_not_end_before_what_is_given(folder, capsys):
    """Though a model that was never trained, hot, draws an end as soon as any value."""
    path = folder / "raw-images/train/3.png"
    flags = [f"--prompt={path}", "--keep_rows=1", "--samples=20", "--top_p=1", "--temperature=100"]
    grid = draw(folder, *flags, name="own")
    given = np.asarray(Image.open(path))[0]
    rows = grid[:: SIZE + 2]
    assert all((rows[n // 5, n % 5 * (SIZE + 2) :][:SIZE] == given).all() for n in range(20))
    assert "the rest is black" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["images", "rgb", "own"])
def test_what_is_given_first_is_the_prompt_and_the_rest_is_prescribed(folder, name):
    """So that all of it is before the model in the places where it learned to see it."""
    task = ShardsTask(folder / f"shards-{name}")
    path = folder / "raw-images/train/3.png"
    request = Request((Prompt(str(path)),), keep_rows=2)
    (row,) = prompts.encode(task, request, VALUES)
    order = image_codec.order(SIZE, task.codec.order)
    events = np.concatenate([[2], image_codec.encode(np.asarray(Image.open(path)), order)])
    is_given = np.concatenate([[True], order < 2 * SIZE * 3])
    first = is_given.tolist().index(False)
    assert first == {"images": 1 + VALUES // 2, "rgb": 1 + VALUES // 6}.get(name, first)
    assert row.token_ids.tolist() == events[:first].tolist()
    if name == "images":
        assert row.forced is None
    else:
        assert row.forced.tolist() == np.where(is_given, events, 0).tolist()


def test_an_image_of_another_kind_is_no_prompt(folder, capsys, tmp_path):
    image = Image.open(folder / "raw-images/train/3.png")
    image.resize((SIZE + 1, SIZE)).save(tmp_path / "size.png")
    image.convert("RGBA").save(tmp_path / "mode.png")
    (tmp_path / "torn.png").write_bytes((folder / "raw-images/train/3.png").read_bytes()[:50])
    (tmp_path / "text.png").write_text("no image")
    for name, rows, message, at_once in (
        ("size", 2, f"has {SIZE + 1} × {SIZE} pixels and the images of this model {SIZE} ×", True),
        ("mode", 2, "has the mode RGBA, not RGB of 8 bits: convert it first", True),
        ("size", SIZE, f"--keep_rows must be an integer ≥ 1 and ≤ {SIZE - 1}, got {SIZE}", True),
        ("torn", 2, "torn.png' is no whole image", False),
        ("text", 2, "text.png' is no JPEG, PNG, GIF, WEBP image", False),
        ("none", 2, "none.png", False),
    ):
        flags = [f"--model_dir={folder / 'images'}", f"--output={tmp_path / 'x.png'}"]
        flags += [f"--prompt={tmp_path / name}.png", f"--keep_rows={rows}"]
        flags += [] if at_once else runs.bind("PerceiverARBackbone.num_latents = 4")
        assert message in runs.refusal(capsys, generate.main, *flags)
        if at_once:
            command = [sys.executable, "-c", WITHOUT_TENSORFLOW, *flags]
            done = subprocess.run(command, cwd=runs.ROOT, capture_output=True, text=True)
            assert (message in done.stdout, done.returncode) == (True, 0), done.stderr


def test_sound_comes_with_notes_and_their_picture(folder, capsys):
    output, prompt = folder / "played.wav", folder / "raw-music/2004/0.midi"
    flags = [f"--model_dir={folder / 'music'}", f"--output={output}", f"--prompt={prompt}"]
    flags += ["--prompt_seconds=1", "--max_new_tokens=20", "--samples=2", "--seed=3"]
    assert runs.call(generate.main, *flags) == 0
    files = [folder / f"played-{n}{suffix}" for n in (1, 2) for suffix in (".wav", ".mid", ".png")]
    assert capsys.readouterr().out.splitlines() == [f"wrote {file}" for file in files]
    assert not output.exists()
    for number in (1, 2):
        notes = midi_files.read(folder / f"played-{number}.mid")
        assert set(range(60, 65)) <= set(notes["pitch"].tolist())  # one every 0.21 s
        with wave.open(str(folder / f"played-{number}.wav")) as file:
            seconds = file.getnframes() / file.getframerate()
        assert seconds == pytest.approx(notes["offset"].max(), abs=0.001)
        assert Image.open(folder / f"played-{number}.png").size == (800, 500)
    first, second = (midi_files.read(folder / f"played-{number}.mid") for number in (1, 2))
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize(("seconds", "notes"), [(0.2, 1), (0.21, 2), (1.0, 5), (99.0, 8)])
def test_of_a_performance_so_many_seconds_are_the_prompt(folder, seconds, notes):
    task = ShardsTask(folder / "shards-music")
    prompt = Prompt(str(folder / "raw-music/2004/0.midi"))
    (row,) = prompts.encode(task, Request((prompt,), prompt_seconds=seconds), 1000)
    is_on = (row.token_ids >= performance_codec.NOTE_ON) & (
        row.token_ids < performance_codec.NOTE_OFF
    )
    assert row.token_ids[0] == 2 and is_on.sum() == notes
    assert performance_codec.times(row.token_ids)[-1] <= seconds


def test_a_performance_goes_on_from_a_midi_file(folder):
    output = folder / "played.mid"
    prompt = folder / "raw-music/2004/0.midi"
    flags = [f"--model_dir={folder / 'music'}", f"--output={output}", f"--prompt={prompt}"]
    assert runs.call(generate.main, *flags, "--max_new_tokens=4") == 0
    notes = [message.note for message in mido.MidiFile(output) if message.type == "note_on"]
    assert notes[:8] == list(range(60, 68))


def test_a_performance_longer_than_the_context_goes_on_from_its_beginning(folder, capsys):
    midi, output = folder / "long.mid", folder / "from-long.mid"
    onsets = np.arange(60) / 4
    midi_files.write(make_notes(onsets, onsets + 0.2, 40 + np.arange(60) % 48, [80] * 60), midi)
    flags = [f"--model_dir={folder / 'music'}", f"--output={output}", f"--prompt={midi}"]
    line = runs.refusal(capsys, generate.main, *flags)
    assert "take its beginning with --prompt_tokens" in line
    assert runs.call(generate.main, *flags, "--prompt_tokens=20", "--max_new_tokens=4") == 0
    notes = [message.note for message in mido.MidiFile(output) if message.type == "note_on"]
    assert notes[:4] == list(range(40, 44))
    assert "--prompt_tokens must be" in runs.refusal(
        capsys, generate.main, *flags, "--prompt_tokens=0"
    )


WITHOUT_TENSORFLOW = """
import sys
from pipelines import generate
from pipelines.errors import UserError
try:
    generate.main(sys.argv[1:])
except UserError as error:
    print(error)
assert "tensorflow" not in sys.modules
"""


NO_TEXT = "what this run generates is no text: give --output="


@pytest.mark.parametrize(
    ("name", "names"), [("images", "FILE.png"), ("music", "FILE.mid or FILE.wav")]
)
@pytest.mark.parametrize("output", [[], ["--output=x.jpg"]])
def test_a_file_of_another_kind_is_refused(folder, capsys, name, names, output):
    flags = [f"--model_dir={folder / name}", *output]
    wanted = f"{NO_TEXT}{names}\n"
    # A binding may change what the run is, so all of it has to be read first.
    slow = [*flags, "--gin_bindings=PerceiverARBackbone.num_latents = 4"]
    assert runs.refusal(capsys, generate.main, *slow) == f"error: {wanted}"
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, *flags]
    done = subprocess.run(command, cwd=runs.ROOT, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == (wanted, 0), done.stderr
