"""`--beam` finds what `BeamSearch` finds, and goes with nothing that draws."""

import json

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from pipelines import generate
from tests.pipelines import runs

PROMPT, NEW = "größe 𝄞", 12


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Directory and model of a run on text."""
    folder = tmp_path_factory.mktemp("text")
    flags = runs.text_flags(runs.write_books(folder / "books"), "CONTEXT = 40")
    return folder / "run", runs.save_untrained(folder / "run", flags, scale=0.5)


def search(model, prompt, width, length_penalty=0.0):
    """Continuation and result of the search itself."""
    ids = [2, *(byte + 3 for byte in prompt.encode())]
    beams = kpar.generation.BeamSearch(width, length_penalty)
    found = model.generate([ids], NEW, beams)
    new = found["token_ids"][0, len(ids) : found["lengths"][0]]
    return bytes(int(i) - 3 for i in new if i > 2).decode(errors="replace"), found


def test_the_likeliest_text_is_printed_once_it_is_found(run, capsys):
    model_dir, model = run
    flags = [f"--model_dir={model_dir}", f"--prompt={PROMPT}", f"--max_new_tokens={NEW}"]
    capsys.readouterr()
    assert runs.call(generate.main, *flags, "--beam=3") == 0
    out, err = capsys.readouterr()
    text, _ = search(model, PROMPT, 3)
    assert out == f"{PROMPT}{text}\n"
    *_, compiling, line = err.splitlines()
    assert compiling == "compiling"
    assert line.startswith(f"searched {NEW} tokens in ")


def test_prompts_of_a_file_are_searched_in_batches(run, tmp_path, capsys):
    model_dir, model = run
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(p) + "\n" for p in ("a", PROMPT, "")))
    output = tmp_path / "out.jsonl"
    flags = [f"--model_dir={model_dir}", f"--prompts_file={tmp_path / 'in.jsonl'}"]
    flags += [f"--max_new_tokens={NEW}", "--batch_size=2", f"--output={output}"]
    assert runs.call(generate.main, *flags, "--beam=4", "--length_penalty=1") == 0
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [line["prompt"] for line in lines] == ["a", PROMPT, ""]
    for line in lines:
        text, found = search(model, line["prompt"], 4, 1.0)
        assert (line["text"], line["seed"]) == (text, None)
        assert line["log_prob"] == pytest.approx(np.nansum(found["log_probs"]), abs=1e-3)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--beam=2", "--temperature=1"], "--temperature is for drawing and --beam draws nothing"),
        (["--beam=2", "--top_p=0.95"], "--top_p is for drawing and --beam draws nothing"),
        (["--beam=2", "--top_k=0"], "--top_k is for drawing and --beam"),
        (["--beam=2", "--seed=0"], "--seed is for drawing and --beam"),
        (["--beam=2", "--samples=2"], "--samples and --beam do not go together"),
        (["--beam=2", "--slide"], "--slide and --beam do not go together"),
        (["--length_penalty=1"], "--length_penalty ranks what --beam finds: give --beam=WIDTH"),
        (["--beam=0"], "--beam: must be an integer ≥ 1 and ≤ 1024, got '0'"),
        (["--beam=1000000000"], "--beam: must be an integer ≥ 1 and ≤ 1024"),
        (["--beam=2", "--length_penalty=nan"], "`length_penalty` must be a number between"),
        (["--beam=2", "--length_penalty=1e9"], "`length_penalty` must be a number between"),
    ],
)
def test_what_does_not_go_with_it(run, capsys, flags, message):
    line = runs.refusal(capsys, generate.main, f"--model_dir={run[0]}", "--prompt=a", *flags)
    assert message in line
