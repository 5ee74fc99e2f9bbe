"""What a model is measured with: latents, context, and fresh targets of a row."""

import itertools
from typing import NamedTuple

from pipelines.checks import check_integer
from pipelines.command_line import user_errors
from pipelines.errors import UserError


class Settings(NamedTuple):
    """One way to measure a model.

    Attributes:
        num_latents: int. N.
        context: int. M, the inputs of a row.
        stride: int. Targets that are scored in a row, those of its last latents.
    """

    num_latents: int
    context: int
    stride: int

    @classmethod
    def of(cls, backbone, num_latents=None, context=None, stride=None):
        """The settings that are asked for, and the model's own for the others.

        Args:
            backbone: `PerceiverARBackbone`.
            num_latents: int or None. None is the model's, or as many as the context takes.
            context: int or None. None is the model's.
            stride: int or None. None is one target for each position that latents sit on: block
                evaluation. 1 is evaluation of every position.

        Raises:
            UserError: numbers that do not fit each other or the model.
        """
        longest = backbone.max_context
        for name, number in (("context", context), ("stride", stride)):
            check_integer(f"--{name}", number, optional=True)
        if context is not None and context > longest:
            raise UserError(f"--context must lie in 1 … {longest} (the model's), got {context}")
        context = context or longest
        if num_latents is None:
            num_latents = min(backbone.num_latents, context * backbone.latents_per_position)
        with user_errors(ValueError):
            check_integer("--num_latents", num_latents, least=-(2**31))
            if not 1 <= num_latents <= longest:
                raise UserError(
                    f"--num_latents must lie in 1 … {longest} (the context), got {num_latents}"
                )
            positions = backbone.num_positions(num_latents)
        if positions > context:
            raise UserError(
                f"--num_latents={num_latents} does not fit --context={context}: each latent sits "
                "on an input of its own"
            )
        stride = stride or positions
        if stride > positions:
            raise UserError(
                f"--stride must lie in 1 … {positions} (the latents: each scores one target of a "
                f"row), got {stride}"
            )
        return cls(num_latents, context, stride)

    @classmethod
    def all_of(cls, backbone, num_latents=(), contexts=(), strides=()):
        """list of every combination of what is asked for; what is left out is the model's own.

        Args:
            backbone: `PerceiverARBackbone`.
            num_latents, contexts, strides: sequences of int.

        Raises:
            UserError: see `of`.
        """
        axes = (tuple(axis) or (None,) for axis in (num_latents, contexts, strides))
        return [cls.of(backbone, *each) for each in itertools.product(*axes)]
