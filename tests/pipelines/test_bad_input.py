"""Whatever a person gets wrong: one line that names it, status 2, and nothing saved is lost."""

import json
import shutil

import pytest

from pipelines import evaluate, generate, train
from savedmodels import export
from tests.pipelines import runs


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    return runs.write_books(tmp_path_factory.mktemp("data") / "books")


@pytest.fixture(scope="module")
def text_dir(tmp_path_factory, books):
    model_dir = tmp_path_factory.mktemp("text")
    runs.save_untrained(model_dir, runs.text_flags(books), step=3)
    runs.save_untrained(model_dir, runs.text_flags(books), step=6)
    return model_dir


@pytest.fixture(scope="module")
def processes(tmp_path_factory, text_dir):
    """The commands as a person runs them, two at a time: status, stdout and stderr of each."""
    folder = tmp_path_factory.mktemp("processes")
    model_dir = f"--model_dir={folder / 'run'}"
    mirrored = ["Distribution.strategy = 'mirrored'", "Distribution.num_replicas = 2"]
    commands = {
        "flag": ("pipelines.train", model_dir, "--gin_fil=x"),
        "name": ("pipelines.train", model_dir, *runs.copy_flags("NoSuchThing.steps = 1")),
        "folder": ("pipelines.train", model_dir, *runs.text_flags("/no/such/books")),
        "replicas": ("pipelines.train", model_dir, *runs.copy_flags("BATCH_SIZE = 5", *mirrored)),
        "prompt": ("pipelines.generate", f"--model_dir={text_dir}", "--prompt=eight by"),
        "run": ("savedmodels.export", model_dir, f"--output={folder / 'exported'}"),
    }
    results, names = {}, list(commands)
    for pair in zip(names[::2], names[1::2]):
        running = {name: runs.start(*commands[name]) for name in pair}
        results.update({name: runs.finish(process) for name, process in running.items()})
    assert not list(folder.iterdir())  # nothing was written
    return results


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("flag", "--gin_fil"),
        ("name", "NoSuchThing"),
        ("folder", "/no/such/books"),
        ("replicas", "batch_size is 5, which 2 replicas cannot share"),
        ("prompt", "the prompt has 9 tokens and the context of the model is 8"),
        ("run", "holds no operative_config.gin"),
    ],
)
def test_a_process_says_one_line_and_ends_with_status_2(processes, name, named):
    status, out, err = processes[name]
    assert (status, out) == (2, "")
    assert named in runs.error_line(err)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "is empty or only white space"),
        (b" \n\n", "is empty or only white space"),
        (b"caf\xe9 au lait", "is not UTF-8: byte 0xe9 at offset 3"),
    ],
)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_book_that_is_no_text_is_named(tmp_path, capsys, content, named, split):
    folder = runs.write_books(tmp_path / "books")
    (folder / split / "1234.txt").write_bytes(content)
    flags = [*runs.text_flags(folder), f"--model_dir={tmp_path / 'run'}"]
    line = runs.refusal(capsys, train.main, *flags, "--mode=train_and_evaluate")
    assert "1234.txt" in line and named in line
    assert not (tmp_path / "run").exists()


def test_a_folder_without_the_split_is_named(tmp_path, capsys, books):
    folder = shutil.copytree(books, tmp_path / "books")
    shutil.rmtree(folder / "validation")
    flags = [*runs.text_flags(folder), f"--model_dir={tmp_path / 'run'}"]
    line = runs.refusal(capsys, train.main, *flags, "--mode=train_and_evaluate")
    assert str(folder) in line and "'validation'" in line


@pytest.mark.parametrize(
    ("binding", "named"),
    [
        ("LATENTS = 9", "num_latents=9, max_context=8"),
        ("CopyTask.length = 10", "context 8 is shorter"),
        ("Distribution.strategy = 'magic'", "'magic'"),
        ("Distribution.num_replicas = 64\nDistribution.strategy = 'mirrored'", "64"),
        ("Distribution.num_replicas = 0\nDistribution.strategy = 'mirrored'", "num_replicas"),
        ("Distribution.num_replicas = 2", "num_replicas is 2, but the strategy 'one_device' has 1"),
        ("TrainSettings.evaluation_split = 'exam'", "'exam'"),
        ("CONTEXT = %LENGTH", "%LENGTH is read but nothing sets it"),
        ("LEARNING_RATE = -1", "CosineDecay.warmup_target"),
        ("WARMUP_STEPS = -1", "CosineDecay.warmup_steps"),
        ("DECAY_STEPS = 'x'", "in the settings of CosineDecay"),
        ("OptaxAdam.learning_rate = -1.0", "learning rate"),
        ("OptaxAdam.learning_rate = @CosineDecay", "a schedule without its brackets"),
        ("PerceiverARBackbone.mlp_factor = 'x'", "mlp_factor='x'"),
        ("PerceiverARBackbone.mlp_factor = 0.01", "hidden_width=0"),
        (
            "RotaryEmbedding.max_wavelength = 'a'\n"
            "PerceiverARBackbone.positions = @RotaryEmbedding()",
            "max_wavelength='a'",
        ),
        (
            "Experiment.optimizer = @AdamW\nAdamW.weight_decay = 'a'",
            "weight_decay must be a finite",
        ),
    ],
)
def test_a_setting_that_does_not_fit_is_named(tmp_path, capsys, binding, named):
    flags = [*runs.copy_flags(binding), f"--model_dir={tmp_path / 'run'}"]
    line = runs.refusal(capsys, train.main, *flags, "--mode=train_and_evaluate")
    assert named in line
    assert not (tmp_path / "run").exists()


