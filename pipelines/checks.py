"""Settings that a person chose, looked at before anything starts."""

import numbers

from pipelines.errors import UserError

MOST_SEED = 2**32 - 1  # that `keras.utils.set_random_seed` takes


def check_integer(name, value, least=1, most=None, optional=False):
    """Refuses what is not an integer in a range.

    Args:
        name: str, as the person knows it.
        value: anything.
        least: int.
        most: int or None.
        optional: bool. Whether None will do.

    Raises:
        UserError: names the setting, what came and what would do.
    """
    if value is None and optional:
        return
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_integer or value < least or (most is not None and value > most):
        upper = "" if most is None else f" and ≤ {most}"
        raise UserError(f"{name} must be an integer ≥ {least}{upper}, got {value!r}")


def check_integers(name, values, least=1, most=None):
    """Refuses what is no tuple of different integers in a range.

    Args:
        name: str, as the person knows it.
        values: anything.
        least: int.
        most: int or None.

    Raises:
        UserError: names the setting, what came and what would do.
    """
    if not isinstance(values, (tuple, list)) or not values or len(set(values)) < len(values):
        raise UserError(f"{name} must be a tuple of different integers, got {values!r}")
    for value in values:
        check_integer(f"an entry of {name}", value, least=least, most=most)


def check_flag(name, value):
    """Refuses what is no bool.

    Raises:
        UserError: names it.
    """
    if not isinstance(value, bool):
        raise UserError(f"{name} must be True or False, got {value!r}")


def check_number(name, value, least=0.0, optional=False, above=False):
    """Refuses what is not a finite number in a range.

    Args:
        name: str, as the person knows it.
        value: anything.
        least: float.
        optional: bool. Whether None will do.
        above: bool. Whether `least` itself is refused.

    Raises:
        UserError: names the setting, what came and what would do.
    """
    if value is None and optional:
        return
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    low = is_number and (value <= least if above else value < least)
    if not is_number or low or not value < float("inf"):
        sign = ">" if above else "≥"
        raise UserError(f"{name} must be a finite number {sign} {least}, got {value!r}")
