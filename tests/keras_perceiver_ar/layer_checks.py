"""What every layer must do, in one check."""

import inspect

import keras
import numpy as np

from tests.keras_perceiver_ar.support import to_numpy, value_and_gradient


def symbolic_inputs(inputs):
    """A `keras.Input` for each array, its batch left open."""
    return {
        name: keras.Input(array.shape[1:], dtype=str(array.dtype), name=name)
        for name, array in inputs.items()
    }


def call(layer, inputs):
    first, *others = inputs.values()
    names = list(inputs)[1:]
    return layer(first, **dict(zip(names, others, strict=True)))


def check_layer(layer_class, config, inputs, output_shape, num_weights, folder):
    """Builds, calls, describes, trains, saves and casts a layer.

    Args:
        layer_class: class of the layer.
        config: dict of its arguments.
        inputs: dict of NumPy arrays, by the names of its call's arguments.
        output_shape: shape of what the layer makes of them.
        num_weights: how many weights it trains; it must have no others, seeds aside.
        folder: where to save.
    """
    layer = layer_class(**config)
    output = call(layer, inputs)
    assert layer.built
    assert tuple(output.shape) == output_shape
    assert keras.backend.standardize_dtype(output.dtype) == "float32"
    assert np.isfinite(to_numpy(output)).all()
    assert len(layer.trainable_weights) == len(layer.weights) == num_weights

    check_config(layer, config)
    model = check_symbolic_call(layer_class, config, inputs, output_shape)
    check_saving(model, inputs, folder)
    check_policies(layer, config, inputs)
    if num_weights:
        check_training(model, inputs, output_shape)


def check_config(layer, config):
    """The config holds every argument of the constructor, and makes an equal layer."""
    written = layer.get_config()
    arguments = set(inspect.signature(type(layer).__init__).parameters) - {"self", "kwargs"}
    assert arguments <= written.keys()
    assert config.keys() <= written.keys()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer)
    assert again.get_config() == written


def check_symbolic_call(layer_class, config, inputs, output_shape):
    """A functional model of a new layer agrees in shape, and runs."""
    symbols = symbolic_inputs(inputs)
    output = call(layer_class(**config), symbols)
    assert output.shape == (None, *output_shape[1:])
    model = keras.Model(symbols, output)
    assert model(inputs).shape == output_shape
    return model


def check_saving(model, inputs, folder):
    path = folder / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert (to_numpy(loaded(inputs)) == to_numpy(model(inputs))).all()


def check_policies(layer, config, inputs):
    """Computes in bfloat16 with float32 weights, and lands near the float32 result."""
    mixed = type(layer)(**config, dtype="mixed_bfloat16")
    output = call(mixed, inputs)
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
    assert all(weight.dtype == "float32" for weight in mixed.weights)
    mixed.set_weights(layer.get_weights())
    exact = to_numpy(call(layer, inputs))
    close = to_numpy(keras.ops.cast(call(mixed, inputs), "float32"))
    assert np.abs(close - exact).max() < 0.05 * max(np.abs(exact).max(), 1)


def check_training(model, inputs, output_shape):
    """Three steps of plain gradient descent move every weight that matters and lower the loss."""
    target = np.random.default_rng(1).normal(size=output_shape).astype("float32")
    before = [to_numpy(weight) for weight in model.trainable_weights]
    model.compile(keras.optimizers.SGD(0.01), loss="mse")
    losses = [float(model.train_on_batch(inputs, target)) for _ in range(3)]
    assert losses[2] < losses[1] < losses[0]
    after = [to_numpy(weight) for weight in model.trainable_weights]
    moved = [bool((old != new).any()) for old, new in zip(before, after, strict=True)]
    # The bias of the keys is the one weight without a gradient: it shifts all scores alike.
    still = {w.path for w, has in zip(model.trainable_weights, moved, strict=True) if not has}
    assert all(path.endswith("key/bias") for path in still), still


def check_gradient_of_rows(layer, indices, each=1):
    """A mixed layer that looks rows up sums their gradients in float32, right below a model too.

    Args:
        layer: built layer with one table.
        indices: int array, with far more than 256 of the same index: so many times what is added
            can a sum in bfloat16 be, and no more.
        each: number. What every look-up adds to the gradient, where all rows are summed.
    """

    class Model(keras.Model):
        def __init__(self):
            super().__init__(dtype="mixed_bfloat16")
            self.layer = layer
            self.built = True

        def call(self, inputs):
            return self.layer(inputs)

    model = Model()
    others = [weight.value for weight in model.non_trainable_variables]

    def total(weights):
        rows, _ = model.stateless_call(weights, others, indices)
        return keras.ops.sum(keras.ops.cast(rows, "float32"))

    _, (gradient,) = value_and_gradient(total, [model.trainable_variables[0].value])
    counts = np.bincount(indices.ravel(), minlength=gradient.shape[0])
    wanted = np.broadcast_to(each * counts[:, None], gradient.shape)
    np.testing.assert_array_equal(gradient, wanted)
