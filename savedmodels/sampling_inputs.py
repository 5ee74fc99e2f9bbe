"""How `generate` and `generate_text` are told to draw: one number for each row, (B,)."""

import tensorflow as tf

from keras_perceiver_ar.generation.sampler import OFF, RANGES
from pipelines.errors import UserError
from savedmodels.input_checks import check

# What a signature has only if its export says so: TF Serving wants every input of a signature in
# every request, and each takes time where it is off too.
OPTIONAL = tuple(name for name in OFF if name != "top_p")


def _rows(dtype, name):
    return tf.TensorSpec((None,), dtype, name=name)


def check_names(names):
    """Names of `OPTIONAL`, each once and in its order, whatever the order in which they came.

    Raises:
        UserError: another name.
    """
    wrong = [name for name in names if name not in OPTIONAL]
    if wrong:
        raise UserError(f"--sampling takes {', '.join(OPTIONAL)}, got {wrong[0]!r}")
    return tuple(name for name in OPTIONAL if name in names)


def specs(optional=()):
    """Inputs in their order: tuple of `tf.TensorSpec`.

    Args:
        optional: tuple of names, of `check_names`.
    """
    numbers = ("temperature", "top_p", *optional)
    return (
        _rows(tf.int32, "max_new_tokens"),
        _rows(tf.int32, "seed"),
        *(_rows(tf.int32 if name == "top_k" else tf.float32, name) for name in numbers),
    )


def checks(given):
    """Ops that refuse numbers out of range, NaN and infinity too, by name.

    Args:
        given: dict of tensors (B,) by the names of `specs`.
    """
    none = given["max_new_tokens"]
    found = [check(none >= 0, "max_new_tokens must not be negative", none)]
    for name, (lowest, highest) in RANGES.items():
        if name not in given:
            continue
        values = given[name]
        allowed = f"lie in {lowest:g} … {highest:g}"
        if highest == values.dtype.max:
            allowed = f"be a finite number ≥ {lowest:g}"
        inside = (values >= lowest) & (values <= highest)
        found.append(check(inside, f"{name} must {allowed}", values))
    return found
