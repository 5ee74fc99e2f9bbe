"""Sets of TensorFlow Datasets in a bucket are prepared from there, and into one."""

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from pipelines.data import manifest
from pipelines.prepare.__main__ import main
from tests.pipelines import tfds_sets


@pytest.fixture
def data(storage, bucket, tmp_path):
    """A data directory, and its copy in a bucket."""
    examples = {"train": [{"text": f"Document {n}. " * 9} for n in range(40)]}
    features = {"text": tfds.features.Text()}
    tfds_sets.build(tmp_path / "data", "tiny_texts", features, examples, files=2)
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            storage.put(bucket, f"data/{path.relative_to(tmp_path / 'data')}", path.read_bytes())
    return tmp_path / "data", f"gs://{bucket}/data"


def prepare(data, output):
    flags = ["--dataset=tfds:tiny_texts", "--shard_megabytes=0.002"]
    main([*flags, f"--input={data}", f"--output={output}"])
    return manifest.load(str(output))


@pytest.mark.slow
@pytest.mark.parametrize("faults", [{}, {"short": 1.0, "tries": 1}])
def test_a_set_in_a_bucket_is_that_of_the_folder(
    storage, bucket, data, tmp_path, monkeypatch, faults
):
    monkeypatch.setenv("no_grpc_proxy", "localhost")  # Beam talks to its own threads
    wanted = prepare(data[0], tmp_path / "wanted")
    # A short answer is one of what the set's files hold, not of what was written.
    output = tmp_path / "out" if faults else f"gs://{bucket}/out"
    storage.take_counts()
    storage.set_faults(**faults)
    assert prepare(data[1], output) == wanted
    # Two files about the set, and each range's.
    assert (storage.take_counts().get("short", 0) > 2) == bool(faults)
    assert len(wanted.splits["train"]) > 2
    for shard in wanted.splits["train"]:
        with tf.io.gfile.GFile(f"{output}/{shard.file}", "rb") as file:
            assert file.read() == (tmp_path / "wanted" / shard.file).read_bytes()
