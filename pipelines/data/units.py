"""What a split is measured by, other than targets."""


def totals(each):
    """The sums over documents of what each is measured by.

    Args:
        each: dict of int (D,): `bytes` and `words` among others.

    Returns:
        dict of int: `bytes`, `words` and `documents`.
    """
    sums = {name: int(each[name].sum()) for name in ("bytes", "words")}
    return {**sums, "documents": each["bytes"].size}
