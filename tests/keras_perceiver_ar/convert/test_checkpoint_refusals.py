"""Files that are no checkpoint of the original, or more than that: one message, and nothing run."""

import io
import os
import pickle
import re
import zipfile

import numpy as np
import pytest

from keras_perceiver_ar.convert.checkpoint import RECORDS, read_original_checkpoint

LINEAR = "perceiver_ar/~/linear"
PARAMS = {
    LINEAR: {"w": np.arange(6, dtype="float32").reshape(2, 3), "b": np.ones(3, "float32")},
    "perceiver_ar/~/embed": {"embeddings": np.linspace(-1, 1, 8).reshape(4, 2)},
}
CHECKPOINT = {"global_step": 25000, "params": PARAMS, "state": {}, "opt_state": (PARAMS, ())}


def refused(data, match):
    with pytest.raises(ValueError, match=match):
        read_original_checkpoint(io.BytesIO(data))


class Calls:
    """Has a function called when it is read."""

    def __init__(self, function, *args):
        self.reduction = (function, args)

    def __reduce__(self):
        return self.reduction

    def __call__(self):
        raise AssertionError("only to be pickled as a function")


def hostile(marker):
    """What is refused, and a value that makes the file `marker` by means of it."""
    touch = f"open({str(marker)!r}, 'w').close()"
    system = Calls(getattr, Calls(__import__, "os"), "system")
    return {
        r"posix\.system": Calls(os.system, f"touch {marker}"),
        r"(__builtin__|builtins)\.eval": Calls(eval, touch),
        r"(__builtin__|builtins)\.exec": Calls(exec, touch),
        r"(__builtin__|builtins)\.getattr": Calls(system, f"touch {marker}"),
        r"_?io\.open": Calls(open, str(marker), "w"),
        r"posix\.mkdir": Calls(os.mkdir, str(marker)),
    }


NESTS = {
    "bare": lambda value: value,
    "tuple": lambda value: (1, [({"a": (value,)},)]),
    "optimizer": lambda value: {**CHECKPOINT, "opt_state": (value,)},
    "parameter": lambda value: {"params": {LINEAR: {"w": value}}},
    "key": lambda value: {"params": PARAMS, Key(value): 0},
}


class Key(tuple):
    """A tuple that can be a key, whatever is in it."""

    def __new__(cls, value):
        return super().__new__(cls, (value,))

    def __reduce__(self):
        return self[0].reduction


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("nest", NESTS)
def test_hostile_files_are_refused_and_not_run(tmp_path, protocol, nest):
    marker = tmp_path / "was_run"
    for name, value in hostile(marker).items():
        data = pickle.dumps(NESTS[nest](value), protocol)
        refused(data, f"the checkpoint asks for {name}, which is refused.*Admitted are arrays of")
        assert not marker.exists()


def test_hostile_files_would_have_run(tmp_path):
    marker = tmp_path / "was_run"
    for value in hostile(marker).values():
        pickle.loads(pickle.dumps(value))
        assert marker.exists()
        marker.rmdir() if marker.is_dir() else marker.unlink()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy", "dtype.__class__"),
        ("numpy", "ndarray.tofile"),
        ("numpy", "load"),
        ("numpy.testing", "runstring"),
        ("numpy.core.multiarray", "frompyfunc"),
        ("optax", "State.__init__.__globals__"),
        ("optaxes", "State"),
        ("dill._dill", "_import_module"),
        ("dill._dill", "_create_function"),
        ("haiku", "transform"),
        ("keras_perceiver_ar.convert.checkpoint", "os.system"),
        ("copyreg", "_reconstructor"),
    ],
)
def test_names_beside_the_admitted_ones_are_refused(module, name):
    data = b"\x80\x04" + b"".join(
        b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)
    )
    refused(data + b"\x93.", f"asks for {re.escape(f'{module}.{name}')}, which is refused")


