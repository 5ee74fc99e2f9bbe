"""Where JAX keeps what it has compiled."""

import keras
import pytest

from pipelines.experiment import devices, table
from pipelines.experiment.__main__ import COMPILED
from tests.pipelines import runs
from tests.pipelines.experiment import test_copy_experiment

of_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow keeps nothing")
# Models this small compile in less time than JAX deems worth keeping.
ALL = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_COMPILATION_CACHE_DIR": ""}


def train(output, **environment):
    """The table, without its times."""
    started = runs.start(
        "pipelines.experiment",
        *test_copy_experiment.flags(output),
        environment={**ALL, **environment},
    )
    status, _, err = runs.finish(started)
    assert status == 0, err
    return test_copy_experiment.without_times(table.read(output / "copy.csv"))


def remove_files(folder):
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()


@pytest.mark.slow
@of_jax
def test_what_is_compiled_is_kept_beside_the_table(tmp_path):
    before = train(tmp_path)
    kept = runs.fingerprints(tmp_path / COMPILED)
    programs = [path for path in kept if path.endswith("-cache")]
    assert any("train_step" in path for path in programs)

    # The same models again, of which nothing is there but that.
    remove_files(tmp_path)
    assert train(tmp_path) == before
    again = runs.fingerprints(tmp_path / COMPILED)
    assert [path for path in again if path.endswith("-cache")] == programs


@pytest.mark.slow
@of_jax
def test_what_a_kill_has_torn_is_compiled_again(tmp_path):
    before = train(tmp_path)
    programs = list((tmp_path / COMPILED).glob("*-cache"))
    assert programs
    for path in programs:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    remove_files(tmp_path)
    assert train(tmp_path) == before
    # They were read: whatever lies under another name would not be.
    assert sorted((tmp_path / COMPILED).glob("*-cache")) == sorted(programs)


@of_jax
@pytest.mark.parametrize(("said", "kept"), [(None, None), ("", None), ("said", "said")])
def test_a_folder_that_is_said_stays(tmp_path, said, kept):
    import jax

    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", said)
    try:
        devices.keep_compiled(tmp_path)
        assert jax.config.jax_compilation_cache_dir == (kept or str(tmp_path))
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX keeps what it compiles")
def test_tensorflow_leaves_no_folder(tmp_path):
    train(tmp_path)
    assert not (tmp_path / COMPILED).exists()
