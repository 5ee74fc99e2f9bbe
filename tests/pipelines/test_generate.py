import pytest

from pipelines import generate
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
    ids = result["token_ids"][0, : result["lengths"][0]]
    expected = bytes(int(i) - 3 for i in ids if i > 2).decode("utf-8", errors="replace")
    for seed in (1, 2):
        text = write(
            capsys, model_dir, f"--prompt={PROMPT}", "--max_new_tokens=20", f"--seed={seed}", *flags
        )
        assert text == expected


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


def test_a_copy_model_speaks_in_numbers(copy_run, capsys):
    text = write(capsys, copy_run[0], "--prompt=7 0 255", "--max_new_tokens=4")
    numbers = [int(word) for word in text.split(" ")]
    assert numbers[:3] == [7, 0, 255]
    assert len(numbers) <= 7 and all(0 <= number < 256 for number in numbers)


@pytest.mark.parametrize("prompt", ["7 256", "7 -1", "seven"])
def test_a_copy_model_refuses_other_prompts(copy_run, capsys, prompt):
    line = runs.refusal(capsys, generate.main, f"--model_dir={copy_run[0]}", f"--prompt={prompt}")
    assert repr(prompt.split()[-1]) in line
