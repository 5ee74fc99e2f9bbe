"""Checkpoint files as the original's libraries of several years write them, built by hand.

What is refused is in test_checkpoint_refusals.py.
"""

import io
import pickle
import sys
import types
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

from keras_perceiver_ar.convert.checkpoint import read_original_checkpoint

LINEAR = "perceiver_ar/~/linear"
PARAMS = {
    LINEAR: {"w": np.arange(6, dtype="float32").reshape(2, 3), "b": np.ones(3, "float32")},
    "perceiver_ar/~/embed": {"embeddings": np.linspace(-1, 1, 8).reshape(4, 2)},
}
AdamState = namedtuple("ScaleByAdamState", "count mu nu")


def flatten(params):
    return {
        f"{module}/{name}": a for module, arrays in params.items() for name, a in arrays.items()
    }


def checkpoint(params, adam=lambda *entries: entries):
    """The dict that the original saves, with three entries of Adam's state in a plain tuple."""
    state = (adam(np.int32(7), params, params), ())
    return {"global_step": np.int64(25000), "params": params, "state": {}, "opt_state": state}


def check(data, wanted=PARAMS):
    read = read_original_checkpoint(io.BytesIO(data))
    assert read.keys() == flatten(wanted).keys()
    for name, array in flatten(wanted).items():
        assert read[name].dtype == array.dtype and read[name].shape == array.shape
        assert (read[name] == array).all()
    return read


class Stub(types.ModuleType):
    pass


class Foreign:
    """Modules that are not installed, for as long as something of theirs is pickled."""

    def __init__(self, patch):
        self.patch = patch

    def __call__(self, path, made):
        module, name = path.rsplit(".", 1)
        parts = module.split(".")
        for i in range(len(parts)):
            parent = ".".join(parts[: i + 1])
            if not isinstance(sys.modules.get(parent), Stub):
                self.patch.setitem(sys.modules, parent, Stub(parent))
        setattr(sys.modules[module], name, made)
        made.__module__, made.__name__, made.__qualname__ = module, name, name
        return made


@pytest.fixture
def foreign(monkeypatch):
    with monkeypatch.context() as patch:
        yield Foreign(patch)


def adam_of_optax(foreign):
    return foreign("optax._src.transform.ScaleByAdamState", namedtuple("_", AdamState._fields))


class Mapping:
    """Reduces as Haiku's and immutabledict's do."""

    def __init__(self, entries):
        self.entries = entries

    def __reduce__(self):
        return type(self), (self.entries,)


def jax_array(rebuild, array):
    """An object that reduces as JAX's arrays do."""
    reduction = (rebuild, (*array.__reduce__(), {"weak_type": False, "named_shape": {}}))
    return type("ArrayImpl", (), {"__reduce__": lambda self: reduction})()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_dicts_of_numpy_arrays(foreign, protocol):
    state = checkpoint(PARAMS, adam_of_optax(foreign))
    check(pickle.dumps(state, protocol))
    ordered = {**state, "params": OrderedDict(PARAMS)}
    check(pickle.dumps(OrderedDict(ordered), protocol))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "mapping",
    [
        "haiku._src.data_structures.FlatMapping",
        "haiku._src.data_structures.frozendict",
        "immutabledict.immutabledict",
    ],
)
@pytest.mark.parametrize(
    "rebuild",
    ["jax._src.device_array.reconstruct_device_array", "jax._src.array._reconstruct_array"],
)
def test_mappings_of_jax_arrays(foreign, protocol, mapping, rebuild):
    mapping = foreign(mapping, type("_", (Mapping,), {}))
    rebuild = foreign(rebuild, lambda *args: None)
    params = {
        module: mapping({name: jax_array(rebuild, array) for name, array in arrays.items()})
        for module, arrays in PARAMS.items()
    }
    check(pickle.dumps(checkpoint(mapping(params), adam_of_optax(foreign)), protocol))


def dill_like(foreign):
    """A pickler that writes named tuples and arrays as dill does."""
    make_class = foreign("dill._dill._create_namedtuple", lambda *args: None)
    make_array = foreign("dill._dill._create_array", lambda *args: None)

    class Pickler(pickle.Pickler):
        def reducer_override(self, value):
            if value is AdamState:
                return make_class, (value.__name__, value._fields, "optax._src.transform", [])
            if isinstance(value, np.ndarray):
                return make_array, (*value.__reduce__(), None)
            return NotImplemented

    return Pickler


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_dill_makes_of_named_tuples_and_arrays(foreign, protocol):
    file = io.BytesIO()
    dill_like(foreign)(file, protocol).dump(checkpoint(PARAMS, AdamState))
    check(file.getvalue())


def test_files_of_dill_itself():
    dill = pytest.importorskip("dill")
    check(dill.dumps(checkpoint(PARAMS, AdamState)))


def test_arrays_of_an_older_numpy():
    data = pickle.dumps(checkpoint(PARAMS), 2)
    new, old = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"
    assert new in data or old in data
    check(data.replace(new, old))
    check(data.replace(old, new))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_shapes_orders_and_types(protocol):
    arrays = {
        "single": np.array(2.5),
        "none": np.zeros((0, 3), "float32"),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "apart": np.arange(12.0).reshape(3, 4)[:, ::2],
        "half": np.arange(3, dtype="float16"),
        "whole": np.arange(3),
        "truth": np.array([True, False]),
        "scalar": np.float32(3),
    }
    read = check(pickle.dumps({"params": {"m": arrays}}, protocol), {"m": arrays})
    swapped = {"m": {"w": np.arange(3, dtype=">f4")}}
    read |= check(
        pickle.dumps({"params": swapped}, protocol), {"m": {"w": np.arange(3.0, dtype="f4")}}
    )
    assert all(array.dtype.isnative and not array.flags.writeable for array in read.values())


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_bfloat16_becomes_float32(protocol):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    rounded = np.array([[1, -2.5], [3.140625, np.inf], [0, 1e-38]]).astype(ml_dtypes.bfloat16)
    for array in (rounded, np.asfortranarray(rounded)):
        data = pickle.dumps({"params": {"m": {"w": array}}}, protocol)
        check(data, {"m": {"w": rounded.astype("float32")}})


def test_paths_folders_and_open_files(tmp_path):
    path = tmp_path / "checkpoint.dill"
    path.write_bytes(pickle.dumps(checkpoint(PARAMS)))
    for given in (path, str(path), tmp_path):
        assert read_original_checkpoint(given).keys() == flatten(PARAMS).keys()
    with path.open("rb") as file:
        assert read_original_checkpoint(file).keys() == flatten(PARAMS).keys()
    with pytest.raises(FileNotFoundError, match="checkpoint.dill"):
        read_original_checkpoint(tmp_path / "checkpoint.dill.missing")
