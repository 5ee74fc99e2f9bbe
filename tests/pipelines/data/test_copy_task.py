import numpy as np
import pytest
import tensorflow as tf

from pipelines.data import CopyTask
from pipelines.errors import UserError

FIRST_TOKENS = [
    [[2, 15, 5, 12, 0, 0, 0, 0], [2, 16, 9, 14, 0, 0, 0, 0]],
    [[2, 18, 7, 13, 13, 7, 0, 0], [2, 5, 9, 17, 17, 9, 0, 0]],
]
FIRST_LABELS = [
    [[15, 5, 12, 12, 0, 0, 0, 0], [16, 9, 14, 14, 0, 0, 0, 0]],
    [[18, 7, 13, 13, 7, 18, 0, 0], [5, 9, 17, 17, 9, 5, 0, 0]],
]


def arrays(dataset):
    """Token ids and labels of a finite dataset, (batches, b, M) each."""
    elements = [(x["token_ids"].numpy(), y.numpy()) for x, y in dataset]
    return tuple(np.stack(column) for column in zip(*elements))


def is_mirrored(events, num_values=256):
    half = (len(events) - 2) // 2
    data, mirror = events[1 : half + 1], events[half + 1 : -1]
    ids = all(3 <= i < 3 + num_values for i in data)
    return events[0] == 2 and events[-1] == 1 and ids and list(mirror) == list(data)[::-1]


def test_first_rows_stay_what_they_are():
    # Going on with a run after an update of TensorFlow must give the batches it would have given.
    dataset = CopyTask(length=8, num_values=16).train_dataset(context=8, batch_size=2, seed=0)
    tokens, labels = arrays(dataset.take(2))
    assert tokens.tolist() == FIRST_TOKENS
    assert labels.tolist() == FIRST_LABELS


def test_training_rows():
    task = CopyTask(length=32)
    dataset = task.train_dataset(context=40, batch_size=64, seed=0)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    inputs, labels = dataset.element_spec
    assert inputs == {"token_ids": tf.TensorSpec((64, 40), tf.int32)}
    assert labels == tf.TensorSpec((64, 40), tf.int32)
    tokens, labels = (column.reshape(-1, 40) for column in arrays(dataset.take(8)))
    assert not tokens[:, 31:].any() and not labels[:, 31:].any()
    whole = 0
    for row, label in zip(tokens, labels):
        length = np.count_nonzero(row)
        assert np.count_nonzero(label) == length
        np.testing.assert_array_equal(label[: length - 1], row[1:length])
        events = [*row[:length], label[length - 1]]
        assert events[0] == 2
        mirror = events[16:31]
        assert mirror == events[1:16][::-1][: len(mirror)]
        if length == 31:
            assert is_mirrored(events)
            whole += 1
    assert whole
    data = tokens[:, 1:16]
    assert (data.min(), data.max()) == (3, 258)
    assert len({tuple(row) for row in data.tolist()}) == len(data)


def test_crops_and_structure_are_the_golden_ones(shared):
    folder = shared / "golden" / "s_data"
    with np.load(folder / "random_mirrored_32_raw.npz") as golden:
        assert all(is_mirrored(golden[f"batch{i}/events"].tolist()) for i in range(4))
    with np.load(folder / "random_mirrored_32_eval_first2.npz") as golden:
        expected = set(golden["batch0/input_length"].tolist())
    tokens, _ = arrays(CopyTask(length=32).train_dataset(32, 256, seed=1).take(4))
    # The golden lengths count events, one more than inputs.
    assert {int(n) + 1 for n in np.count_nonzero(tokens, axis=-1).ravel()} == expected


@pytest.mark.parametrize("num_shards", [1, 2, 4])
def test_shards_together_are_the_global_batch(num_shards):
    task = CopyTask(length=8, evaluation_examples=13)
    shards = [{"shard_index": i, "num_shards": num_shards} for i in range(num_shards)]
    whole = arrays(task.train_dataset(8, 8, seed=3).take(3))
    parts = [arrays(task.train_dataset(8, 8, seed=3, **shard).take(3)) for shard in shards]
    for column, columns in zip(whole, zip(*parts)):
        assert np.concatenate(columns, axis=1).tobytes() == column.tobytes()
    whole = arrays(task.evaluation_dataset("test", 8, 8, 4))
    parts = [arrays(task.evaluation_dataset("test", 8, 8, 4, **shard)) for shard in shards]
    for column, columns in zip(whole, zip(*parts)):
        assert np.concatenate(columns, axis=1).tobytes() == column.tobytes()


