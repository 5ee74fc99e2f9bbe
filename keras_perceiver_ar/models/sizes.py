"""Sizes that a model cannot have."""


def check_sizes(**sizes):
    """Refuses numbers that are no sizes.

    Raises:
        ValueError: not an integer, or too small. `num_layers` may be 0.
    """
    for name, value in sizes.items():
        least = 0 if name == "num_layers" else 1
        if not isinstance(value, int) or value < least:
            raise ValueError(f"`{name}` must be an integer ≥ {least}. Received: {name}={value!r}")


def check_num_latents(num_latents, max_context):
    """Refuses numbers of latents that no row could hold.

    Raises:
        ValueError: not an integer from 1 to `max_context`.
    """
    if not isinstance(num_latents, int) or num_latents < 1:
        raise ValueError(
            "`num_latents` must be a Python integer ≥ 1, because it is a shape. "
            f"Received: num_latents={num_latents!r}"
        )
    if num_latents > max_context:
        raise ValueError(
            "There cannot be more latents than inputs: each latent sits on an input of its own. "
            f"Received: num_latents={num_latents}, max_context={max_context}"
        )
