import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_perceiver_ar.codecs import byte_codec
from pipelines.data import BooksTask
from pipelines.data.corpus import Corpus
from pipelines.errors import UserError

# One byte, ten bytes (the golden document), characters of two to four bytes.
BOOKS = {"1": "q", "2": "ABCDEFGHIJ", "3": "naïve – \U0001d11e, größer"}


def write_books(folder, books=BOOKS, split="train"):
    (folder / split).mkdir(parents=True, exist_ok=True)
    for name, text in books.items():
        (folder / split / f"{name}.txt").write_bytes(text.encode("utf-8"))
    return folder


def arrays(dataset):
    """Token ids and labels of a finite dataset, (batches, b, M) each."""
    elements = [(x["token_ids"].numpy(), y.numpy()) for x, y in dataset]
    return tuple(np.stack(column) for column in zip(*elements))


def flat(dataset):
    return tuple(column.reshape(-1, column.shape[-1]) for column in arrays(dataset))


def events_of(text):
    return [byte_codec.SOS, *byte_codec.encode(text).tolist(), byte_codec.EOS]


def crops_of(text, context):
    """All training rows of a text without short ones: inputs, then the last target."""
    events = events_of(text)
    return [tuple(events[max(0, end - context) : end + 1]) for end in range(1, len(events))]


def observed(tokens, labels):
    lengths = np.count_nonzero(tokens, axis=-1)
    rows = zip(tokens.tolist(), labels.tolist(), lengths.tolist())
    return [(*row[:length], label[length - 1]) for row, label, length in rows]


def test_elements_have_static_shapes(tmp_path):
    task = BooksTask(write_books(tmp_path))
    datasets = [
        task.train_dataset(6, 4, seed=0, num_shards=2),
        task.evaluation_dataset("train", 6, 4, 3, num_shards=2),
    ]
    for dataset in datasets:
        inputs, labels = dataset.element_spec
        assert inputs == {"token_ids": tf.TensorSpec((2, 6), tf.int32)}
        assert labels == tf.TensorSpec((2, 6), tf.int32)
    assert datasets[0].cardinality() == tf.data.INFINITE_CARDINALITY
    assert datasets[1].cardinality() > 0


def test_first_rows_stay_what_they_are(tmp_path):
    # Going on with a run after an update of TensorFlow must give the batches it would have given.
    task = BooksTask(write_books(tmp_path), short_row_fraction=0.5)
    tokens, _ = arrays(task.train_dataset(6, 2, seed=0, start_step=3).take(2))
    assert tokens.tolist() == [
        [[243, 160, 135, 0, 0, 0], [135, 161, 47, 35, 0, 0]],
        [[117, 198, 185, 0, 0, 0], [161, 47, 35, 0, 0, 0]],
    ]


def test_targets_are_drawn_uniformly_over_all_documents(tmp_path):
    task = BooksTask(write_books(tmp_path), short_row_fraction=0.0)
    rows = observed(*flat(task.train_dataset(5, 256, seed=0).take(50)))
    expected = [crop for text in BOOKS.values() for crop in crops_of(text, 5)]
    assert len(set(expected)) == len(expected) == task.units("train")["bytes"] + len(BOOKS)
    assert set(rows) == set(expected)
    mean = len(rows) / len(expected)
    counts = np.array([rows.count(crop) for crop in expected])
    assert np.abs(counts - mean).max() < 5 * mean**0.5


def test_training_crops_are_the_golden_ones(tmp_path, shared):
    task = BooksTask(write_books(tmp_path, {"1": BOOKS["2"]}), short_row_fraction=0.0)
    rows = observed(*flat(task.train_dataset(4, 64, seed=0).take(4)))
    with np.load(shared / "golden" / "s_data" / "train_crops_c5_min3.npz") as golden:
        expected = {tuple(i for i in row if i) for row in golden["events"].tolist()}
    # The golden set leaves out crops of fewer than three events.
    assert {row for row in rows if len(row) >= 3} == expected


def test_labels_are_the_inputs_shifted_by_one(tmp_path):
    task = BooksTask(write_books(tmp_path), min_crop=2, short_row_fraction=0.5)
    tokens, labels = flat(task.train_dataset(7, 64, seed=0).take(4))
    assert tokens.any(axis=1).all()
    for row, label in zip(tokens, labels):
        length = np.count_nonzero(row)
        assert row[:length].all() and label[:length].all()
        assert not label[length:].any()
        np.testing.assert_array_equal(label[: length - 1], row[1:length])