def test_going_on_at_a_step_is_the_same_as_running_through():
    task = CopyTask(length=16)
    through = arrays(task.train_dataset(16, 4, seed=5).take(7))
    resumed = arrays(task.train_dataset(16, 4, seed=5, start_step=4).take(3))
    for column, rest in zip(through, resumed):
        np.testing.assert_array_equal(column[4:], rest)


def test_batches_do_not_depend_on_threads():
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    dataset = CopyTask(length=64).train_dataset(64, 16, seed=0)
    for many, one in zip(arrays(dataset.take(10)), arrays(dataset.take(10).with_options(options))):
        np.testing.assert_array_equal(many, one)


def test_seeds_steps_and_splits_differ():
    task = CopyTask(length=16, evaluation_examples=4)
    streams = [
        arrays(task.train_dataset(16, 4, seed=seed).take(2))[0] for seed in (0, 1, 2**63 - 1)
    ]
    halves = [batch[:, 1:8] for stream in streams for batch in stream]
    splits = ("train", "validation", "test")
    halves += [arrays(task.evaluation_dataset(s, 16, 4, 8))[0][0, :, 1:8] for s in splits]
    other = CopyTask(length=16, evaluation_examples=4, evaluation_seed=1)
    halves.append(arrays(other.evaluation_dataset("test", 16, 4, 8))[0][0, :, 1:8])
    seen = {tuple(row) for half in halves for row in half.tolist()}
    assert len(seen) == 4 * len(halves)


def test_evaluation_scores_the_mirrored_half_and_the_end():
    task = CopyTask(length=8, num_values=5, evaluation_examples=3)
    dataset = task.evaluation_dataset("validation", context=9, batch_size=2, num_latents=4)
    assert dataset.element_spec[0] == {"token_ids": tf.TensorSpec((2, 9), tf.int32)}
    assert dataset.element_spec[1] == tf.TensorSpec((2, 9), tf.int32)
    tokens, labels = (column.reshape(-1, 9) for column in arrays(dataset))
    assert tokens.shape == (4, 9)
    for row, label in zip(tokens[:3].tolist(), labels[:3].tolist()):
        # Inputs SOS a b c c b a; scored are c b a EOS.
        assert is_mirrored([*row[:7], 1], num_values=5)
        assert row[7:] == [0, 0]
        assert label == [0, 0, 0, *row[4:7], 1, 0, 0]
    assert not tokens[3].any() and not labels[3].any()


def test_evaluation_examples_do_not_depend_on_the_batch_size():
    task = CopyTask(length=8, evaluation_examples=12)
    one, other = (arrays(task.evaluation_dataset("test", 8, size, 4)) for size in (3, 4))
    np.testing.assert_array_equal(one[0].reshape(12, 8), other[0].reshape(12, 8))


@pytest.mark.parametrize(
    ("num_latents", "stride", "scored"),
    [(4, None, [4]), (8, None, [4]), (3, None, [1, 3]), (8, 2, [2, 2]), (2, 1, [1, 1, 1, 1])],
)
def test_a_mirrored_half_longer_than_the_latents_is_scored_in_blocks(num_latents, stride, scored):
    task = CopyTask(length=8, evaluation_examples=3)
    options = {"stride": stride, "places": True}
    batches = list(task.evaluation_dataset("test", 9, 4, num_latents, **options))
    (whole,), _ = arrays(
        CopyTask(length=8, evaluation_examples=3).evaluation_dataset("test", 9, 3, 4)
    )
    columns = {
        name: np.concatenate([inputs[name] for inputs, _ in batches])
        for name in ("token_ids", "document", "start")
    }
    labels = np.concatenate([labels for _, labels in batches])
    rows = 3 * len(scored)
    assert not columns["token_ids"][rows:].any() and not labels[rows:].any()
    assert columns["document"][:rows].tolist() == np.repeat(range(3), len(scored)).tolist()
    assert not columns["start"].any()
    for row, example in zip(columns["token_ids"], columns["document"][:rows]):
        length = np.count_nonzero(row)
        assert row[:length].tolist() == whole[example, :length].tolist()
    assert np.count_nonzero(labels[:rows], axis=1).tolist() == scored * 3
    for example, events in enumerate(whole):
        ours = labels[:rows][columns["document"][:rows] == example]
        assert ours[ours > 0].tolist() == [*events[4:7], 1]  # each once, in order


