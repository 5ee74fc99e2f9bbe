"""The floors of the house: who may import whom, and how large a file may grow."""

import ast
import os
import subprocess
import sys

import pytest

MEGABYTE = 2**20
# The model runs on every backend of Keras because it knows none of them.
CORE_MAY_IMPORT = {"keras", "numpy", "keras_perceiver_ar", *sys.stdlib_module_names}
# Guarded, where Keras has no op for what a loop needs.
BACKENDS = {"jax", "tensorflow"}
# Without absl: Keras itself logs through it.
UNLOADED = ("tensorflow", "tf_keras", "gin", "orbit", "pipelines", "savedmodels")
IMPORT_BY_NAME = {"import_module", "__import__"}


def imported_packages(source: str) -> dict[str, bool]:
    """Returns each top-level package that a module imports: whether some import of it is unguarded.

    An import inside a function, an `if` or a `try` is guarded: the module can be imported without.
    """
    found: dict[str, bool] = {}

    def visit(node, guarded):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", None))
            argument = getattr(node.args[0], "value", None)
            if called in IMPORT_BY_NAME and isinstance(argument, str):
                names = [argument]
        for name in names:
            package = name.split(".")[0]
            found[package] = found.get(package, False) or not guarded
        guarded = guarded or isinstance(node, ast.FunctionDef | ast.Lambda | ast.Try | ast.If)
        for child in ast.iter_child_nodes(node):
            visit(child, guarded)

    visit(ast.parse(source), False)
    return found


@pytest.fixture(scope="module")
def imports_of(repository, repository_files):
    """A function from a package of this repository to `{file: imported_packages(file)}`."""

    def imports_of(package):
        return {
            str(file): imported_packages((repository / file).read_text(encoding="utf-8"))
            for file in repository_files
            if file.parts[0] == package and file.suffix == ".py"
        }

    return imports_of


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import tensorflow as tf", {"tensorflow": True}),
        ("import os, tensorflow.io", {"os": True, "tensorflow": True}),
        ("from tensorflow.io import gfile", {"tensorflow": True}),
        ("def f():\n    if f:\n        import gin", {"gin": False}),
        ("try:\n    import jax\nexcept ImportError:\n    jax = None", {"jax": False}),
        ("if backend() == 'jax':\n    import jax", {"jax": False}),
        ("import jax\ndef f():\n    import jax", {"jax": True}),
        ("importlib.import_module('orbit.utils')", {"orbit": True}),
        ("__import__('absl')", {"absl": True}),
        ("from . import masks\nfrom .tensorflow import x", {}),
        ("'import tensorflow'  # import gin", {}),
    ],
)
def test_imported_packages(source, expected):
    assert imported_packages(source) == expected


def test_core_imports_keras_and_numpy_only(imports_of):
    imports = imports_of("keras_perceiver_ar")
    assert imports
    known = CORE_MAY_IMPORT | BACKENDS
    strangers = {file: set(found) - known for file, found in imports.items()}
    assert {file: found for file, found in strangers.items() if found} == {}


@pytest.mark.parametrize(
    "backend, allowed",
    [("jax", "keras_perceiver_ar/fused/"), ("tensorflow", "keras_perceiver_ar/fused/in_place.py")],
)
def test_core_imports_a_backend_in_the_room_of_kernels_alone_and_guarded(
    imports_of, backend, allowed
):
    found = {
        file: found[backend]
        for file, found in imports_of("keras_perceiver_ar").items()
        if backend in found
    }
    assert found and all(file.startswith(allowed) for file in found), found
    assert not any(found.values()), (
        f"{found}: the import has to be inside a function, an `if` or a `try`"
    )


def test_pipelines_do_not_import_savedmodels(imports_of):
    upwards = [file for file, found in imports_of("pipelines").items() if "savedmodels" in found]
    assert upwards == []


def test_the_benchmark_of_the_model_imports_no_tensorflow(imports_of):
    # It has to run where there is JAX and no TensorFlow; what is TensorFlow's has files of its own.
    own = {"tensorflow_backend.py", "hlo.py", "runtime.py", "shard_rates.py"}
    files = {
        file: found
        for file, found in imports_of("pipelines").items()
        if "/benchmark/" in file and file.rsplit("/", 1)[1] not in own
    }
    assert files
    strangers = {file: {"tensorflow", "gin", "orbit"} & set(found) for file, found in files.items()}
    assert {file: found for file, found in strangers.items() if found} == {}


def test_experiments_import_no_tensorflow(imports_of):
    # What they import of the other rooms is tested where they run without it.
    files = {
        file: set(found)
        for file, found in imports_of("pipelines").items()
        if file.startswith("pipelines/experiment/")
    }
    assert files
    # It asks the backend that is there for its device's name.
    files.pop("pipelines/experiment/devices.py")
    # It is imported where samples are made sound of, by `--show`.
    files.pop("pipelines/experiment/mel_spectrogram.py")
    # Keras requires h5py; the pictures are drawn where the others are.
    known = CORE_MAY_IMPORT | {"pipelines", "gin", "h5py", "matplotlib", "scipy"}
    assert {file: found - known for file, found in files.items() if found - known} == {}


def test_core_loads_no_tensorflow_on_the_jax_backend(repository):
    # What Keras brings in is not in the source; it shows only when the package is imported.
    code = (
        "import sys, keras, keras_perceiver_ar\n"
        "assert keras.backend.backend() == 'jax'\n"
        f"print(*(name for name in {UNLOADED} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_no_python_file_is_longer_than_300_lines(repository, repository_files):
    lengths = {
        str(file): len((repository / file).read_text(encoding="utf-8").splitlines())
        for file in repository_files
        if file.parts[0] in {"keras_perceiver_ar", "pipelines", "savedmodels", "tests"}
        and file.suffix == ".py"
    }
    assert lengths
    assert {file: length for file, length in lengths.items() if length > 300} == {}


def test_gin_holds_data_only(repository_files):
    # A `gin/__init__.py` would shadow gin-config wherever the root is on the path.
    python = [
        str(file) for file in repository_files if file.parts[0] == "gin" and file.suffix == ".py"
    ]
    assert python == []


def test_no_file_is_larger_than_two_megabytes(repository, repository_files):
    sizes = {str(file): (repository / file).stat().st_size for file in repository_files}
    assert {file: size for file, size in sizes.items() if size > 2 * MEGABYTE} == {}
