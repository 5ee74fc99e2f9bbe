"""Builds and runs the C++ program beside this file against the TensorFlow that is installed."""

import importlib.util
import os
import pathlib
import shutil
import subprocess

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import named_tensor_pb2

SOURCE = pathlib.Path(__file__).with_name("run_saved_model.cc")


def compiler():
    """Path of a C++ compiler, or None."""
    return shutil.which("g++")


def build(folder):
    """Path of the program."""
    program = folder / "run_saved_model"
    library = tf.sysconfig.get_lib()
    command = [compiler(), str(SOURCE), "-o", str(program), "-O1"]
    command += tf.sysconfig.get_compile_flags()
    command += [f"-L{library}", f"-Wl,-rpath,{library}", "-Wl,--no-as-needed"]
    command += ["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return program


def ops_of_text():
    """Path of TensorFlow Text's ops for SentencePiece, which TF Serving has linked in."""
    folder = importlib.util.find_spec("tensorflow_text").submodule_search_locations[0]
    return pathlib.Path(folder) / "python" / "ops" / "_sentencepiece_tokenizer.so"


def write_cases(path, cases):
    """Writes cases: each a signature, its inputs, and outputs to compare with, as arrays."""
    with tf.io.TFRecordWriter(str(path)) as file:
        for signature, inputs, outputs in cases:
            file.write(signature.encode())
            for kind, tensors in (("in", inputs), ("out", outputs)):
                for name, value in tensors.items():
                    named = named_tensor_pb2.NamedTensorProto(name=f"{kind}:{name}")
                    named.tensor.CopyFrom(tf.make_tensor_proto(np.asarray(value)))
                    file.write(named.SerializeToString())


def run(program, version, cases, libraries=()):
    """Status, stdout and stderr of the program."""
    command = [str(program), str(version), str(cases), *map(str, libraries)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr
