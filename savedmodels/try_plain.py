"""Calls an exported model with TensorFlow alone: no Keras, none of this repository's code.

For a model of pieces of words it loads the ops of TensorFlow Text besides.

    python savedmodels/try_plain.py savedmodels/copy/1 '{"token_ids": [[2, 5, 7]], "lengths": [3],
    …}'

Prints the outputs of a signature as one JSON object. What runs here runs in TF Serving's place: in
C++, in Java, or in a service of your own.
"""

import argparse
import importlib.util
import json
import os
import re
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow imports Keras if it finds it. Here it must not: None makes every import of it fail.
sys.modules["keras"] = sys.modules["keras_perceiver_ar"] = None

import tensorflow as tf  # noqa: E402

# As in `keras_perceiver_ar.generation.sampler`, which this must not import.
_OFF = {"top_p": 1, "top_k": 0, "min_p": 0, "typical_p": 1, "repetition_penalty": 1}


def main():
    flags = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    flags.add_argument("path", help="a version, a directory that holds saved_model.pb")
    flags.add_argument(
        "inputs", help="JSON object of the signature's inputs; - reads it from standard input"
    )
    flags.add_argument("--signature", default="generate")
    flags = flags.parse_args()

    _load_ops_of_text(flags.path)
    signature = tf.saved_model.load(flags.path).signatures[flags.signature]
    specs = signature.structured_input_signature[1]
    # A command line holds some 100,000 letters at most.
    given = json.loads(sys.stdin.read() if flags.inputs == "-" else flags.inputs)
    if given.keys() != specs.keys():
        sys.exit(f"error: {flags.signature} {_differ(specs.keys(), given.keys())}")
    inputs = {name: tf.constant(value, specs[name].dtype) for name, value in given.items()}
    try:
        outputs = {name: value.numpy() for name, value in signature(**inputs).items()}
    except tf.errors.InvalidArgumentError as error:
        sys.exit(f"error: {_said(error.message)}")
    print(json.dumps({name: _plain(value) for name, value in outputs.items()}))


def _differ(taken, given):
    """What is missing, with the value that switches it off where there is one, and what is odd."""
    missing = [
        f"{name} ({_OFF[name]} is off)" if name in _OFF else name for name in sorted(taken - given)
    ]
    parts = {"also takes": missing, "does not take": sorted(given - taken)}
    return "; ".join(f"{what} {', '.join(names)}" for what, names in parts.items() if names)


def _said(message):
    """What the model had to say, in one line, without TensorFlow's nodes and traces."""
    assertion = re.search(r"assertion failed: \[([^\]]*)\]([^\n]*)", message)
    if assertion is None:
        return " ".join(message.split())
    return f"{assertion[1]}, got{re.sub(r'{{.*', '', assertion[2]).rstrip(' [')}"


def _load_ops_of_text(path):
    """Ops that a model of pieces needs from TensorFlow Text; TF Serving has them linked in.

    `import tensorflow_text` would do as well, but looks for Keras.
    """
    with tf.io.gfile.GFile(os.path.join(path, "saved_model.pb"), "rb") as file:
        if b"SentencepieceOp" not in file.read():
            return
    package = importlib.util.find_spec("tensorflow_text")
    if package is None:
        sys.exit("error: this model needs TensorFlow Text: pip install tensorflow-text")
    library = "python/ops/_sentencepiece_tokenizer.so"
    tf.load_op_library(os.path.join(package.submodule_search_locations[0], library))


def _plain(value):
    if value.dtype == object:
        return [text.decode("utf-8") for text in value]
    return value.tolist()


if __name__ == "__main__":
    main()