@pytest.mark.parametrize("name", RECORDS)
def test_files_cannot_change_how_others_are_read(name):
    name = "\n".join(name.rsplit(".", 1)).encode()
    # What is set would show in the classes, in their instances or nowhere.
    for state in (b"}U\x04argsK\x01s", b"N}U\x04argsK\x01s\x86", b"N}U\x07__new__K\x01s\x86"):
        refused(b"\x80\x02c" + name + b"\n" + state + b"b.", "is not a pickle, or a damaged one")
    read = read_original_checkpoint(io.BytesIO(pickle.dumps(CHECKPOINT, 2)))
    assert (read[f"{LINEAR}/w"] == PARAMS[LINEAR]["w"]).all()


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_files_cut_off_anywhere(protocol):
    data = pickle.dumps(CHECKPOINT, protocol)
    for end in range(len(data)):
        refused(data[:end], "the checkpoint is cut off, or empty")
    large = pickle.dumps({"params": {"m": {"w": np.ones(2**18)}}}, protocol)
    for end in range(0, len(large), 2**17):
        refused(large[:end], "the checkpoint is cut off, or empty")


def test_files_that_are_no_checkpoints(tmp_path):
    refused(b"weights, as text\n", "the checkpoint is not a pickle")
    refused(b"PK\x03\x04", r"the checkpoint is not a pickle, or a damaged one \(\w+: [^\n]*\)\.$")
    refused(np.random.default_rng(0).bytes(100), "the checkpoint is not a pickle")
    path = tmp_path / "released.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("models/latest/step_1/checkpoint.dill", pickle.dumps(CHECKPOINT))
    with pytest.raises(ValueError, match=r"released\.zip is a zip archive; unpack it and give the"):
        read_original_checkpoint(path)


@pytest.mark.parametrize(
    ("tree", "match"),
    [
        ({"global_step": 3}, "no parameters.*dict of 1 entries, such as .'global_step'."),
        ({"params": {}}, "holds no parameters"),
        ({"params": None}, "holds no parameters"),
        ({}, "holds no parameters.*an empty dict"),
        ([PARAMS], "holds no parameters.*a value of type list"),
        (np.ones(3), "holds no parameters.*an array"),
        ({"params": {"w": np.ones(3)}}, "must map names of modules to mappings of arrays"),
        ({"params": {3: PARAMS[LINEAR]}}, "must map names of modules to mappings of arrays"),
        ({"params": {"m": {3: np.ones(3)}}}, "'m' has a name that is a value of type int"),
        ({"params": {"m": {"w": [1.0]}}}, "'m/w' is not an array. Received: a value of type list"),
        ({"params": {"m": {"w": PARAMS}}}, "'m/w' is not an array. Received: a dict of 2 entries"),
        ({"params": {"m": {"w": np.array([{}])}}}, "'m/w' is an array of object dtype"),
        ({"params": {"m": {"w": np.array(["a"])}}}, "'m/w' is an array of 'U1' dtype"),
        ({"params": {"m": {"w": np.ones(2, "c8")}}}, "'m/w' is an array of 'c8' dtype"),
        ({"params": {"m": {"w": np.ones(2, "f4,f4")}}}, "'m/w' is an array of 'V8' dtype"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_trees_without_usable_parameters(tree, match, protocol):
    refused(pickle.dumps(tree, protocol), match)


@pytest.mark.parametrize(
    ("state", "match"),
    [
        ((1, (2,), np.dtype("f4"), False, b"1234"), "takes 8 bytes; received 4"),
        ((1, (2**40, 2**40), np.dtype("f4"), False, b"1234"), "received 4"),
        ((1, (-1,), np.dtype("f4"), False, b"1234"), "its shape is not a tuple of sizes"),
        ((1, [1], np.dtype("f4"), False, b"1234"), "its shape is not a tuple of sizes"),
        ((1, (1,) * 100, np.dtype("f4"), False, b"1234"), ""),
        ((1, (1,), "f4", False, b"1234"), "its type is a value of type str"),
        ((1, (1,), np.dtype("f4"), False, [1.0]), "received a value of type list"),
        ((1, (1,)), ""),
        ({"a": 1}, ""),
        (None, ""),
    ],
)
def test_damaged_arrays(state, match):
    class Damaged:
        def __reduce__(self):
            return (*np.ones(1).__reduce__()[:2], state)

    refused(pickle.dumps({"params": {"m": {"w": Damaged()}}}), f"'m/w' is damaged: .*{match}")
