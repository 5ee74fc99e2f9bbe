"""What takes the room in a SavedModel."""

import math
import os

import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from savedmodels import warmup

_LARGEST = 5


def report(folder):
    """Lines of sizes: in all, of the parts, and of the largest variables.

    Args:
        folder: str. A version.

    Returns:
        list of str.
    """
    files = {
        os.path.relpath(os.path.join(place, name), folder): tf.io.gfile.stat(
            os.path.join(place, name)
        ).length
        for place, _, names in tf.io.gfile.walk(folder)
        for name in names
    }
    graph = files["saved_model.pb"]
    requests = files.get(warmup.FILE, 0)
    assets = sum(size for name, size in files.items() if name.startswith("assets")) - requests
    variables = _variables(folder)
    held = sum(size for *_, size in variables)
    count = sum(math.prod(shape) for _, shape, *_ in variables)
    whole = sum(files.values())
    lines = [
        f"{whole:,} bytes on disk: {held:,} for the {count:,} weights in {len(variables)} "
        f"variables, {graph:,} for the graph, {requests:,} for warm-up requests, {assets:,} for "
        f"assets, {whole - held - graph - requests - assets:,} for the rest"
    ]
    for name, shape, dtype, size in sorted(variables, key=lambda part: -part[-1])[:_LARGEST]:
        lines.append(f"  {size:,} bytes: {name}, {dtype} {' × '.join(map(str, shape))}")
    return lines


def _variables(folder):
    """Name, shape, name of the dtype, and bytes of each variable."""
    reader = tf.train.load_checkpoint(tf.io.gfile.join(folder, "variables", "variables"))
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    objects = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
        reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    )
    # By key, as two of the same name would be one.
    names = {
        attribute.checkpoint_key: attribute.full_name
        for node in objects.nodes
        for attribute in node.attributes
    }
    return [
        (name, shapes[key], dtypes[key].name, math.prod(shapes[key]) * dtypes[key].size)
        for key, name in names.items()
    ]
