"""Ctrl-C and SIGTERM to a process that draws: it leaves what was done, and says so."""

import re
import signal

import pytest
from PIL import Image

from pipelines import midi_files
from pipelines.prepare import encoders
from tests.pipelines import runs, shards
from tests.pipelines.prepare.test_encoders import SIZE, VALUES, write_images, write_music

pytestmark = pytest.mark.slow
SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


def save_run(folder, dataset, **options):
    """Directory of a run, never trained, on shards of its own."""
    if dataset == "maestro":
        write_music(folder / "raw")
    else:
        write_images(folder / "raw/train")
    encoder = encoders.make_encoder(dataset, **options)
    shards.prepare(folder / "raw", folder / "shards", dataset=dataset, encoder=encoder)
    settings = (*runs.TINY, f"DATA = '{folder / 'shards'}'", f"CONTEXT = {VALUES}")
    if dataset != "maestro":
        settings += (f"ROWS = ({SIZE + 2}, {SIZE + 2}, 5)",)
    flags = [f"--gin_file=gin/runs/{dataset}_tiny.gin", *runs.bind(*settings)]
    runs.save_untrained(folder / "run", flags, scale=0.5)
    return folder / "run"


def begin(model_dir, output, *flags):
    return runs.start(
        "pipelines.generate", f"--model_dir={model_dir}", f"--output={output}", *flags
    )


@pytest.mark.parametrize(("number", "status", "line"), SIGNALS)
def test_images_that_are_done_are_written(tmp_path, number, status, line):
    run, output = save_run(tmp_path, "imagenet64", image_size=SIZE), tmp_path / "x.png"
    process = begin(run, output, "--samples=1000000", "--batch_size=1", "--top_p=1")
    said = runs.read_until(process, " tokens/s", process.stderr)
    least = int(re.search(r"drew ([\d,]+) of", said)[1].replace(",", "")) // VALUES
    process.send_signal(number)
    ended, out, err = runs.finish(process)
    assert (ended, out) == (status, f"wrote {output}\n") and "Traceback" not in err
    done = re.search(rf"^wrote what was done: ([\d,]+) images\n{line}\n\Z", err, re.MULTILINE)
    count = int(done[1].replace(",", ""))
    assert count >= least > 1
    width, height = Image.open(output).size
    assert (width + 2) // (SIZE + 2) * ((height + 2) // (SIZE + 2)) >= count


@pytest.mark.parametrize(("number", "status", "line"), SIGNALS)
def test_performances_that_are_done_are_written(tmp_path, number, status, line):
    run, output = save_run(tmp_path, "maestro"), tmp_path / "x.mid"
    process = begin(run, output, "--samples=1000000", "--batch_size=1")
    out = runs.read_until(process, "x-2.mid\n")
    process.send_signal(number)
    ended, rest, err = runs.finish(process)
    assert ended == status and "Traceback" not in err
    files = re.findall(r"^wrote (.*)$", out + rest, re.MULTILINE)
    assert all(midi_files.read(file) is not None for file in files)
    assert err.endswith(f"wrote what was done: {len(files):,} performances\n{line}\n")


@pytest.mark.parametrize(("number", "status", "line"), SIGNALS)
def test_a_text_is_written_as_far_as_it_is(tmp_path, number, status, line):
    flags = runs.text_flags(runs.write_books(tmp_path / "books"), "CONTEXT = 40")
    runs.save_untrained(tmp_path / "run", flags, scale=0.5)
    output = tmp_path / "x.txt"
    endless = ("--slide", "--max_new_tokens=10000000", "--prompt=größe")
    process = begin(tmp_path / "run", output, *endless)
    out = runs.read_until(process, "größe")
    process.send_signal(number)
    ended, rest, err = runs.finish(process)
    assert (ended, err.splitlines()[1:]) == (status, ["compiling", line])
    assert output.read_text(encoding="utf-8") == out + rest


@pytest.mark.parametrize(("number", "status", "line"), SIGNALS)
def test_a_search_ends_at_once(tmp_path, number, status, line):
    flags = runs.text_flags(runs.write_books(tmp_path / "books"), "CONTEXT = 100000")
    runs.save_untrained(tmp_path / "run", flags, scale=0.5)
    output = tmp_path / "x.jsonl"
    process = begin(tmp_path / "run", output, "--beam=2", "--max_new_tokens=100000")
    runs.read_until(process, "searched ", process.stderr)
    process.send_signal(number)
    ended, out, err = runs.finish(process)
    assert (ended, out) == (status, "")
    assert err.endswith(f"wrote nothing: no line was done\n{line}\n")
    assert not output.exists()