def test_short_rows(tmp_path):
    text = "".join(chr(32 + i % 90) for i in range(4000))
    task = BooksTask(write_books(tmp_path, {"1": text}), min_crop=3, short_row_fraction=1.0)
    tokens, labels = flat(task.train_dataset(8, 256, seed=0).take(8))
    lengths = np.count_nonzero(tokens, axis=1)
    # Shorter ones only at the start of the document.
    assert (tokens[lengths < 3][:, 0] == byte_codec.SOS).all()
    counts = np.bincount(lengths, minlength=9)[3:]
    assert np.abs(counts - 2048 / 6).max() < 5 * (2048 / 6) ** 0.5
    # Cut from the left: the last target is what it was.
    full = BooksTask(tmp_path, min_crop=3, short_row_fraction=0.0)
    rows = observed(tokens, labels)
    for row, whole in zip(rows, observed(*flat(full.train_dataset(8, 256, seed=0).take(8)))):
        assert whole[-len(row) :] == row

    some = BooksTask(tmp_path, short_row_fraction=0.1)
    lengths = np.count_nonzero(flat(some.train_dataset(8, 256, seed=0).take(8))[0], axis=1)
    # A tenth of the rows, less the eighth of them that are drawn with full length.
    assert 0.06 < (lengths < 8).mean() < 0.12


@pytest.mark.parametrize("num_shards", [1, 2, 4])
def test_shards_together_are_the_global_batch(tmp_path, num_shards):
    task = BooksTask(write_books(tmp_path), short_row_fraction=0.5)
    shards = [{"shard_index": i, "num_shards": num_shards} for i in range(num_shards)]
    whole = arrays(task.train_dataset(6, 8, seed=3).take(3))
    parts = [arrays(task.train_dataset(6, 8, seed=3, **shard).take(3)) for shard in shards]
    for column, columns in zip(whole, zip(*parts)):
        assert np.concatenate(columns, axis=1).tobytes() == column.tobytes()
    whole = arrays(task.evaluation_dataset("train", 6, 8, 4))
    parts = [arrays(task.evaluation_dataset("train", 6, 8, 4, **shard)) for shard in shards]
    for column, columns in zip(whole, zip(*parts)):
        assert np.concatenate(columns, axis=1).tobytes() == column.tobytes()


def test_going_on_at_a_step_is_the_same_as_running_through(tmp_path):
    task = BooksTask(write_books(tmp_path), short_row_fraction=0.5)
    through = arrays(task.train_dataset(6, 4, seed=5).take(7))
    # Another instance: nothing is carried over but the step.
    task = BooksTask(tmp_path, short_row_fraction=0.5)
    resumed = arrays(task.train_dataset(6, 4, seed=5, start_step=4).take(3))
    for column, rest in zip(through, resumed):
        np.testing.assert_array_equal(column[4:], rest)


def test_seeds_and_steps_differ(tmp_path):
    task = BooksTask(write_books(tmp_path))
    batches = [b for seed in (0, 1) for b in arrays(task.train_dataset(6, 32, seed).take(2))[0]]
    for i, one in enumerate(batches):
        for other in batches[:i]:
            assert (one != other).any(axis=1).mean() > 0.5


def test_evaluation_rows_of_a_small_corpus(tmp_path):
    task = BooksTask(write_books(tmp_path, {"1": "q", "2": "ABC"}, split="test"))
    tokens, labels = flat(task.evaluation_dataset("test", context=4, batch_size=4, num_latents=3))
    assert tokens.tolist() == [[2, 116, 0, 0], [2, 0, 0, 0], [2, 68, 69, 70], [0, 0, 0, 0]]
    assert labels.tolist() == [[116, 1, 0, 0], [68, 0, 0, 0], [0, 69, 70, 1], [0, 0, 0, 0]]


