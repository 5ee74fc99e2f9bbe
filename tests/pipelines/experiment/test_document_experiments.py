"""Experiments b, c and d from the command line to the page."""

import collections
import re
import shutil

import pytest

from pipelines.experiment import __main__ as command
from pipelines.experiment import page, table
from tests.pipelines import runs
from tests.pipelines.experiment import npy_sets

pytestmark = pytest.mark.slow

MODEL = (
    "PerceiverARBackbone.width = 16",
    "PerceiverARBackbone.num_heads = 2",
    "PerceiverARBackbone.num_layers = 1",
    "BATCH_SIZE = 2",
    "Language.stretch = 2",
)
SETTINGS = {
    "context": (
        "ContextExperiment.contexts = (8, 16)",
        "ContextExperiment.num_latents = 8",
        "ContextExperiment.steps = 6",
        "ContextExperiment.seeds = (0, 3)",
    ),
    "baselines": (
        "BaselinesExperiment.context = 16",
        "BaselinesExperiment.num_latents = 8",
        "BaselinesExperiment.segment = 8",
        "BaselinesExperiment.memory = 8",
        "BaselinesExperiment.segments = 2",
        "BaselinesExperiment.seconds = 1e-6",
        "BaselinesExperiment.targets = 64",
    ),
    "latents_books": (
        "LatentsExperiment.context = 16",
        "LatentsExperiment.num_latents = 4",
        "LatentsExperiment.evaluated = (2, 4, 16)",
        "LatentsExperiment.steps = 4",
        "Language.documents = None",
        "Language.splits = ('validation', 'test')",
    ),
}
# What tells the rows of a document apart.
KEYS = {
    "context": ("context", "seed"),
    "baselines": ("model", "equal", "seed"),
    "latents_books": ("latents",),
}
UNITS = {"context": 4, "baselines": 6, "latents_books": 3}


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    return npy_sets.make_books(tmp_path_factory.mktemp("books"))


def flags(name, output, books, *bindings):
    bindings = (f"DATA = '{books}'", *MODEL, *SETTINGS[name], *bindings)
    return [name, f"--output={output}", *runs.bind(*bindings)]


@pytest.fixture(scope="module", params=list(SETTINGS))
def done(request, tmp_path_factory, books):
    output = tmp_path_factory.mktemp(request.param)
    assert runs.call(command.main, *flags(request.param, output, books)) == 0
    return request.param, output


def figures(rows):
    """Rows without what differs from one run to the next."""
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in rows]


def test_each_document_is_measured_whole(done):
    name, output = done
    rows = table.read(output / f"{name}.csv")
    assert len(rows) == UNITS[name] * 4
    sizes = collections.Counter((row["split"], int(row["bytes"])) for row in rows)
    assert sizes == {
        (split, size): UNITS[name]
        for split in ("validation", "test")
        for size in npy_sets.BOOKS[split]
    }
    for row in rows:
        assert int(row["targets"]) == int(row["bytes"]) + 1
        assert 0 < float(row["nats"]) / int(row["targets"]) < 7
        assert int(row["steps"]) >= 1
    units = {tuple(row[key] for key in KEYS[name]) for row in rows}
    assert len(units) == UNITS[name]


def test_what_is_there_is_not_done_again(done, books):
    name, output = done
    before = (output / f"{name}.csv").read_bytes()
    assert runs.call(command.main, *flags(name, output, books)) == 0
    assert (output / f"{name}.csv").read_bytes() == before


def test_what_is_missing_is_done_alike(done, books, tmp_path):
    """As after a kill between two units, or within the last one."""
    name, output = done
    rows = table.read(output / f"{name}.csv")
    shutil.copytree(output, tmp_path / "again")
    (tmp_path / "again" / f"{name}.csv").unlink()
    table.Table(tmp_path / "again" / f"{name}.csv").add(rows[:-4])
    assert runs.call(command.main, *flags(name, tmp_path / "again", books)) == 0
    assert figures(table.read(tmp_path / "again" / f"{name}.csv")) == figures(rows)


def test_the_page_tells_of_it(done, tmp_path):
    name, output = done
    shutil.copy(output / f"{name}.csv", tmp_path / f"{name}_cpu.csv")
    where = (f"--tables={tmp_path}", f"--page={tmp_path / 'page.md'}")
    assert runs.call(page.main, *where) == 0
    text = (tmp_path / "page.md").read_text()
    assert re.search(rf"!\[.+\]\({name}_cpu\.svg\)", text)
    assert "nan" not in text and "None" not in text
    picture = (tmp_path / f"{name}_cpu.svg").read_bytes()
    assert runs.call(page.main, *where) == 0
    assert (tmp_path / f"{name}_cpu.svg").read_bytes() == picture


