"""Whether TF Serving can run every node of a SavedModel.

Loading one looks at names alone. An op without a kernel, or one that needs Python, fails when it is
called, for whoever calls. Here every node of every function is looked up beforehand.
"""

import functools
import re
import socket
from typing import NamedTuple

import tensorflow as tf
from google.protobuf.message import Message
from tensorflow.core.protobuf import saved_model_pb2

# TensorFlow offers these two nowhere else.
from tensorflow.python.framework import kernels, op_def_registry

from pipelines import remote
from pipelines.errors import UserError

# Ops of TensorFlow Text, which TF Serving links besides those of TensorFlow itself.
TEXT_OPS = frozenset(
    [
        "CaseFoldUTF8",
        "ConstrainedSequence",
        "FastBertNormalize",
        "FastWordpieceTokenizeWithOffsets",
        "FindSourceOffsets",
        "MaxSpanningTree",
        "NormalizeUTF8",
        "NormalizeUTF8WithOffsetsMap",
        "PhraseTokenize",
        "RegexSplitWithOffsets",
        "RougeL",
        "SentenceFragments",
        "SentenceFragmentsV2",
        "SentencepieceDetokenizeOp",
        "SentencepieceIdToStringOp",
        "SentencepieceOp",
        "SentencepieceStringToIdOp",
        "SentencepieceTokenizeOp",
        "SentencepieceTokenizeWithOffsetsOp",
        "SentencepieceVocabSizeOp",
        "SplitMergeTokenizeWithOffsets",
        "TFText>BoiseTagsToOffsets",
        "TFText>ByteSplitByOffsets",
        "TFText>ByteSplitWithOffsets",
        "TFText>FastSentencepieceDetokenize",
        "TFText>FastSentencepieceTokenize",
        "TFText>FastWordpieceDetokenize",
        "TFText>NgramsStringJoin",
        "TFText>OffsetsToBoiseTags",
        "TFText>PhraseDetokenize",
        "TFText>RoundRobinGenerateMasks",
        "TFText>RoundRobinTrim",
        "TFText>Utf8Binarize",
        "TFText>WhitespaceTokenizeWithOffsetsV2",
        "TokenizerFromLogits",
        "UnicodeScriptTokenizeWithOffsets",
        "WhitespaceTokenizeWithOffsets",
        "WordpieceTokenizeWithOffsets",
    ]
)
# What has a state and gives the same answer to the same request nevertheless.
_STEADY = frozenset(
    [
        "Assert",
        "Case",
        "DisableCopyOnRead",
        "If",
        "PartitionedCall",
        "ReadVariableOp",
        "ResourceGather",
        "SentencepieceDetokenizeOp",
        "SentencepieceIdToStringOp",
        "SentencepieceOp",
        "SentencepieceStringToIdOp",
        "SentencepieceTokenizeOp",
        "SentencepieceTokenizeWithOffsetsOp",
        "SentencepieceVocabSizeOp",
        "StatefulPartitionedCall",
        "VarIsInitializedOp",
        "While",
    ]
)
# What makes and fills variables, which no request may do.
_LOADING = frozenset(
    ["AssignVariableOp", "MergeV2Checkpoints", "RestoreV2", "SaveV2", "VarHandleOp"]
)
_PYTHON = frozenset(["EagerPyFunc", "PyFunc", "PyFuncStateless"])
_KERNEL_DEVICES = ("CPU", "DEFAULT")  # those of DEFAULT are for every device
_BINARY = re.compile(rb"[\x00-\x08]")
_PATH = re.compile(rb"(?<![\w.:/])/(?:[\w.~+-]+/)+[\w.~+-]+")


class Found(NamedTuple):
    """A node and where it is."""

    place: str  # function, or "" for the outermost graph
    node: Message  # `NodeDef`
    served: bool  # whether a signature reaches it


def check(folder, tell=lambda line: None):
    """Refuses a SavedModel that would not run, or not everywhere.

    Args:
        folder: str, local or remote.
        tell: function of a line, what begins.

    Raises:
        UserError: names the op and its function: it is not registered, or not linked into TF
            Serving; it has no CPU kernel for its types; it has a state, so that equal requests
            might get unequal answers, or needs Python; it holds a path or a name of this machine.
    """
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString(remote.content(tf.io.gfile.join(folder, "saved_model.pb")))
    for meta_graph in saved.meta_graphs:
        nodes = list(_nodes(meta_graph))
        tell(f"checking {len(nodes):,} operations")
        for found in nodes:
            if fault := _fault(found):
                where = f"function {found.place}" if found.place else "the outermost graph"
                raise UserError(
                    f"the SavedModel was not kept: op {found.node.op} ({found.node.name} in "
                    f"{where}) {fault}"
                )