@settings(max_examples=25, deadline=None)
@given(
    books=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
            lambda text: not text.isspace() and not text.startswith("\ufeff")
        ),
        min_size=1,
        max_size=5,
    ),
    context=st.integers(1, 20),
    batch_size=st.integers(1, 5),
    data=st.data(),
)
def test_each_target_is_labelled_exactly_once(tmp_path_factory, books, context, batch_size, data):
    num_latents = data.draw(st.integers(1, context))
    stride = data.draw(st.integers(1, num_latents))
    named = {f"{i}": text for i, text in enumerate(books)}
    task = BooksTask(write_books(tmp_path_factory.mktemp("books"), named, split="test"))
    options = {"stride": stride, "places": True}
    dataset = task.evaluation_dataset("test", context, batch_size, num_latents, **options)
    tokens, labels = flat(dataset)
    places = zip(*(np.concatenate([x[name] for x, _ in dataset]) for name in ("document", "start")))
    units = task.units("test")
    assert np.count_nonzero(labels) == units["bytes"] + units["documents"]
    # Rows come in order, so the labels in order are the targets of all books, one after another.
    assert labels[labels > 0].tolist() == [i for text in books for i in events_of(text)[1:]]
    for row, label, (document, start) in zip(tokens, labels, places):
        length, end = np.count_nonzero(row), label.nonzero()[0]
        assert length == 0 or end[-1] == length - 1
        assert length == context or not length or row[0] == byte_codec.SOS
        assert row[:length].tolist() == events_of(books[document])[start : start + length]
        assert end.size <= stride
    plain = task.evaluation_dataset("test", context, batch_size, stride)
    for one, other in zip(flat(plain), (tokens, labels)):
        np.testing.assert_array_equal(one, other)


def test_units(tmp_path):
    task = BooksTask(write_books(tmp_path))
    num_bytes = sum(len(text.encode("utf-8")) for text in BOOKS.values())
    num_words = sum(len(text.split()) for text in BOOKS.values())
    assert task.units("train") == {"bytes": num_bytes, "words": num_words, "documents": 3}
    each = task.document_units("train")
    texts = [BOOKS[name] for name in sorted(BOOKS)]
    assert each["bytes"].tolist() == [len(text.encode("utf-8")) for text in texts]
    assert each["words"].tolist() == [len(text.encode().split()) for text in texts]
    assert (each["targets"] == each["bytes"] + 1).all()
    assert task.vocab_size == 259
    assert BooksTask.evaluation_metrics == ("bits_per_byte", "word_perplexity")


def test_the_corpus_is_read_late_once_and_held_once(tmp_path, monkeypatch):
    loaded = []
    load = Corpus.load

    def counting(path, split):
        loaded.append((split, load(path, split)))
        return loaded[-1][1]

    monkeypatch.setattr(Corpus, "load", counting)
    task = BooksTask(write_books(tmp_path))
    assert not loaded
    dataset = task.train_dataset(6, 4, seed=0)
    task.units("train")
    task.evaluation_dataset("train", 6, 4, 2)
    assert [split for split, _ in loaded] == ["train"]
    before = arrays(dataset.take(20))[0]
    # The tensor is the array: what is written to one is read from the other.
    loaded[0][1].data[:] = ord("z")
    after = arrays(dataset.take(20))[0]
    assert set(after[before >= 3].tolist()) == {ord("z") + 3}


def test_the_corpus_is_not_in_the_graph(tmp_path):
    sizes = []
    for length in (10, 10_000):
        books = write_books(tmp_path / str(length), {f"{i}": "x" * length for i in range(9)})
        dataset = BooksTask(books).train_dataset(6, 4, seed=0)
        maps = [d for d in (dataset, *_inputs(dataset)) if hasattr(d, "_map_func")]
        sizes.append([d._map_func.function.graph.as_graph_def().ByteSize() for d in maps])
    assert len(sizes[0]) == 1
    assert abs(sizes[0][0] - sizes[1][0]) < 100


def _inputs(dataset):
    for below in dataset._inputs():
        yield below
        yield from _inputs(below)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda path: BooksTask(path, min_crop=0), "min_crop must be an integer ≥ 1, got 0"),
        (lambda path: BooksTask(path, short_row_fraction=1.5), "must lie in 0 … 1, got 1.5"),
        (
            lambda path: BooksTask(path, min_crop=9).train_dataset(8, 4, 0),
            "min_crop 9 is more than the context of 8 inputs",
        ),
        (lambda path: BooksTask(path).train_dataset(0, 4, 0), "context must be an integer ≥ 1"),
        (lambda path: BooksTask(path).train_dataset(8, 4, 0, num_shards=3), "does not divide"),
        (lambda path: BooksTask(path).train_dataset(8, 4, 0, start_step=-1), "start_step"),
        (
            lambda path: BooksTask(path).evaluation_dataset("train", 8, 4, 9),
            "num_latents 9 is more",
        ),
        (lambda path: BooksTask(path).evaluation_dataset("dev", 8, 4, 4), "unknown split 'dev'"),
        (lambda path: BooksTask(path).units("test"), "has no folder 'test'"),
        (lambda path: BooksTask(path / "x").train_dataset(8, 4, 0), "no folder"),
    ],
)
def test_refusals(tmp_path, call, message):
    write_books(tmp_path)
    with pytest.raises(UserError, match=message):
        call(tmp_path)
