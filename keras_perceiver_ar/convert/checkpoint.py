"""The checkpoint files that the original Perceiver AR writes, read without running any of them.

Such a file is a pickle, and a pickle may call whatever it names. Here, every name stands for an
inert record of its arguments, so nothing is imported, and no NumPy or JAX code runs on what the
file says. The arrays are put together afterwards from the records, which are checked first.
"""

import math
import os
import pickle
import zipfile

import numpy as np

FILE_IN_FOLDER = "checkpoint.dill"
ADMITTED = (
    "arrays of NumPy and JAX, mappings (dict, OrderedDict, those of Haiku and immutabledict) and "
    "the named tuples of Optax"
)
DTYPES = {f"{kind}{size}" for kind in "iuf" for size in (1, 2, 4, 8)} - {"f1"} | {"b1"}


def read_original_checkpoint(path_or_file):
    """Reads the parameters from a checkpoint of the original.

    The file holds a dict of `global_step`, `params`, `state` and `opt_state`; `params` maps the
    names of Haiku's modules to mappings of arrays. The optimizer's state is looked over and left.

    Args:
        path_or_file: path or binary file. A `checkpoint.dill`, or the folder that holds one
            (`models/latest/step_…`). What `pickle` writes in place of `dill` is read as well.

    Returns:
        dict of "module/name", such as "perceiver_ar/~/linear/w", to read-only arrays of the types
        that were stored, but for bfloat16, which becomes float32. It is what
        `kpar.convert.from_original` takes.

    Raises:
        FileNotFoundError: no such checkpoint.
        ValueError: a damaged one, or one that asks for anything but arrays and their containers.

    Example:

    ```python
    folder = "random_mirrored_131072/models/latest/step_25000"
    params = kpar.convert.read_original_checkpoint(folder)
    model = kpar.convert.from_original(config, params)
    ```
    """
    if hasattr(path_or_file, "read"):
        return _read(path_or_file, getattr(path_or_file, "name", "the checkpoint"))
    path = os.fspath(path_or_file)
    if os.path.isdir(path):
        path = os.path.join(path, FILE_IN_FOLDER)
    if not os.path.exists(path):
        raise FileNotFoundError(f"no checkpoint at {path}: give {FILE_IN_FOLDER} or its folder")
    with open(path, "rb") as file:
        return _read(file, path)


def _read(file, name):
    tree = _load(file, name)
    params = tree.get("params") if isinstance(tree, dict) else None
    if not isinstance(params, dict) or not params:
        raise ValueError(
            f"{name} holds no parameters: it must hold a dict whose entry 'params' maps modules to "
            f"their arrays. Received: {_describe(tree)}"
        )
    arrays = {}
    for module, entries in params.items():
        if not isinstance(module, str) or not isinstance(entries, dict):
            raise ValueError(
                f"{name}: 'params' must map names of modules to mappings of arrays. Received: "
                f"{_describe(module)} mapped to {_describe(entries)}"
            )
        for entry, record in entries.items():
            if not isinstance(entry, str):
                raise ValueError(f"{name}: '{module}' has a name that is {_describe(entry)}")
            try:
                arrays[f"{module}/{entry}"] = _make_array(record)
            except _NoParameterError as error:
                raise ValueError(f"{name}: '{module}/{entry}' {error}") from None
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise ValueError(f"{name}: '{module}/{entry}' is damaged: {error}") from None
    return arrays


def _load(file, name):
    """Reads dicts, tuples, numbers and text as they are, and records of all else."""
    unpickler = _RecordingUnpickler(file)
    unpickler.file_name = name
    try:
        return unpickler.load()
    except _RefusedError as error:
        raise ValueError(str(error)) from None
    # A file of any bytes can make the unpickler raise nearly anything.
    except Exception as error:
        if isinstance(error, EOFError) or "truncated" in str(error):
            problem = "is cut off, or empty"
        elif hasattr(file, "seek") and zipfile.is_zipfile(file):
            problem = f"is a zip archive; unpack it and give the {FILE_IN_FOLDER} in it"
        else:
            reason = " ".join(str(error).split())  # one line
            problem = f"is not a pickle, or a damaged one ({type(error).__name__}: {reason})"
        raise ValueError(f"{name} {problem}.") from None


class _RefusedError(Exception):
    """A name that is not admitted."""


class _NoParameterError(Exception):
    """Something sound that cannot be a parameter."""


class _Record:
    """What was called for: nothing but the arguments, and the state that was set afterwards.

    A file can have the state of anything set that it names. With `__setstate__`, that fails for the
    classes themselves, so no file can change them for the files that are read after it.
    """

    __slots__ = ("args", "state")

    def __new__(cls, *args):
        record = super().__new__(cls)
        record.args = args
        record.state = None
        return record

    def __setstate__(self, state):
        self.state = state


class _Array(_Record):
    """An array of which all but the class is in the state."""


class _WrappedArray(_Record):
    """The three parts of an array's reduction, as arguments of what JAX and dill put around it."""


