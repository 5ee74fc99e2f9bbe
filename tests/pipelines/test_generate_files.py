"""Images and music are drawn to files, and what is wrong with a file is said at once."""

import subprocess
import sys

import mido
import numpy as np
import pytest
from PIL import Image

from keras_perceiver_ar.codecs.notes import make_notes
from pipelines import generate, midi_files
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
    for name, dataset, encoder in (
        ("images", "imagenet64", of_images),
        ("music", "maestro", encoders.make_encoder("maestro")),
    ):
        data = folder / f"shards-{name}"
        shards.prepare(folder / f"raw-{name}", data, dataset=dataset, encoder=encoder)
        flags = [f"--gin_file=gin/runs/{dataset}_tiny.gin", *runs.bind(*runs.TINY)]
        flags += runs.bind(f"DATA = '{data}'", f"CONTEXT = {VALUES}")
        if name == "images":
            flags += runs.bind(f"ROWS = ({SIZE + 2}, {SIZE + 2}, 5)")
        runs.save_untrained(folder / name, flags, scale=0.5)
    return folder


def draw(folder, *flags):
    output = folder / "drawn.png"
    flags = [f"--model_dir={folder / 'images'}", f"--output={output}", *flags]
    assert runs.call(generate.main, *flags) == 0
    return np.asarray(Image.open(output))


def test_an_image_is_drawn_to_its_last_value(folder, capsys):
    drawn = [draw(folder, f"--seed={seed}") for seed in range(3)]
    assert any(image[-1, -1, -1] > 0 for image in drawn)
    lines = capsys.readouterr().err.splitlines()
    assert lines[::2] == [f"drawing up to {VALUES} tokens"] * 3
    assert all(line.startswith(f"drew {VALUES} tokens in ") for line in lines[1::2])


def test_an_image_has_no_end_before_its_last_value(folder):
    """A model that was never trained would end some of them; no image that it read ever did."""
    grid = draw(folder, "--samples=5", "--temperature=3", "--top_p=1", "--batch_size=2")
    assert grid.shape == (SIZE * 2 + 2, SIZE * 3 + 4, 3)
    alone = [draw(folder, "--temperature=3", "--top_p=1", f"--seed={seed}") for seed in range(5)]
    for number, image in enumerate(alone):
        top, left = number // 3 * (SIZE + 2), number % 3 * (SIZE + 2)
        assert (grid[top : top + SIZE, left : left + SIZE] == image).all()
        assert image.any((1, 2)).all()


def test_a_part_of_an_image_says_so(folder, capsys):
    image = draw(folder, "--max_new_tokens=20").reshape(-1)
    assert image[:20].any() and not image[20:].any()
    wanted = f"drew 20 of {VALUES} values of the image: the rest is black"
    assert wanted in capsys.readouterr().err.splitlines()


def test_an_image_has_no_more_values(folder, capsys):
    flags = [f"--output={folder / 'x.png'}", f"--max_new_tokens={VALUES + 1}"]
    line = runs.refusal(capsys, generate.main, f"--model_dir={folder / 'images'}", *flags)
    assert f"--max_new_tokens can be at most {VALUES}, got {VALUES + 1}" in line


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
