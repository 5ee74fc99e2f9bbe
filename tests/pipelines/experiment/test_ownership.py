import json
import pathlib

import numpy as np
import pytest

import gin
from pipelines.errors import RunError, UserError
from pipelines.experiment import catalogue, ownership
from tests.pipelines.experiment import npy_sets

SMALL = (
    "BATCH_SIZE = 2",
    "ContextExperiment.contexts = (8, 16)",
    "ContextExperiment.num_latents = 4",
    "ContextExperiment.steps = 2",
    "ContextExperiment.seeds = (0,)",
    "PerceiverARBackbone.width = 16",
    "PerceiverARBackbone.num_heads = 2",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return npy_sets.make_books(tmp_path_factory.mktemp("owned"))


def make(data, *bindings):
    gin.clear_config()
    return catalogue.make("context", "cpu", [], [f"DATA = '{data}'", *SMALL, *bindings])


def begin(path, data, *bindings):
    with ownership.owned(path, make(data, *bindings)):
        path.with_name("context.csv").write_text("context,seed\n8,0\n")


def test_the_same_settings_go_on(tmp_path, data):
    path = tmp_path / "context"
    begin(path, data)
    begin(path, data)
    assert (
        "Language.stretch"
        in json.loads((tmp_path / "context.settings.json").read_text())["settings"]
    )


@pytest.mark.parametrize(
    "binding", ["ContextExperiment.seeds = (0, 1)", "ContextExperiment.contexts = (8, 16, 32)"]
)
def test_there_may_be_more_of_it_later(tmp_path, data, binding):
    begin(tmp_path / "context", data)
    begin(tmp_path / "context", data, binding)


@pytest.mark.parametrize(
    ("binding", "named"),
    [
        ("ContextExperiment.steps = 4", "ContextExperiment.steps = 2, and now it is 4"),
        ("BATCH_SIZE = 3", "BATCH_SIZE = 2, and now it is 3"),
        ("PerceiverARBackbone.width = 8", "width = 16, and now it is 8"),
        ("ContextExperiment.contexts = (4, 8)", r"contexts = \(8, 16\), and now it is \(4, 8\)"),
        ("Language.stretch = 7", "stretch = 50, and now it is 7"),
    ],
)
def test_other_settings_are_refused(tmp_path, data, binding, named):
    begin(tmp_path / "context", data)
    before = (tmp_path / "context.settings.json").read_bytes()
    with pytest.raises(UserError, match=named):
        begin(tmp_path / "context", data, binding)
    assert (tmp_path / "context.settings.json").read_bytes() == before


def test_documents_are_known_by_what_they_hold(tmp_path, data):
    begin(tmp_path / "context", data)
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in pathlib.Path(data).iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    begin(tmp_path / "context", moved)
    record = tmp_path / "context.settings.json"
    content = json.loads(record.read_text())
    record.write_text(json.dumps({**content, "data": {"data": "0" * 64}}))
    with pytest.raises(UserError, match="other documents"):
        begin(tmp_path / "context", data)


def test_what_was_removed_is_begun_anew(tmp_path, data):
    begin(tmp_path / "context", data)
    (tmp_path / "context.csv").unlink()
    begin(tmp_path / "context", data, "ContextExperiment.steps = 4")


def test_a_torn_record_is_named(tmp_path, data):
    begin(tmp_path / "context", data)
    (tmp_path / "context.settings.json").write_text('{"settings": ')
    with pytest.raises(UserError, match=r"context\.settings\.json' is torn"):
        begin(tmp_path / "context", data)


def test_a_second_process_is_refused(tmp_path, data):
    path = tmp_path / "context"
    with (
        ownership.owned(path, make(data)),
        pytest.raises(UserError, match="another process works on context"),
    ):
        begin(path, data)
    begin(path, data)


def test_what_killed_processes_left_is_removed(tmp_path, data):
    left = tmp_path / ".123.context_8_0.weights.h5"
    other = tmp_path / ".123.copy_16.weights.h5"
    for file in (left, other):
        file.write_text("x")
    begin(tmp_path / "context", data)
    assert not left.exists() and other.exists()


def test_a_full_disk_is_told(tmp_path, data):
    path, experiment = tmp_path / "context", make(data)
    with (
        pytest.raises(RunError, match="No space left on device"),
        ownership.owned(path, experiment),
    ):
        raise OSError(28, "No space left on device")


def test_sets_of_several_orders_may_be_moved_too(tmp_path):
    """Also those that are named in a scope of gin's."""
    small = ("PerceiverARBackbone.width = 16", "PerceiverARBackbone.input_width = 16")
    small += ("PositionEmbedding.width = 16", "OrdersExperiment.num_latents = 8")
    (tmp_path / "output").mkdir()
    path = tmp_path / "output" / "orders"
    for place in ("here", "there"):
        folder = tmp_path / place
        folder.mkdir()
        sets = {"RASTER": npy_sets.make_images(folder, "raster")}
        sets["RGB"] = npy_sets.make_images(folder, "rgb", "rgb")
        own = np.random.default_rng(1).permutation(npy_sets.VALUES)
        sets["PERMUTED"] = npy_sets.make_images(folder, "permuted", own)
        gin.clear_config()
        bindings = [f"{name} = '{made}'" for name, made in sets.items()]
        with ownership.owned(path, catalogue.make("orders", "cpu", [], [*bindings, *small])):
            path.with_name("orders.csv").write_text("order,seed\nraster,0\n")
    assert str(tmp_path) not in (tmp_path / "output" / "orders.settings.json").read_text()
