"""Packaging of `keras_perceiver_ar`, the model alone.

`pipelines/`, `savedmodels/` and `gin/` run from a checkout. They are no part of the wheel; the
extras below install what they need.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"
VERSION = re.search(
    r'^__version__ = "(.+)"$', (HERE / "keras_perceiver_ar/__init__.py").read_text(), re.MULTILINE
).group(1)

# The packages of TensorFlow's 2.20 family require one another by name and minor version, so their
# pins move together. The model itself also runs on 2.19, which is why `tf` reaches down to it.
TF = ["tensorflow>=2.19,<2.21"]
JAX = ["jax==0.10.2", "jaxlib==0.10.2"]
DATA = [
    "tensorflow-datasets==4.9.10",
    # The TFDS builders import it on every Python, but ask for it below 3.9 only.
    "importlib_resources>=6",
    "tensorflow-text==2.20.1",
]
TENACITY = "tenacity>=9,<10"
TRAIN = [
    "gin-config==0.5.0",
    # Holds `orbit`; brings SciPy, of which `pipelines.evaluation` takes a quantile: any version.
    "tf-models-official==2.20.0",
    "tf-keras==2.20.1",
    "rich>=13",
    TENACITY,
    # tf-models-official brings tensorflow-hub, which imports pkg_resources: gone in setuptools 82.
    "setuptools<81",
]
MATPLOTLIB = "matplotlib>=3.8,<4"
PREPARE = [
    # Runs the same command on two cores and on Dataflow, Flink or Spark.
    "apache-beam==2.77.0",
    "sentencepiece==0.2.3",
    # Gives MIDI message by message: symusic and pretty_midi lose the channels of notes and pedals.
    "mido==1.3.3",
    "pillow>=12,<13",
    # Makes sound of notes without a sound font or a native library; MIT, released in 2026. Those
    # that play sampled instruments bring none, or one under the GPL.
    "pretty_midi==0.2.11.post0",
    # Draws the lengths of documents; without it `inspect` shows numbers alone.
    MATPLOTLIB,
]
# On TensorFlow 2.17 and later only the parts of it written in Python work, so nothing requires it.
IO = ["tensorflow-io==0.37.1"]
# Draws what `pipelines.benchmark sweep` measured; the measurements do without.
BENCHMARK = [MATPLOTLIB]
SERVE = [
    "tensorflow==2.20.*",
    "tensorflow-text==2.20.1",
    # The client: the stubs of gRPC, a pool of HTTP connections, and attempts.
    "tensorflow-serving-api==2.20.0",
    "urllib3>=2,<3",
    TENACITY,
]
# The site: Markdown as GitHub reads it, docstrings, the notebook. A minor release may bring new
# warnings, which `make docs` takes for errors.
DOCS = ["sphinx>=9.0,<9.1", "myst-nb>=1.4,<1.5", "myst-parser>=5.2,<5.3", "furo==2025.12.19"]
DEV = [
    *TF,
    *JAX,
    *DATA,
    *TRAIN,
    *PREPARE,
    *SERVE,
    *BENCHMARK,
    *DOCS,
    "nbclient>=0.11,<0.12",  # runs the notebook
    "pytest>=9,<10",
    "pytest-xdist>=3.8,<4",
    "hypothesis>=6.100,<7",
    "trustme>=1.2,<2",  # certificates of the stand-ins for Cloud Storage and TensorFlow Serving
    "psutil>=7,<8",  # the memory of a server under a storm of requests
    "pyyaml>=6,<7",  # reads the examples of serving
    # Below 1.0 a minor release may change the formatting, and with it what `make lint` says.
    "ruff==0.17.*",
    "build>=1.2",
    "wheel>=0.43",
    "setuptools>=77,<81",
]

setup(
    name="keras-perceiver-ar",
    version=VERSION,
    description="Perceiver AR for Keras: autoregressive models of long contexts, on any backend.",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    packages=find_packages(include=["keras_perceiver_ar", "keras_perceiver_ar.*"]),
    python_requires=">=3.11,<3.13",
    # Keras chooses no backend by itself: the extras `tf` and `jax` bring one.
    install_requires=["keras>=3.15,<3.16", "numpy>=1.26"],
    extras_require={
        "tf": TF,
        "jax": JAX,
        "data": DATA,
        "train": TRAIN,
        "prepare": [*DATA, *TRAIN, *PREPARE],
        "io": IO,
        "serve": SERVE,
        "benchmark": BENCHMARK,
        # The reference imports what it describes.
        "docs": [*TRAIN, *DATA, *PREPARE, *SERVE, *DOCS],
        "dev": DEV,
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