def _nodes(meta_graph):
    """Every node, as `Found`."""
    graph = meta_graph.graph_def
    functions = {function.signature.name: function for function in graph.library.function}
    outer, inner = _reached(meta_graph, functions)
    for node in graph.node:
        # The placeholders and handles around the calls are reached too; they are made by loading.
        yield Found("", node, node.name in outer and node.op not in _LOADING)
    for name, function in functions.items():
        for node in function.node_def:
            yield Found(name, node, name in inner)


def _reached(meta_graph, functions):
    """Names of the outer nodes and of the functions that signatures reach."""
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    signatures = meta_graph.signature_def
    waiting = [
        tensor.name.split(":")[0]
        for name, signature in signatures.items()
        if not name.startswith("__saved_model")  # what is run once, at loading
        for tensor in signature.outputs.values()
    ]
    outer, inner, called = set(), set(), []
    while waiting:
        name = waiting.pop()
        if name not in outer:
            outer.add(name)
            called += _calls(nodes[name])
            waiting += [source.lstrip("^").split(":")[0] for source in nodes[name].input]
    while called:
        name = called.pop()
        if name in functions and name not in inner:
            inner.add(name)
            for node in functions[name].node_def:
                called += _calls(node)
    return outer, inner


def _calls(node):
    """Names of the functions that a node may call."""
    yield node.op
    for value in node.attr.values():
        for function in (value.func, *value.list.func):
            yield function.name


def _fault(found):
    """What is wrong with a node; None if nothing is."""
    node, op = found.node, found.node.op
    definition = op_def_registry.get(op)
    if definition is None:
        return "is not registered: TF Serving does not know it"
    if not hasattr(tf.raw_ops, op) and op not in TEXT_OPS:
        return "is no op of TensorFlow or TensorFlow Text: TF Serving does not link it"
    if op in _PYTHON:
        return "calls Python: TF Serving has none"
    steady = op in _STEADY or (op in _LOADING and not found.served)
    if definition.is_stateful and not steady:
        return "keeps a state or reaches out of the graph: equal requests might get unequal answers"
    if not _has_kernel(node, definition):
        types = ", ".join(
            f"{name}={_type_names(kinds)}" for name, kinds in _types(node, definition)
        )
        return f"has no CPU kernel for {types or 'anything'}"
    if node.device and not re.fullmatch(r"/device:CPU:(\*|[0-9]+)", node.device):
        return f"is bound to the device {node.device}"
    for text in _texts(node):
        if path := _PATH.search(text):
            return f"holds a path of this machine, {path[0].decode(errors='replace')}"
        if address := _address_here(text):
            return f"holds the name of this machine, {address[0].decode(errors='replace')}"
    return None


def _address_here(text):
    """Match of this machine's name, as in an address: it may be a word that messages hold."""
    name = re.escape(socket.gethostname() or "localhost").encode()
    return re.search(rb"(?:^|//|@)%b(?:$|[:/.])|\b%b:[0-9]" % (name, name), text)


def _types(node, definition):
    """Pairs of each attribute that is a type, or several, and the list of them."""
    for attribute in definition.attr:
        if attribute.type in ("type", "list(type)"):
            # What is left out of a graph has the default.
            given = attribute.name in node.attr
            value = node.attr[attribute.name] if given else attribute.default_value
            yield attribute.name, list(value.list.type) or [value.type]


def _type_names(types):
    return "/".join(tf.dtypes.as_dtype(kind).name for kind in types)


def _has_kernel(node, definition):
    types = dict(_types(node, definition))
    label = node.attr["_kernel"].s.decode() if "_kernel" in node.attr else ""
    return any(
        kernel.device_type in _KERNEL_DEVICES
        and kernel.label == label
        and all(
            set(types.get(constraint.name, ())) <= set(constraint.allowed_values.list.type)
            for constraint in kernel.constraint
        )
        for kernel in _kernels(node.op)
    )


@functools.cache
def _kernels(op):
    return kernels.get_registered_kernels_for_op(op).kernel


def _texts(node):
    """Every text that a node holds, as bytes."""
    for value in node.attr.values():
        tensors = (value.tensor, *value.list.tensor)
        strings = (
            value.s,
            *value.list.s,
            *(text for tensor in tensors for text in tensor.string_val),
        )
        # In a message that is written out, the length of a name looks like a letter of it.
        yield from (text for text in strings if not _BINARY.search(text))