def test_a_model_directory_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    flags = [*runs.copy_flags(), f"--model_dir={tmp_path / 'file'}"]
    assert str(tmp_path / "file") in runs.refusal(capsys, train.main, *flags)


def test_a_checkpoint_of_another_model_is_kept_as_it_is(text_dir, books, capsys):
    before = runs.fingerprints(text_dir)
    flags = [*runs.text_flags(books, "PerceiverARBackbone.width = 32"), f"--model_dir={text_dir}"]
    line = runs.refusal(capsys, train.main, *flags)
    assert str(text_dir) in line and "width is 16 there and 32 now" in line
    assert runs.fingerprints(text_dir) == before


def test_a_checkpoint_of_another_optimizer_is_kept_as_it_is(text_dir, books, capsys):
    # Going on would silently start the moments, and the warm-up of the learning rate, again.
    before = runs.fingerprints(text_dir)
    flags = runs.text_flags(books, "Experiment.optimizer = @SGD", "SGD.momentum = 0.9")
    line = runs.refusal(capsys, train.main, *flags, f"--model_dir={text_dir}")
    assert str(text_dir) in line and "optimizer is 'OptaxAdam' there and 'SGD' now" in line
    assert runs.fingerprints(text_dir) == before


def test_a_directory_of_another_task_is_kept_as_it_is(text_dir, capsys):
    # The vocabularies happen to be equal, so the weights alone would fit.
    before = runs.fingerprints(text_dir)
    flags = runs.copy_flags("PerceiverARBackbone.positions = 'rotary'")
    line = runs.refusal(capsys, train.main, *flags, f"--model_dir={text_dir}")
    assert "task is 'BooksTask' there and 'CopyTask' now" in line
    assert runs.fingerprints(text_dir) == before


@pytest.mark.parametrize("main", [evaluate.main, generate.main, export.main])
def test_a_checkpoint_is_not_read_into_another_model(text_dir, tmp_path, capsys, main):
    # The weights of 2 heads and of 4 have the same shapes.
    flags = [f"--model_dir={text_dir}", "--gin_bindings=PerceiverARBackbone.num_heads = 4"]
    flags += [f"--output={tmp_path / 'output'}"]
    assert "num_heads is 2 there and 4 now" in runs.refusal(capsys, main, *flags)
    assert not (tmp_path / "output").exists()


@pytest.fixture
def torn_dir(tmp_path, text_dir):
    model_dir = shutil.copytree(text_dir, tmp_path / "torn")
    (data,) = model_dir.glob("ckpt-6.data*")
    data.write_bytes(data.read_bytes()[:100])
    return model_dir


def test_the_one_before_a_torn_checkpoint_serves_with_a_warning(torn_dir, tmp_path, capsys):
    before = runs.fingerprints(torn_dir)
    exported = f"--output={tmp_path / 'exported'}"
    for main, flags in (
        (evaluate.main, []),
        (generate.main, ["--max_new_tokens=1"]),
        (export.main, [exported]),
    ):
        capsys.readouterr()
        assert runs.call(main, *flags, f"--model_dir={torn_dir}") == 0
        warning = capsys.readouterr().err
        assert warning.count(f"warning: checkpoint {torn_dir}/ckpt-6 is torn") == 1
        assert runs.fingerprints(torn_dir) == before
    error = runs.refusal(capsys, evaluate.main, f"--model_dir={torn_dir}", "--checkpoint=6")
    assert "ckpt-6 is torn" in error and "--checkpoint" in error


def test_training_goes_on_from_before_a_torn_checkpoint(torn_dir, books, capsys):
    flags = [*runs.text_flags(books), f"--model_dir={torn_dir}"]
    assert runs.call(train.main, *flags) == 0
    captured = capsys.readouterr()
    assert "step 3 of 6" in captured.out and "ckpt-6 is torn" in captured.err
    assert (torn_dir / "ckpt-6.index.torn").exists()
    assert runs.call(evaluate.main, f"--model_dir={torn_dir}", "--checkpoint=6") == 0


