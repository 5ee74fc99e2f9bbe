"""What TF Serving could not run is found before anybody sees it, and named."""

import socket

import pytest
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow.core.protobuf import saved_model_pb2

from pipelines.errors import UserError
from savedmodels import registry_check
from tests.savedmodels import exports

NUMBERS = (tf.TensorSpec((None,), tf.float32, name="x"),)


class Plain(tf.Module):
    """A module with one signature, and a variable that a request may read."""

    def __init__(self, function):
        super().__init__()
        self.total = tf.Variable(1.0)
        self.answer = tf.function(lambda x: {"y": function(self, x)}, input_signature=NUMBERS)


def save(folder, function):
    module = Plain(function)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.answer})
    return str(folder)


def refusal(folder):
    with pytest.raises(UserError) as error:
        registry_check.check(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def edit(folder, change):
    """Changes the only meta graph of a SavedModel."""
    path = f"{folder}/saved_model.pb"
    saved = saved_model_pb2.SavedModel()
    with open(path, "rb") as file:
        saved.ParseFromString(file.read())
    change(saved.meta_graphs[0].graph_def)
    with open(path, "wb") as file:
        file.write(saved.SerializeToString())


def nodes(graph, op):
    inner = (node for function in graph.library.function for node in function.node_def)
    return [node for node in (*graph.node, *inner) if node.op == op]


@pytest.mark.parametrize("export", [exports.export_text, exports.export_pieces])
def test_exported_models_pass(export, tmp_path):
    *_, path = export(tmp_path)
    registry_check.check(str(path))


def test_reading_a_variable_passes(tmp_path):
    registry_check.check(save(tmp_path, lambda module, x: x * module.total))


def python(module, x):
    return tf.ensure_shape(tf.py_function(lambda x: x + 1, [x], tf.float32), [None])


def counts(module, x):
    return x + module.total.assign_add(1.0)


@pytest.mark.parametrize(
    ("function", "op", "reason"),
    [
        (python, "EagerPyFunc", "calls Python"),
        (
            lambda module, x: tf.numpy_function(lambda x: x, [x], tf.float32, stateful=False),
            "PyFuncStateless",
            "calls Python",
        ),
        (counts, "AssignAddVariableOp", "keeps a state"),
        (
            lambda module, x: x + (module.total.assign(2.0) + 0 * x),
            "AssignVariableOp",
            "keeps a state",
        ),
        (lambda module, x: x + tf.random.uniform(()), "RandomUniform", "keeps a state"),
        (
            lambda module, x: tf.raw_ops.CudnnRNNParamsSize(
                num_layers=1, num_units=1, input_size=1, T=tf.float32, S=tf.int32
            ),
            "CudnnRNNParamsSize",
            "has no CPU kernel for T=float32, S=int32",
        ),
    ],
)
def test_ops_that_would_not_run_are_named(tmp_path, function, op, reason):
    said = refusal(save(tmp_path, function))
    assert f"op {op} (" in said and reason in said


def test_functions_of_functions_are_looked_into(tmp_path):
    def branch(module, x):
        return tf.cond(tf.reduce_any(x > 0), lambda: python(module, x), lambda: x)

    said = refusal(save(tmp_path, branch))
    assert "op EagerPyFunc (" in said and "in function cond_true" in said


def test_types_without_a_kernel_are_named(tmp_path):
    folder = save(tmp_path, lambda module, x: tf.nn.relu(x))
    registry_check.check(folder)

    def change(graph):
        for node in nodes(graph, "Relu"):
            node.attr["T"].type = tf.string.as_datatype_enum

    edit(folder, change)
    assert "op Relu (" in (said := refusal(folder)) and "no CPU kernel for T=string" in said


def test_ops_that_nobody_has_registered_are_named(tmp_path):
    folder = save(tmp_path, lambda module, x: tf.nn.relu(x))

    def change(graph):
        for node in nodes(graph, "Relu"):
            node.op = "ReluOfMine"

    edit(folder, change)
    assert "op ReluOfMine (" in (said := refusal(folder)) and "is not registered" in said


def test_ops_that_are_loaded_here_but_not_linked_there_are_named(tmp_path, monkeypatch):
    def words(module, x):
        tokens = tf_text.WhitespaceTokenizer().tokenize(tf.strings.as_string(x))
        return tf.strings.length(tokens.to_tensor())

    folder = save(tmp_path, words)
    registry_check.check(folder)
    monkeypatch.setattr(registry_check, "TEXT_OPS", frozenset())
    said = refusal(folder)
    assert "op TFText>WhitespaceTokenizeWithOffsetsV2 (" in said and "does not link it" in said


def test_every_op_of_the_list_is_one_of_tensorflow_text():
    known = registry_check.op_def_registry
    assert [op for op in registry_check.TEXT_OPS if known.get(op) is None] == []
    assert [op for op in registry_check.TEXT_OPS if hasattr(tf.raw_ops, op)] == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("see /home/me/books.model for it", "path of this machine, /home/me/books.model"),
        ("grpc://worker-17:8470", "name of this machine, //worker-17"),
        ("worker-17:8470,worker-18:8470", "name of this machine, worker-17"),
        ("worker-17", "name of this machine, worker-17"),
        ("https://example.com/a/b, a and/or b, s3://bucket/a/b, 1/2 / 3, worker-17, x", None),
    ],
)
def test_paths_and_machines_are_named(tmp_path, monkeypatch, text, reason):
    monkeypatch.setattr(socket, "gethostname", lambda: "worker-17")
    folder = save(tmp_path, lambda module, x: tf.strings.join([tf.strings.as_string(x), text]))
    if reason is None:
        registry_check.check(folder)
    else:
        assert "op Const (" in (said := refusal(folder)) and reason in said


def test_devices_are_named(tmp_path):
    folder = save(tmp_path, lambda module, x: tf.nn.relu(x))
    device = "/job:worker/replica:0/task:1/device:CPU:0"

    def change(graph):
        for node in nodes(graph, "Relu"):
            node.device = device

    edit(folder, change)
    assert "op Relu (" in (said := refusal(folder)) and f"bound to the device {device}" in said
