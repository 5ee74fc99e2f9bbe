"""Reading that fails in the middle of a run: one line, and which status."""

import types

import pytest
import tensorflow as tf

from pipelines.errors import RunError, UserError
from pipelines.training.input import data_errors, distribute

BUCKET = tf.errors.UnavailableError(None, None, "the bucket\nis away")


def read(strategy, function):
    """Reads batches in a loop on the device, as the trainer does."""

    def make_dataset(batch_size, **_):
        return tf.data.Dataset.range(100).map(function).batch(batch_size)

    dataset = distribute(strategy, make_dataset, 2)

    @tf.function
    def loop(iterator):
        for _ in tf.range(9):
            strategy.run(tf.identity, args=(next(iterator),))

    loop(iter(dataset))


def missing(number):
    data = tf.io.read_file(tf.where(number > 4, "/no/such/file", "/dev/null"))
    return number + tf.cast(tf.strings.length(data), tf.int64)


def unequal(number):
    with tf.control_dependencies([tf.debugging.Assert(number < 5, ["not what", "it was"])]):
        return tf.identity(number)


@pytest.mark.parametrize("strategy", [tf.distribute.get_strategy, tf.distribute.MirroredStrategy])
@pytest.mark.parametrize(
    ("function", "said"),
    [(missing, "NotFoundError: /no/such/file"), (unequal, "InvalidArgumentError: .*not what")],
)
def test_the_iterator_ends_in_one_line(strategy, function, said):
    with pytest.raises(RunError, match=said) as error, data_errors(object(), remedy="again"):
        read(strategy(), function)
    line = str(error.value)
    assert line.endswith("; again") and "\n" not in line and len(line) < 500
    assert "node" not in line and "Graph" not in line


def test_a_bucket_that_does_not_answer_ends_in_one_line():
    with pytest.raises(RunError) as error, data_errors(object()):
        raise BUCKET
    assert str(error.value) == "UnavailableError: the bucket is away; try the same command again"


def test_files_that_are_to_blame_are_named_first():
    def check_contents():
        raise UserError("the third file")

    task = types.SimpleNamespace(check_contents=check_contents)
    with pytest.raises(UserError, match="the third file"), data_errors(task):
        read(tf.distribute.get_strategy(), unequal)


def test_the_reason_holds_no_places_of_a_graph(tmp_path):
    """A folder in the place of a shard is what nests them deepest."""

    def read_in_iterator():
        inner = tf.data.TFRecordDataset(str(tmp_path)).batch(1)
        outer = tf.data.Dataset.range(1).map(lambda _: inner.get_single_element())
        return next(iter(outer))

    with pytest.raises(RunError) as error, data_errors(object()):
        read_in_iterator()
    assert str(tmp_path) in str(error.value) and "terator::" not in str(error.value)


@pytest.mark.parametrize("kind", [tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError])
def test_a_mistake_of_the_program_keeps_its_traceback(kind):
    with pytest.raises(kind), data_errors(object()):
        # The second name is where a batch came from, not what failed.
        raise kind(None, None, "[[{{node model/MatMul}}]] [[while/body/_1/IteratorGetNext/_12]]")