def test_the_paper_s_longest_copy_with_its_latents():
    task = CopyTask(length=131072, evaluation_examples=1)
    dataset = task.evaluation_dataset("test", 131072, 1, 1024)
    assert dataset.cardinality() == 64
    first, last = (next(iter(dataset.skip(number))) for number in (0, 63))
    assert np.count_nonzero(first[1]) == np.count_nonzero(last[1]) == 1024
    tokens = last[0]["token_ids"].numpy()[0, :131071]
    assert is_mirrored([*tokens.tolist(), 1])
    assert first[1].numpy()[0, 65535:66559].tolist() == tokens[65536:66560].tolist()


def test_longest_length_of_the_paper():
    task = CopyTask(length=131072, evaluation_examples=1)
    tokens, labels = arrays(task.evaluation_dataset("test", 131072, 1, 65536))
    assert is_mirrored([*tokens[0, 0, :131071].tolist(), 1])
    assert np.count_nonzero(labels) == 65536
    tokens, _ = arrays(task.train_dataset(131072, 1, seed=0).take(1))
    assert 65536 <= np.count_nonzero(tokens) <= 131071


def test_shortest_length():
    tokens, labels = arrays(CopyTask(length=4, min_crop=1).train_dataset(4, 32, seed=0).take(2))
    lengths = np.count_nonzero(tokens, axis=-1)
    assert set(lengths.ravel().tolist()) == {1, 2, 3}
    np.testing.assert_array_equal(labels[lengths == 3][:, 2], 1)


def test_what_the_task_says_of_itself():
    assert CopyTask().vocab_size == 259
    assert CopyTask(num_values=10).vocab_size == 13
    assert CopyTask.evaluation_metrics == ("accuracy",)
    assert CopyTask().units("test") == {}
    (each,) = CopyTask(length=8, evaluation_examples=2).document_units("test").values()
    assert each.tolist() == [4, 4]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: CopyTask(length=31), "length must be even and at least 4, got 31"),
        (lambda: CopyTask(length=2), "length must be even and at least 4, got 2"),
        (lambda: CopyTask(num_values=0), "num_values must be an integer ≥ 1, got 0"),
        (lambda: CopyTask(length=8, min_crop=8), "min_crop must lie in 1 … 7 .*got 8"),
        (lambda: CopyTask(length=8, min_crop=0), "min_crop must lie in 1 … 7 .*got 0"),
        (
            lambda: CopyTask(evaluation_examples=0),
            "evaluation_examples must be an integer ≥ 1, got 0",
        ),
        (lambda: CopyTask().units("dev"), "unknown split 'dev'"),
        (lambda: CopyTask().train_dataset(31, 4, 0), "context 31 is shorter .* at least 32"),
        (lambda: CopyTask().train_dataset(32, 4, 0, num_shards=3), "does not divide into 3 shards"),
        (lambda: CopyTask().train_dataset(32, 0, 0), "batch_size must be an integer ≥ 1"),
        (lambda: CopyTask().evaluation_dataset("dev", 32, 4, 16), "unknown split 'dev'"),
        (lambda: CopyTask().evaluation_dataset("test", 31, 4, 16), "context 31 is shorter"),
        (lambda: CopyTask().evaluation_dataset("test", 32, 4, 33), "num_latents 33 is more than"),
        (
            lambda: CopyTask().evaluation_dataset("test", 32, 4, 8, stride=9),
            "stride 9 is more than 8 latents",
        ),
        (lambda: CopyTask().document_units("dev"), "unknown split 'dev'"),
        (
            lambda: CopyTask().evaluation_dataset("test", 32, 4, 16, num_shards=8),
            "batch_size 4 does not divide into 8 shards",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises(UserError, match=message):
        call()
