"""What the tests of the model share: tiny models, and what Keras leaves to its backend."""

import contextlib
import functools
from pathlib import Path

import keras
import numpy as np

import keras_perceiver_ar as kpar

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
BACKEND = keras.backend.backend()
# Compiling for XLA takes TensorFlow many times as long as running these models.
JIT = BACKEND == "jax"
if BACKEND == "jax":
    import jax

    # Nearly all the time of these tests goes into compiling: a third less without optimisation.
    jax.config.update("jax_disable_most_optimizations", True)
VOCAB, CONTEXT = 20, 24


@contextlib.contextmanager
def no_weights():
    """Models made within have shapes alone, whatever their size.

    Keras would keep the weights in mind and make them, all of them, at the end of somebody else's
    `StatelessScope`.
    """
    with keras.StatelessScope(initialize_variables=False):
        yield
    keras.utils.clear_session()


def tiny_model(positions="rotary", seed=0, **sizes):
    """A model of 20 tokens, 24 inputs, 4 latents and 2 layers, with no weight left at 0 or 1."""
    options = {
        "vocab_size": VOCAB,
        "max_context": CONTEXT,
        "num_latents": 4,
        "num_layers": 2,
        "width": 16,
        "num_heads": 2,
        "input_width": 12,
        "mlp_factor": 2,
        "positions": positions,
        **sizes,
    }
    dtype, of_model = options.pop("dtype", None), options.pop("model", {})
    backbone = kpar.models.PerceiverARBackbone(**options, dtype=dtype)
    model = kpar.models.PerceiverARCausalLM(backbone, **of_model)
    shake(model, seed)
    return model


def shake(model, seed=0):
    """Gives every weight values that depend on the seed alone, and on no initializer."""
    random = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        noise = random.normal(size=weight.shape)
        if weight.path.endswith("kernel"):
            weight.assign(noise / np.sqrt(weight.shape[0]))
        elif weight.path.endswith("embeddings") or "table" in weight.path:
            weight.assign(noise)
        else:
            weight.assign(0.2 * noise + weight.path.endswith("gamma"))


def to_numpy(x):
    return keras.ops.convert_to_numpy(x)


def all_to_numpy(structure):
    return keras.tree.map_structure(to_numpy, structure)


def compiled(model):
    """The model as a function to NumPy. JAX compiles it whole: op by op takes it seconds."""
    if BACKEND != "jax":
        return lambda inputs, **options: all_to_numpy(model(inputs, **options))
    import jax

    @functools.partial(jax.jit, static_argnames=("num_latents", "training", "return_memory"))
    def call(trainable, others, inputs, **options):
        return model.stateless_call(trainable, others, inputs, **options)[0]

    def run(inputs, **options):
        weights = [
            [variable.value for variable in group]
            for group in (model.trainable_variables, model.non_trainable_variables)
        ]
        return all_to_numpy(call(*weights, inputs, **options))

    return run


def jitted(function):
    """A function of tensors as `tf.function` or `jax.jit`."""
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, autograph=False)


def value_and_gradient(function, arrays):
    """A scalar function of a list of arrays, and its gradient with respect to each of them."""
    if BACKEND == "jax":
        import jax

        value, gradient = jax.jit(jax.value_and_grad(function))(arrays)
        return float(value), [to_numpy(part) for part in gradient]
    import tensorflow as tf

    tensors = [tf.convert_to_tensor(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(tensors)
    return float(value), [
        tf.convert_to_tensor(part).numpy() for part in tape.gradient(value, tensors)
    ]


def random_ids(seed, batch, width, low=3):
    return np.random.default_rng(seed).integers(low, VOCAB, (batch, width)).astype("int32")
