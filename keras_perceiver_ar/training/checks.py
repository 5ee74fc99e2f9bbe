"""Settings of training that make no sense."""

import math
import numbers


def check_numbers(least=0, below=math.inf, above=False, **values):
    """Refuses what is not a finite number in a range.

    Args:
        least: float.
        below: float. Every number must be less than this.
        above: bool. Whether `least` itself is refused.
        **values: numbers under their names.

    Raises:
        ValueError: names the argument.
    """
    for name, value in values.items():
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        low = is_number and (value <= least if above else value < least)
        if not is_number or low or not value < below:
            end = "" if below == math.inf else f" and < {below}"
            raise ValueError(
                f"`{name}` must be a finite number {'>' if above else '≥'} {least}{end}. "
                f"Received: {name}={value!r}"
            )


def check_steps(least=0, **values):
    """Refuses what is no number of steps.

    Args:
        least: int.
        **values: numbers under their names.

    Raises:
        ValueError: not an integer, or too small.
    """
    for name, value in values.items():
        is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not is_integer or value < least:
            raise ValueError(f"`{name}` must be an integer ≥ {least}. Received: {name}={value!r}")


def check_flags(**values):
    """Refuses what is neither True nor False.

    Raises:
        ValueError: names the argument.
    """
    for name, value in values.items():
        if not isinstance(value, bool):
            raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}")
