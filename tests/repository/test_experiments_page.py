"""docs/experiments.md is what its tables say, and its commands run at a small size."""

import pytest

from pipelines.errors import UserError
from pipelines.experiment import catalogue, page, table
from tests.pipelines.experiment import npy_sets
from tests.pipelines.experiment.test_copy_experiment import SMALL as COPY
from tests.pipelines.experiment.test_document_experiments import MODEL, SETTINGS
from tests.pipelines.experiment.test_piano_experiment import SMALL as PIANO
from tests.pipelines.prepare.test_encoders import write_images, write_music
from tests.pipelines.runs import bind
from tests.repository import pages


def test_the_page_is_written_from_its_tables(repository, tmp_path):
    docs = repository / "docs"
    found = sorted(path.name for path in (docs / "experiments").glob("*.csv"))
    for name in found:
        (tmp_path / name).write_bytes((docs / "experiments" / name).read_bytes())
    page.write(tmp_path, tmp_path / "page.md")
    written = (tmp_path / "page.md").read_text(encoding="utf-8")
    committed = (docs / "experiments.md").read_text(encoding="utf-8")
    assert committed.replace("](experiments/", "](") == written, "run `make experiments-page`"
    known = {f"{name}_{size}.csv" for name in catalogue.NAMES for size in catalogue.SIZES}
    assert found and set(found) <= known
    for name in found:
        assert (docs / "experiments" / name).with_suffix(".svg").exists()


@pytest.mark.parametrize("text", ["", "context,seed\n", "a,b\n1,2\n", "context,seed\n16,0\n"])
def test_a_table_that_is_not_whole_is_named(tmp_path, text):
    (tmp_path / "context_cpu.csv").write_text(text)
    (tmp_path / "page.md").write_text("of before")
    with pytest.raises(UserError, match=r"context_cpu\.csv' is not the whole table"):
        page.write(tmp_path, tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == "of before"
    assert not (tmp_path / "context_cpu.svg").exists()


def test_a_folder_without_tables_leaves_the_page_as_it_was(tmp_path):
    (tmp_path / "page.md").write_text("of before")
    with pytest.raises(UserError, match="holds no table"):
        page.write(tmp_path / "nowhere", tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == "of before"


@pytest.mark.slow
def test_every_command_runs(repository, tmp_path):
    raw, made = tmp_path / "raw", tmp_path / "made"
    npy_sets.write_books(raw)
    for split, number in (("train_16x16", 6), ("valid_16x16", 3)):
        write_images(tmp_path / "images" / split, number, 16)
    write_music(tmp_path / "music", ("train",) * 3 + ("validation",) * 2 + ("test",))
    places = {
        "BOOKS": raw,
        "IMAGES": tmp_path / "images",
        "MUSIC": tmp_path / "music",
        "savedmodels/books": tmp_path / "exported",
        "shards/": f"{tmp_path}/",
        "order.npy": tmp_path / "order.npy",
        "runs/experiments": made,
    }
    of_images = (*MODEL, "PerceiverARBackbone.input_width = 16", "PositionEmbedding.width = 16")
    of_latents = (
        "LatentsExperiment.num_latents = 16",
        "LatentsExperiment.evaluated = (8, 16)",
        "LatentsExperiment.steps = 2",
    )
    of_orders = (
        "OrdersExperiment.num_latents = 16",
        "OrdersExperiment.steps = 2",
        "OrdersExperiment.samples = 2",
        "OrdersExperiment.seeds = (0,)",
        "OrdersExperiment.told = None",  # which test_orders_experiment.py trains
    )
    small = [each for each in PIANO if each.startswith("PianoExperiment")]
    extra = {
        "pipelines.experiment copy": bind(*COPY),
        "pipelines.experiment context": bind(*MODEL, *SETTINGS["context"]),
        "pipelines.experiment latents_images": bind(*of_images, *of_latents),
        "pipelines.experiment orders": bind(*of_images, *of_orders),
        "pipelines.experiment piano": bind(*MODEL, *small),
        "savedmodels.trained": bind(*MODEL, *SETTINGS["latents_books"]),
    }
    docs = repository / "docs"
    ran = pages.run_commands(docs / "experiments.md", repository, places, extra)
    assert [name.removeprefix("pipelines.") for name, *_ in ran] == [
        *("experiment", "prepare", "experiment"),
        *("-c", "prepare", "prepare", "prepare", "experiment", "experiment"),
        *("prepare", "experiment", "experiment.page", "savedmodels.trained"),
    ]
    names = ("copy", "context", "latents_images", "orders", "piano")
    text = (tmp_path / "made.md").read_text()
    for name in names:
        assert table.read(made / f"{name}.csv") and f"](made/{name}.svg)" in text
    assert (made / "orders_samples.png").exists() and (made / "piano_continued_0.wav").exists()
    card = (tmp_path / "exported" / "README.md").read_text()
    for part in (
        "public domain",
        "## Limits",
        "curve.svg",
        "`generate_text`",
        "savedmodels.trained",
    ):
        assert part in card, part
    assert (tmp_path / "exported" / "1" / "saved_model.pb").exists()
    assert (tmp_path / "exported" / "curve.svg").exists()
