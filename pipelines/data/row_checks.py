"""Which splits, rows and steps can be asked for: what every task refuses, without TensorFlow."""

from pipelines.checks import check_integer
from pipelines.errors import UserError

# Of rows, of steps: that many of each, and the number of a row still fits in 64 bits.
MOST = 2**31 - 1

SPLITS = ("train", "validation", "test")


def check_split(split):
    """Refuses a split that there is not.

    Raises:
        UserError: not one of `SPLITS`.
    """
    if split not in SPLITS:
        raise UserError(f"unknown split {split!r}: choose {', '.join(SPLITS)}")


def check_rows(context, batch_size, num_latents=1, stride=None):
    """Refuses a shape that no batch can have.

    Args:
        context: int. M.
        batch_size: int. B.
        num_latents: int. N.
        stride: int or None. Targets that are scored in a row; None is N.

    Returns:
        int, the stride.

    Raises:
        UserError: no integer, one below 1, more latents than inputs, or more targets than latents.
    """
    numbers = {"context": context, "batch_size": batch_size, "num_latents": num_latents}
    for name, number in numbers.items():
        check_integer(name, number, most=MOST)
    if num_latents > context:
        raise UserError(
            f"num_latents {num_latents} is more than the context of {context} inputs: "
            "each latent sits on an input of its own"
        )
    check_integer("stride", stride, most=MOST, optional=True)
    stride = num_latents if stride is None else stride
    if stride > num_latents:
        raise UserError(
            f"stride {stride} is more than {num_latents} latents: each scores one target of a row"
        )
    return stride


def check_start(seed, start_step):
    """Refuses a seed or a first step that nothing can be drawn from.

    Raises:
        UserError: no integer, a negative one, or one of more bits than draws take.
    """
    check_integer("seed", seed, least=0, most=2**63 - 1)
    check_integer("start_step", start_step, least=0, most=MOST)