def test_longer_contexts_get_fewer_steps_of_as_many_flops(books, tmp_path):
    bindings = (
        "ContextExperiment.contexts = (8, 64)",
        "ContextExperiment.steps = 60",
        "ContextExperiment.seeds = (0,)",
        "Language.stretch = 50",
    )
    assert runs.call(command.main, *flags("context", tmp_path, books, *bindings)) == 0
    rows = table.read(tmp_path / "context.csv")
    steps = {row["context"]: int(row["steps"]) for row in rows}
    flops = {row["context"]: float(row["flops"]) for row in rows}
    assert steps["64"] < steps["8"] == 60
    assert flops["64"] == pytest.approx(flops["8"], rel=0.5 / steps["64"])


def test_equal_time_is_what_the_targets_took(books, tmp_path):
    """As many steps as the seconds hold, by how long a step took of the same model before."""
    bindings = (
        "BaselinesExperiment.seconds = 0.5",
        "BaselinesExperiment.targets = 192",
        "BaselinesExperiment.seeds = (0, 1)",
    )
    assert runs.call(command.main, *flags("baselines", tmp_path, books, *bindings)) == 0
    rows = table.read(tmp_path / "baselines.csv")
    for model in ("perceiver_ar", "transformer", "transformer_xl"):
        own = [row for row in rows if row["model"] == model]
        known = next(row for row in own if (row["equal"], row["seed"]) == ("targets", "0"))
        assert int(known["steps"]) == 12
        steps = round(0.5 / float(known["compiled_seconds"]) * 12)
        assert {row["steps"] for row in own if row["equal"] == "time"} == {str(steps)}


def test_seeds_keep_to_the_steps_of_an_output_of_before(books, tmp_path):
    """Which timed a step in another way."""
    seconds = "BaselinesExperiment.seconds = 0.5"
    seeds = "BaselinesExperiment.seeds = (0, 1)"
    assert runs.call(command.main, *flags("baselines", tmp_path, books, seconds, seeds)) == 0
    file = tmp_path / "baselines.csv"
    kept = [row for row in table.read(file) if (row["equal"], row["seed"]) != ("time", "1")]
    for row in kept:
        row["steps"] = "3" if row["equal"] == "time" else row["steps"]
    file.unlink()
    table.Table(file).add(kept)
    for path in tmp_path.glob("*_time_1.weights.h5"):
        path.unlink()
    assert runs.call(command.main, *flags("baselines", tmp_path, books, seconds, seeds)) == 0
    assert {row["steps"] for row in table.read(file) if row["equal"] == "time"} == {"3"}


@pytest.mark.parametrize(
    ("name", "binding", "named"),
    [
        ("context", "DATA = '/nowhere'", "/nowhere"),
        ("context", "ContextExperiment.contexts = (4, 8)", "contexts must be an integer ≥ 8"),
        (
            "context",
            "ContextExperiment.contexts = (8, 100000000000000000000)",
            "contexts must be .* ≤ 2147483647",
        ),
        ("context", "ContextExperiment.seeds = (0, 4294967296)", "seeds must be .* ≤ 4294967295"),
        ("context", "ContextExperiment.contexts = 8", "contexts must be a tuple"),
        ("context", "ContextExperiment.seeds = (0, 0)", "seeds must be a tuple of different"),
        ("context", "ContextExperiment.contexts = (16, 8)", "contexts must rise"),
        ("context", "Language.splits = ('dev',)", "dev"),
        ("context", "Language.splits = ()", "splits must be a tuple of different names"),
        ("context", "Language.splits = ('test', 'test')", "splits must be a tuple of different"),
        ("context", "Language.backbone = 3", "backbone must be a name without brackets"),
        ("context", "PerceiverARBackbone.width = 15", "width"),
        ("baselines", "BaselinesExperiment.context = 4", "num_latents is 8 and the context 4"),
        ("baselines", "BaselinesExperiment.segment = 1", "segment must be ≥ 2"),
        ("baselines", "BaselinesExperiment.seconds = -1", "seconds must be a finite number > 0"),
        ("latents_books", "LatentsExperiment.evaluated = (32,)", "evaluated .*≤ 16, got 32"),
        ("latents_books", "LatentsExperiment.num_latents = 17", "num_latents .*≤ 16, got 17"),
        ("latents_books", "Language.documents = 0", "documents must be an integer ≥ 1"),
    ],
)
def test_bad_settings_are_named(books, tmp_path, capsys, name, binding, named):
    line = runs.refusal(capsys, command.main, *flags(name, tmp_path, books, binding))
    assert re.search(named, line), line