class _BufferArray(_Record):
    """An array as protocol 5 writes it: bytes, type, shape and order."""


class _Scalar(_Record):
    """A type and the bytes of one number."""


class _Dtype(_Record):
    """A letter and a size, or a class for bfloat16; the byte order is in the state."""


class _Bfloat16(_Record):
    """The class that stands in a dtype for bfloat16."""


class _Bytes(_Record):
    """Bytes as protocol 2 writes them: Latin-1 text, or no argument for none."""


class _Left(_Record):
    """What no parameter is made of."""


class _NamedTuple(_Record):
    """What dill calls to have the class of a named tuple made: one class serves for all."""

    def __new__(cls, *args):
        return _Left


RECORDS = {
    "collections.OrderedDict": dict,
    "haiku._src.data_structures.FlatMap": dict,
    "haiku._src.data_structures.FlatMapping": dict,
    "haiku._src.data_structures.frozendict": dict,
    "immutabledict.immutabledict": dict,
    "numpy.dtype": _Dtype,
    "numpy.ndarray": _Left,
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy.core.multiarray.scalar": _Scalar,
    "numpy.core.numeric._frombuffer": _BufferArray,
    "jax._src.array._reconstruct_array": _WrappedArray,
    "jax._src.device_array.reconstruct_device_array": _WrappedArray,
    "dill._dill._create_array": _WrappedArray,
    "dill._dill._create_namedtuple": _NamedTuple,
    "ml_dtypes.bfloat16": _Bfloat16,
    "_codecs.encode": _Bytes,
    "builtins.bytes": _Bytes,
    "__builtin__.bytes": _Bytes,
}


class _RecordingUnpickler(pickle.Unpickler):
    """Finds records in place of classes and functions, and imports nothing."""

    file_name = ""

    def find_class(self, module, name):
        asked = f"{module}.{name}"
        # NumPy 2 moved its internals, but neither changed their names nor what they are given.
        record = RECORDS.get(asked.replace("numpy._core.", "numpy.core.", 1))
        if record is None and module.startswith("optax.") and name.isidentifier():
            record = _Left
        if record is None:
            raise _RefusedError(
                f"{self.file_name} asks for {asked}, which is refused; nothing of it was run. "
                f"Admitted are {ADMITTED}."
            )
        return record


def _make_array(record):
    """Checks the record of an array and makes the array, read-only, over the bytes of the file."""
    if isinstance(record, _BufferArray):
        data, dtype, shape, order = record.args
    elif isinstance(record, _Scalar):
        (dtype, data), shape, order = record.args, (), "C"
    elif isinstance(record, _Array | _WrappedArray):
        state = record.state if isinstance(record, _Array) else record.args[2]
        _, shape, dtype, fortran, data = state
        order = "F" if fortran else "C"
    else:
        raise _NoParameterError(f"is not an array. Received: {_describe(record)}")
    dtype, is_bfloat16 = _make_dtype(dtype)
    if isinstance(data, _Bytes):
        data = data.args[0].encode("latin1") if data.args else b""
    if not isinstance(shape, tuple) or not all(type(n) is int and 0 <= n < 2**48 for n in shape):
        raise ValueError("its shape is not a tuple of sizes")
    wanted = math.prod(shape) * dtype.itemsize
    if not isinstance(data, bytes | bytearray) or len(data) != wanted:
        found = len(data) if isinstance(data, bytes | bytearray) else _describe(data)
        raise ValueError(f"{dtype} of this shape takes {wanted} bytes; received {found}")
    array = np.frombuffer(data, dtype).reshape(shape, order=order)
    if is_bfloat16:
        array = (array.astype("uint32") << 16).view("float32")
    if not array.dtype.isnative:
        array = array.astype(dtype.newbyteorder("="))
    array.flags.writeable = False
    return array


def _make_dtype(record):
    """Returns the type to read the bytes as, and whether that stands for bfloat16."""
    if not isinstance(record, _Dtype):
        raise ValueError(f"its type is {_describe(record)}")
    kind, byte_order = record.args[0], record.state[1]
    is_bfloat16 = kind is _Bfloat16
    if not is_bfloat16 and not isinstance(kind, str):
        raise ValueError(f"the name of its type is {_describe(kind)}")
    if not is_bfloat16 and kind not in DTYPES:
        name = "object" if kind.startswith("O") else repr(kind[:40])
        raise _NoParameterError(f"is an array of {name} dtype; parameters are real numbers.")
    # The upper half of a float32, whose lower half is 0.
    return np.dtype("u2" if is_bfloat16 else kind).newbyteorder(byte_order), is_bfloat16


def _describe(value):
    """Names a type, and the first keys of a dict; the whole value could be of any length."""
    if isinstance(value, dict):
        keys = [key[:40] for key in value if isinstance(key, str)][:5]
        return f"a dict of {len(value)} entries, such as {keys}" if keys else "an empty dict"
    if isinstance(value, _Record):
        return "another object" if isinstance(value, _Left) else "an array or a part of one"
    return f"a value of type {type(value).__name__}"
