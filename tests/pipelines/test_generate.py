import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from pipelines import generate
from pipelines.generation.text_output import TextOutput
from tests.pipelines import runs

PROMPT = "größe 𝄞"


@pytest.fixture(scope="module")
def text_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    flags = runs.text_flags(runs.write_books(folder / "books"), "CONTEXT = 40")
    return folder / "run", runs.save_untrained(folder / "run", flags, scale=0.5)


@pytest.fixture(scope="module")
def copy_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy")
    return folder, runs.save_untrained(folder, runs.copy_flags(), scale=0.5)


def write(capsys, model_dir, *flags):
    capsys.readouterr()
    assert runs.call(generate.main, f"--model_dir={model_dir}", *flags) == 0
    return capsys.readouterr().out.removesuffix("\n")


def test_the_prompt_is_kept_and_goes_on(text_run, capsys):
    text = write(capsys, text_run[0], f"--prompt={PROMPT}", "--max_new_tokens=20")
    assert text.startswith(PROMPT) and len(text) > len(PROMPT)


def test_the_seed_decides(text_run, capsys):
    flags = (text_run[0], f"--prompt={PROMPT}", "--max_new_tokens=20")
    texts = [write(capsys, *flags, f"--seed={seed}") for seed in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("flags", [["--temperature=0"], ["--top_p=0"]])
def test_greedy_is_the_likeliest_continuation(text_run, capsys, flags):
    model_dir, model = text_run
    prompt = [2, *(byte + 3 for byte in PROMPT.encode("utf-8"))]
    result = model.generate({"token_ids": [prompt]}, 20, sampler="greedy")
    expected = text_of(result)
    for seed in (1, 2):
        text = write(
            capsys, model_dir, f"--prompt={PROMPT}", "--max_new_tokens=20", f"--seed={seed}", *flags
        )
        assert text == expected


@pytest.mark.parametrize("flag", ["--top_k=1", "--min_p=1", "--typical_p=0"])
def test_samplers_have_their_flags(text_run, capsys, flag):
    flags = (text_run[0], f"--prompt={PROMPT}", "--max_new_tokens=12", "--seed=7")
    greedy = write(capsys, *flags, "--temperature=0")
    assert write(capsys, *flags, "--top_p=1") != greedy
    assert write(capsys, *flags, "--top_p=1", flag) == greedy


def text_of(result):
    ids = result["token_ids"][0, : result["lengths"][0]].tolist()
    return bytes(i - 3 for i in ids if i > 2).decode("utf-8", errors="replace")


def test_a_penalty_keeps_bytes_from_coming_twice(text_run, capsys):
    model_dir, model = text_run
    flags = (model_dir, "--prompt=aa", "--max_new_tokens=30", "--temperature=0", "--top_p=1")
    sampler = kpar.generation.Sampler(0.0, repetition_penalty=1000.0)
    wanted = text_of(model.generate([[2, 100, 100]], 30, sampler))
    assert write(capsys, *flags, "--repetition_penalty=1000") == wanted
    assert write(capsys, *flags) != wanted


@pytest.mark.parametrize("slide", ["--slide", "--slide=7"])
def test_a_text_goes_on_where_the_context_is_full(text_run, capsys, slide):
    model_dir, model = text_run
    size = 7 if "7" in slide else "half"
    result = model.generate([[2, 100, 101, 102]], 100, "temperature", seed=3, slide=size)
    assert result["lengths"][0] > 2 * 40
    flags = ("--prompt=abc", "--max_new_tokens=100", "--top_p=1", "--seed=3")
    assert write(capsys, model_dir, *flags, slide) == text_of(result)


def test_as_much_is_written_as_there_is_room_for(copy_run, capsys):
    """In a context of 8, a prompt of 3 with its start leaves room for one token more than 5."""
    flags = (copy_run[0], "--prompt=1 2", "--temperature=0")
    assert write(capsys, *flags) == write(capsys, *flags, "--max_new_tokens=6")


def test_a_prompt_may_be_empty(text_run, capsys):
    assert write(capsys, text_run[0], "--max_new_tokens=40")


def test_prompt_and_output_may_be_files(text_run, tmp_path, capsys):
    (tmp_path / "prompt.txt").write_bytes(PROMPT.encode("utf-8"))
    flags = [f"--prompt_file={tmp_path / 'prompt.txt'}", "--max_new_tokens=9"]
    text = write(capsys, text_run[0], *flags, f"--output={tmp_path / 'text.txt'}")
    assert (tmp_path / "text.txt").read_bytes().decode("utf-8") == text + "\n"
    assert text == write(capsys, text_run[0], f"--prompt={PROMPT}", "--max_new_tokens=9")


SAMPLED = ("--max_new_tokens=20", "--top_p=1")


def test_several_samples_are_those_of_the_seeds_one_by_one(text_run, capsys):
    flags = (text_run[0], f"--prompt={PROMPT}", *SAMPLED)
    one_by_one = [write(capsys, *flags, f"--seed={seed}") for seed in (5, 6, 7)]
    assert len(set(one_by_one)) == 3
    wanted = [
        f"--- {number} of 3, seed {seed} ---\n{text}"
        for number, seed, text in zip((1, 2, 3), (5, 6, 7), one_by_one)
    ]
    assert write(capsys, *flags, "--samples=3", "--batch_size=2", "--seed=5") == "\n".join(wanted)


def test_a_file_of_prompts_becomes_one_of_continuations(text_run, tmp_path, capsys):
    """Of any length, several at once; every line is what it would be alone."""
    model_dir, model = text_run
    prompts, output = ["", PROMPT, "a"], tmp_path / "out.jsonl"
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(p) + "\n" for p in prompts))
    flags = [f"--prompts_file={tmp_path / 'in.jsonl'}", "--samples=2", "--batch_size=4", *SAMPLED]
    said = write(capsys, model_dir, *flags, "--seed=3", f"--output={output}")
    assert said == f"wrote {output}"
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [line["prompt"] for line in lines] == [p for p in prompts for _ in range(2)]
    assert [line["seed"] for line in lines] == list(range(3, 9))
    for line in lines:
        ids = [2, *(byte + 3 for byte in line["prompt"].encode())]
        wanted = model.generate([ids], 20, sampler="temperature", seed=line["seed"])
        new = wanted["token_ids"][0, len(ids) : wanted["lengths"][0]]
        assert line["tokens"] == len(new)
        assert line["text"] == bytes(int(i) - 3 for i in new if i > 2).decode(errors="replace")
        assert line["log_prob"] == pytest.approx(np.nansum(wanted["log_probs"]), abs=1e-3)


