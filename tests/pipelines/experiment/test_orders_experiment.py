import re

import numpy as np
import pytest
from PIL import Image

from pipelines.experiment import __main__ as command
from pipelines.experiment import image_sets, table
from pipelines.experiment.npy_rows import NpyRows
from tests.pipelines import runs
from tests.pipelines.experiment import npy_sets

SMALL = (
    "BATCH_SIZE = 4",
    "OrdersExperiment.steps = 4",
    "OrdersExperiment.num_latents = 16",
    "OrdersExperiment.folders = {'raster': %RASTER, 'permuted': %PERMUTED}",
    "OrdersExperiment.seeds = (0,)",
    "OrdersExperiment.samples = 2",
    "Language.stretch = 2",
    "PerceiverARBackbone.width = 16",
    "PerceiverARBackbone.input_width = 16",
    "PositionEmbedding.width = 16",
)
ORDERS = ("raster", "rgb", "permuted")
TAKEN = ("raster", "permuted")
# What a model is called by: its order, and whether it is told where the next value goes.
NAMES = ("raster", "permuted", "raster_told", "permuted_told")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    own = np.random.default_rng(1).permutation(npy_sets.VALUES)
    return {
        "raster": npy_sets.make_images(folder, "raster"),
        "rgb": npy_sets.make_images(folder, "rgb", "rgb"),
        "permuted": npy_sets.make_images(folder, "permuted", own),
        "fewer": npy_sets.make_images(folder, "fewer", "rgb", number=5),
        "music": npy_sets.make_music(folder),
    }


def flags(sets, output, *bindings):
    data = [f"{order.upper()} = '{sets[order]}'" for order in ORDERS]
    file = npy_sets.write_gin(output.with_name(output.name + "-gin"), *data, *SMALL)
    return ["orders", f"--output={output}", file, *runs.bind(*bindings)]


@pytest.fixture(scope="module")
def done(sets, tmp_path_factory):
    output = tmp_path_factory.mktemp("orders")
    assert runs.call(command.main, *flags(sets, output), "--show") == 0
    return output


def without_times(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.mark.slow
def test_there_is_a_row_for_each_order_seed_and_image(done):
    rows = table.read(done / "orders.csv")
    names = ("order", "positions", "seed", "document")
    wanted = [
        (order, positions, "0", str(number))
        for positions in ("own", "target")
        for order in TAKEN
        for number in range(3)
    ]
    assert [tuple(row[name] for name in names) for row in rows] == wanted
    for row in rows:
        assert (row["targets"], row["context"], row["steps"]) == ("48", "48", "4")
        # Random values cost what a uniform distribution has, about.
        assert float(row["nats"]) == pytest.approx(48 * np.log(259), rel=0.2)
    assert len({row["nats"] for row in rows}) == len(rows)


@pytest.mark.slow
def test_samples_are_whole_images(done, sets):
    for name in NAMES:
        drawn = np.load(done / f"orders_{name}_samples.npy")
        assert drawn.shape == (2, npy_sets.VALUES + 1)
        assert (drawn[:, 0] == 2).all() and (drawn[:, 1:] >= 3).all()
        assert not np.array_equal(drawn[0], drawn[1])
        image = image_sets.decode(NpyRows(sets[name.split("_")[0]]), drawn[0])
        assert sorted(image.reshape(-1)) == sorted(drawn[0, 1:] - 3)


@pytest.mark.slow
def test_the_picture_can_be_committed_and_shows_what_was_drawn(done):
    file = done / "orders_samples.png"
    assert file.stat().st_size < 300_000
    with Image.open(file) as image:
        shown = np.array(image.convert("RGB")).reshape(-1, 3)
    ids = np.load(done / "orders_raster_samples.npy")[0, 1:] - 3
    colours = {tuple(colour) for colour in ids.reshape(-1, 3)}
    assert colours <= {tuple(colour) for colour in np.unique(shown, axis=0)}


@pytest.mark.slow
def test_what_was_done_is_left_out(done, sets, capsys):
    before = runs.fingerprints(done)
    assert runs.call(command.main, *flags(sets, done)) == 0
    assert runs.fingerprints(done) == before
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_what_a_kill_left_out_is_done_alike(done, sets, tmp_path):
    """As after a kill between two trainings; the samples of one order are there for some reason."""
    rows = table.read(done / "orders.csv")
    begun = table.Table(tmp_path / "orders.csv")
    begun.add(rows[:-3])
    for file in ("orders_raster_0.weights.h5", "orders_raster_samples.npy"):
        (tmp_path / file).write_bytes((done / file).read_bytes())
    assert runs.call(command.main, *flags(sets, tmp_path)) == 0
    assert without_times(table.read(begun.path)) == without_times(rows)
    for name in NAMES:
        file = f"orders_{name}_samples.npy"
        assert (tmp_path / file).read_bytes() == (done / file).read_bytes()


@pytest.mark.parametrize(
    ("binding", "named"),
    [
        ("OrdersExperiment.folders = {'raster': %RASTER}", "two orders or more"),
        ("OrdersExperiment.folders = {'a/b': %RASTER, 'b': %RGB}", "small letters.*a/b"),
        ("OrdersExperiment.folders = 7", "got 7"),
        ("OrdersExperiment.num_latents = 49", "num_latents .* ≤ 48, got 49"),
        ("OrdersExperiment.seeds = (0, 0)", "seeds must be a tuple of different"),
        ("OrdersExperiment.samples = 0", "samples must be an integer ≥ 1"),
        ("OrdersExperiment.temperature = -1.0", "temperature"),
        ("OrdersExperiment.steps = 0", "steps must be"),
        ("told/PositionEmbedding.num_rows = (6, 6, 5)", "has positions of 6 axes"),
        ("told/Language.target_positions = False", "told must be of a Language whose target_pos"),
        ("Language.target_positions = True", "models must be of a Language whose target_pos"),
        ("PERMUTED = %RASTER", "have the same order: .*--order"),
        ("PERMUTED = 'nowhere'", "nowhere.* holds no npy.json"),
    ],
)
def test_bad_settings_are_named(sets, tmp_path, capsys, binding, named):
    line = runs.refusal(capsys, command.main, *flags(sets, tmp_path, binding))
    assert re.search(named, line), line


@pytest.mark.parametrize(
    ("other", "named"), [("fewer", "the same images"), ("music", "holds no images")]
)
def test_sets_that_cannot_be_compared_are_named(sets, tmp_path, capsys, other, named):
    line = runs.refusal(capsys, command.main, *flags({**sets, "permuted": sets[other]}, tmp_path))
    assert named in line and sets[other] in line


def test_an_experiment_that_draws_nothing_is_not_shown(tmp_path, capsys):
    line = runs.refusal(capsys, command.main, "copy", f"--output={tmp_path}", "--show")
    assert "copy draws no samples" in line


def test_order_and_images_come_from_the_set_alone(sets):
    rows = {order: NpyRows(sets[order], target_positions=order == "rgb") for order in ORDERS}
    assert image_sets.order(rows["raster"]).tolist() == list(range(npy_sets.VALUES))
    own = np.random.default_rng(1).permutation(npy_sets.VALUES)
    assert image_sets.order(rows["permuted"]).tolist() == own.tolist()
    first, *others = (image_sets.images(rows[order], "validation", 3) for order in ORDERS)
    assert first.shape == (3, 4, 4, 3) and first.dtype == np.uint8
    assert all(np.array_equal(first, other) for other in others)