def test_where_all_are_torn_that_is_said(torn_dir, capsys):
    for data in torn_dir.glob("ckpt-*.index"):
        data.write_bytes(data.read_bytes()[:-9])
    error = runs.refusal_after("warning: ", capsys, evaluate.main, f"--model_dir={torn_dir}")
    assert "no checkpoint in" in error and "ckpt-3" in error


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["missing", "torn", "older"])
def test_a_run_goes_on_whatever_became_of_the_state_file(text_dir, books, tmp_path, capsys, damage):
    model_dir = shutil.copytree(text_dir, tmp_path / "run")
    state = model_dir / "checkpoint"
    text = state.read_text()
    if damage == "missing":
        state.unlink()
    else:
        state.write_text(text[:30] if damage == "torn" else text.replace("ckpt-6", "ckpt-3"))
    assert runs.call(generate.main, f"--model_dir={model_dir}", "--max_new_tokens=1") == 0
    flags = [*runs.text_flags(books, "STEPS = 9"), f"--model_dir={model_dir}"]
    assert runs.call(train.main, *flags) == 0
    assert "step 6 of 9" in capsys.readouterr().out
    assert sorted(path.name for path in model_dir.glob("*.index")) == [
        "ckpt-3.index",
        "ckpt-6.index",
        "ckpt-9.index",
    ]


@pytest.mark.slow
def test_a_constant_learning_rate_is_that_of_the_configuration(books, tmp_path, capsys):
    flags = [*runs.text_flags(books), f"--model_dir={tmp_path / 'run'}"]
    for steps, rate in ((3, 0.25), (6, 0.5)):
        again = runs.bind(f"STEPS = {steps}", f"OptaxAdam.learning_rate = {rate}")
        assert runs.call(train.main, *flags, *again) == 0
    lines = (tmp_path / "run" / "train_log.jsonl").read_text().splitlines()
    assert [json.loads(line)["learning_rate"] for line in lines] == [0.25] * 3 + [0.5] * 3


@pytest.mark.parametrize("name", ["model.json", "operative_config.gin"])
def test_a_torn_description_is_named(torn_dir, books, capsys, name):
    content = (torn_dir / name).read_bytes()
    (torn_dir / name).write_bytes(content[: len(content) // 2])
    main = {"model.json": train.main, "operative_config.gin": evaluate.main}[name]
    flags = runs.text_flags(books) if main is train.main else []
    assert name in runs.refusal(capsys, main, *flags, f"--model_dir={torn_dir}")


@pytest.mark.parametrize("content", ["[]", "3", "null", "[" * 100_000])
def test_a_description_of_something_else_is_named(torn_dir, capsys, content):
    (torn_dir / "model.json").write_text(content)
    assert "model.json is torn" in runs.refusal(capsys, evaluate.main, f"--model_dir={torn_dir}")


@pytest.mark.parametrize(
    ("main", "flags", "named"),
    [
        (evaluate.main, ["--checkpoint=7"], "no checkpoint of step 7"),
        (evaluate.main, ["--split=exam"], "'exam'"),
        (evaluate.main, ["--num_latents=9"], "--num_latents must lie in 1 … 8"),
        (evaluate.main, ["--num_latents=0"], "--num_latents must lie in 1 … 8"),
        (evaluate.main, ["--batch_size=-1"], "batch_size"),
        (evaluate.main, ["--batch_size=0"], "batch_size"),
        (evaluate.main, ["--gin_bindings=Nobody.x = 1"], "Nobody"),
        (export.main, ["--checkpoint=7", "--output=/nowhere"], "no checkpoint of step 7"),
        (generate.main, ["--checkpoint=7"], "no checkpoint of step 7"),
        (generate.main, ["--prompt=12345678", "--max_new_tokens=1"], "has 9 tokens"),
        (generate.main, ["--prompt=1234", "--max_new_tokens=5"], "can be at most 4, got 5"),
        (generate.main, ["--prompt=\udcff", "--max_new_tokens=1"], "prompt is not UTF-8"),
        (generate.main, ["--prompt_file=/no/such/file"], "/no/such/file"),
        (generate.main, ["--prompt_file="], "--prompt_file: must not be empty"),
        (generate.main, ["--max_new_tokens=0"], "max_new_tokens"),
        (generate.main, ["--max_new_tokens=1", "--temperature=-1"], "temperature"),
        (generate.main, ["--max_new_tokens=1", "--temperature=nan"], "temperature"),
        (generate.main, ["--max_new_tokens=1", "--top_p=1.5"], "top_p"),
        (generate.main, ["--max_new_tokens=1", "--num_latents=-5"], "num_latents"),
        (generate.main, ["--max_new_tokens=1", "--num_latents=0"], "num_latents"),
        (generate.main, ["--max_new_tokens=1", "--num_latents=9"], "num_latents"),
    ],
)
def test_a_wrong_request_names_what_is_wrong(text_dir, capsys, main, flags, named):
    assert named in runs.refusal(capsys, main, f"--model_dir={text_dir}", *flags)


def test_a_prompt_file_that_is_not_utf8_is_named(text_dir, tmp_path, capsys):
    (tmp_path / "prompt.txt").write_bytes(b"ab\xff")
    flags = [f"--model_dir={text_dir}", f"--prompt_file={tmp_path / 'prompt.txt'}"]
    line = runs.refusal(capsys, generate.main, *flags)
    assert "prompt.txt is not UTF-8 (byte 2)" in line


def test_an_output_that_cannot_be_written_is_named(text_dir, capsys):
    flags = [f"--model_dir={text_dir}", "--max_new_tokens=1", "--output=/no/such/folder/x.txt"]
    assert "/no/such/folder/x.txt" in runs.refusal(capsys, generate.main, *flags)