def test_a_file_of_lines_is_printed_one_by_one(text_run, tmp_path, capsys):
    (tmp_path / "in.txt").write_text("one\ntwo\n")
    flags = [f"--prompts_file={tmp_path / 'in.txt'}", "--max_new_tokens=1"]
    text = write(capsys, text_run[0], *flags)
    assert text.startswith("--- 1 of 2, seed 0 ---\none")
    assert "\n--- 2 of 2, seed 1 ---\ntwo" in text


def test_a_run_ends_with_what_it_took(text_run, capsys):
    flags = (f"--model_dir={text_run[0]}", "--prompt=abc", "--temperature=0", "--max_new_tokens=7")
    assert runs.call(generate.main, *flags) == 0
    loading, compiling, line = capsys.readouterr().err.splitlines()
    assert (loading, compiling) == (f"loading step 0 of {text_run[0]}", "compiling")
    assert line.startswith("drew 7 tokens in ")
    assert "tokens/s); before them, reading 4 tokens of prompts took " in line
    assert line.endswith(" s") and "s, and compiling " in line


def test_ctrl_c_leaves_what_was_written(text_run, capsys, monkeypatch, tmp_path):
    whole = write(capsys, text_run[0], f"--prompt={PROMPT}", *SAMPLED)
    see, seen = TextOutput.see, []

    def see_and_interrupt(output, *step):
        see(output, *step)
        seen.append(step)
        if len(seen) == 6:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(TextOutput, "see", see_and_interrupt)
    output = tmp_path / "cut.txt"
    flags = (f"--model_dir={text_run[0]}", f"--prompt={PROMPT}", f"--output={output}", *SAMPLED)
    assert runs.call(generate.main, *flags) == 130
    out, err = capsys.readouterr()
    assert err.splitlines()[1:] == ["compiling", "interrupted"] and len(seen) == 6
    assert out.endswith("\n") and output.read_text(encoding="utf-8") == out
    assert whole.startswith(out.rstrip("\n\ufffd")) and len(PROMPT) < len(out) < len(whole)


