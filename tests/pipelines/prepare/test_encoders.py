"""Images and performances come back from shards as they went in."""

import numpy as np
import pytest

from keras_perceiver_ar.codecs import performance_codec
from keras_perceiver_ar.codecs.notes import make_notes
from pipelines import image_files, midi_files
from pipelines.data import RandomCrop, ShardsTask
from pipelines.errors import UserError
from pipelines.prepare import documents, encoders
from tests.pipelines import shards

SIZE = 4
VALUES = SIZE * SIZE * 3


def write_images(folder, number=6, size=SIZE):
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (number, size, size, 3), "uint8")
    for index, image in enumerate(images):
        image_files.write_grid(image[None], folder / f"{index}.png")
    return images


def write_music(folder, splits=("train", "train", "validation")):
    lines = ["canonical_composer,canonical_title,split,year,midi_filename"]
    (folder / "2004").mkdir(parents=True, exist_ok=True)
    for number, split in enumerate(splits):
        onsets = np.arange(8) * 0.21 + number
        notes = make_notes(onsets, onsets + 0.4, np.arange(60, 68) + number, [64] * 8)
        midi_files.write(notes, folder / f"2004/{number}.midi")
        lines.append(f'Someone,"A piece, in C",{split},2004,2004/{number}.midi')
    (folder / "maestro-v3.0.0.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("order", ["raster", "rgb", "own"])
def test_pixels_come_back_in_any_order(tmp_path, order):
    images = write_images(tmp_path / "images/train_4x4")
    write_images(tmp_path / "images/valid_4x4", 2)
    if order == "own":
        order = str(tmp_path / "mine.npy")
        np.save(order, np.random.default_rng(1).permutation(VALUES))
    encoder = encoders.make_encoder("imagenet64", image_size=SIZE, order=order)
    made = shards.prepare(
        tmp_path / "images", tmp_path / "out", dataset="imagenet64", encoder=encoder
    )
    task = ShardsTask(tmp_path / "out")
    found = list(shards.records(tmp_path / "out", made))
    assert {split for split, _, _ in found} == {"train", "validation"}
    for _, name, tokens in found:
        wanted = images[int(name.split("/")[1][0])]
        assert np.array_equal(task.decode(tokens), wanted)


def test_rows_of_images_have_the_positions_of_their_pixels(tmp_path):
    images = write_images(tmp_path / "images/train")
    encoder = encoders.make_encoder("imagenet64", image_size=SIZE)
    shards.prepare(tmp_path / "images", tmp_path / "out", dataset="imagenet64", encoder=encoder)
    task = ShardsTask(tmp_path / "out", RandomCrop(VALUES))
    inputs, labels = next(iter(task.train_dataset(context=VALUES, batch_size=1, seed=0)))
    ids, positions = inputs["token_ids"][0].numpy(), inputs["positions"][0].numpy()
    (image,) = [x for x in images if np.array_equal(x.reshape(-1) + 3, labels[0])]
    assert (ids[0], positions[0].tolist()) == (2, [1, 1, 1])
    for value, (x, y, channel) in zip(ids[1:], positions[1:] - 2, strict=True):
        assert value == image[y, x, channel] + 3
    assert (labels[0].numpy()[:-1] == ids[1:]).all()  # and no EOS behind the last value

    task = ShardsTask(tmp_path / "out")  # shortened rows: padding has position 0
    for inputs, _ in task.train_dataset(context=VALUES, batch_size=4, seed=0).take(3):
        padding = inputs["token_ids"].numpy() == 0
        assert (inputs["positions"].numpy()[padding] == 0).all()
        assert (inputs["positions"].numpy()[~padding] > 0).all()


def test_images_without_splits_are_parted_by_name(tmp_path):
    write_images(tmp_path / "images", 80, 1)
    found = documents.find("imagenet64", str(tmp_path / "images"))
    assert 1 <= len(found["validation"]) <= 12 and len(found["train"]) >= 68
    before = {d.name for d in found["validation"]}
    (tmp_path / "images/0.png").unlink()
    after = documents.find("imagenet64", str(tmp_path / "images"))
    assert {d.name for d in after["validation"]} == before - {"0.png"}


def test_performances_come_back(tmp_path):
    write_music(tmp_path / "music")
    made = shards.prepare(tmp_path / "music", tmp_path / "out", dataset="maestro")
    task = ShardsTask(tmp_path / "out")
    found = list(shards.records(tmp_path / "out", made))
    assert sorted((split, name) for split, name, _ in found) == [
        ("train", "2004/0.midi"),
        ("train", "2004/1.midi"),
        ("validation", "2004/2.midi"),
    ]
    for _, name, tokens in found:
        wanted = midi_files.read(tmp_path / "music" / name)
        notes = task.decode(tokens)
        assert (notes["pitch"] == wanted["pitch"]).all()
        assert np.abs(notes["onset"] - wanted["onset"]).max() <= 0.01
        assert np.abs(notes["offset"] - wanted["offset"]).max() <= 0.01
        assert np.abs(notes["velocity"] - wanted["velocity"]).max() <= 4
    task.write([2, *tokens, 1], tmp_path / "again.mid")
    assert (midi_files.read(tmp_path / "again.mid")["pitch"] == wanted["pitch"]).all()
    assert task.vocab_size == performance_codec.VOCAB_SIZE == 391


@pytest.mark.parametrize("dataset", ["imagenet64", "maestro"])
def test_a_broken_file_among_good_ones_is_named(tmp_path, dataset):
    if dataset == "maestro":
        write_music(tmp_path / "data")
        broken = "2004/1.midi"
    else:
        write_images(tmp_path / "data/train")
        broken = "train/1.png"
    path = tmp_path / "data" / broken
    path.write_bytes(path.read_bytes()[:30])
    made = shards.prepare(tmp_path / "data", tmp_path / "out", dataset=dataset)
    skipped = [name for shard in made.splits["train"] for name in shard.skipped]
    assert skipped == [broken]
    with pytest.raises(UserError, match=path.name):
        shards.prepare(tmp_path / "data", tmp_path / "strict", dataset=dataset, strict=True)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "holds 0 tables"),
        ("a,b\n1,2\n", "no columns midi_filename and split"),
        ("midi_filename,split\nx.midi,dev\n", "split 'dev'"),
        ("midi_filename,split\nx.midi,train\n", "cannot read .*x.midi"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, table, message):
    if table is not None:
        (tmp_path / "maestro-v3.0.0.csv").write_text(table)
    with pytest.raises(UserError, match=message):
        documents.find("maestro", str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.arange(5), "must have shape"),
        (np.zeros(VALUES, int), "each of 0"),
        (np.zeros(VALUES), "integers"),
        (None, "--order="),
        (b"nonsense", "--order="),
    ],
)
def test_an_order_that_is_none_is_refused(tmp_path, content, message):
    path = tmp_path / "order.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(UserError, match=message):
        encoders.make_encoder("imagenet64", image_size=SIZE, order=str(path))


def test_another_order_beside_the_shards_is_refused(tmp_path):
    write_images(tmp_path / "images/train")
    np.save(tmp_path / "mine.npy", np.arange(VALUES)[::-1])
    encoder = encoders.make_encoder("imagenet64", image_size=SIZE, order=str(tmp_path / "mine.npy"))
    shards.prepare(tmp_path / "images", tmp_path / "out", dataset="imagenet64", encoder=encoder)
    np.save(tmp_path / "out/order.npy", np.arange(VALUES))
    with pytest.raises(UserError, match="not the file that the shards were made with"):
        ShardsTask(tmp_path / "out")