WITHOUT_TENSORFLOW = """
import sys
from pipelines import command_line, generate
try:
    command_line.run(lambda: generate.main(sys.argv[1:]))
finally:
    assert "tensorflow" not in sys.modules
"""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--prompt_file=empty.txt"], "empty.txt is empty"),
        (["--prompt_file=latin.txt"], "latin.txt is not UTF-8 (byte 1)"),
        (["--prompts_file=lines.txt"], "line 2 of lines.txt has 41 tokens and the context of the"),
        ([f"--prompt={'a' * 40}"], "the prompt has 41 tokens and the context of the model is 40"),
        (["--output=a.png"], "what this run generates is text: give --output=FILE.txt"),
        (["--output=none/a.txt"], "cannot write 'none/a.txt': there is no folder 'none'"),
        (["--keep_rows=3"], "--keep_rows is for images"),
        (["--samples=0"], "--samples: must be an integer ≥ 1 and ≤ 1000000, got '0'"),
        ([f"--samples={10**14}"], "--samples: must be an integer ≥ 1 and ≤ 1000000, got '1000"),
        (["--slide", f"--max_new_tokens={10**10}"], "--max_new_tokens: must be an integer ≥ 1"),
        (["--prompts_file=half.jsonl"], r"line 1 of half.jsonl holds \ud800, half a surrogate"),
    ],
)
def test_bad_input_is_refused_at_once(text_run, tmp_path, flags, message):
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "half.jsonl").write_text(r'"a\ud800"')
    (tmp_path / "latin.txt").write_bytes(b"a\xe9")
    (tmp_path / "lines.txt").write_text("a\n" + "a" * 40 + "\n")
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, f"--model_dir={text_run[0]}", *flags]
    environment = {**os.environ, "PYTHONPATH": str(runs.ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 2), done.stderr
    assert message in runs.error_line(done.stderr)


def test_the_same_is_refused_later_where_a_binding_might_change_it(text_run, tmp_path, capsys):
    (tmp_path / "lines.txt").write_text("a\n" + "a" * 40 + "\n")
    flags = [f"--model_dir={text_run[0]}", *runs.bind("PerceiverARBackbone.num_latents = 3")]
    line = runs.refusal(capsys, generate.main, *flags, f"--prompts_file={tmp_path / 'lines.txt'}")
    assert "line 2 of " in line and "has 41 tokens and the context of the model is 40" in line
    line = runs.refusal(capsys, generate.main, *flags, "--output=a.png")
    assert "what this run generates is text" in line
    (tmp_path / "lines.txt").write_text("a\n" + "a" * 30 + "\n")
    many = (f"--prompts_file={tmp_path / 'lines.txt'}", "--max_new_tokens=11")
    line = runs.refusal(capsys, generate.main, *flags, *many)
    assert "line 2 of " in line and "--max_new_tokens can be at most 10, got 11; with" in line
    flags = (f"--model_dir={text_run[0]}", "--prompt=a")
    assert "`top_p` must lie" in runs.refusal(capsys, generate.main, *flags, "--top_p=2")
    line = runs.refusal(capsys, generate.main, *flags, "--slide=40")
    assert "--slide must be at most 39 for this model, whose context is 40 " in line
    begun = ("loading ", "compiling")
    line = runs.refusal_after(begun, capsys, generate.main, *flags, f"--seed={2**70}")
    assert "`seed` must be" in line


def test_a_copy_model_speaks_in_numbers(copy_run, capsys):
    text = write(capsys, copy_run[0], "--prompt=7 0 255", "--max_new_tokens=4")
    numbers = [int(word) for word in text.split(" ")]
    assert numbers[:3] == [7, 0, 255]
    assert len(numbers) <= 7 and all(0 <= number < 256 for number in numbers)


@pytest.mark.parametrize("prompt", ["7 256", "7 -1", "seven"])
def test_a_copy_model_refuses_other_prompts(copy_run, capsys, prompt):
    line = runs.refusal(capsys, generate.main, f"--model_dir={copy_run[0]}", f"--prompt={prompt}")
    assert repr(prompt.split()[-1]) in line
