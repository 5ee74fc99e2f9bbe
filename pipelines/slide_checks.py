"""Whether a model can let go of as many tokens as --slide says."""

from keras_perceiver_ar.generation.cached_steps import refill_size
from keras_perceiver_ar.generation.window import most_slide
from pipelines.command_line import user_errors
from pipelines.errors import UserError


def check_slide(slide, backbone, num_latents=None):
    """Refuses a number of tokens that is too large, in the words of the commands.

    Args:
        slide: None, "half" or int ≥ 1.
        backbone: `PerceiverARBackbone`.
        num_latents: int or None, those of the generation; None is the model's.

    Raises:
        UserError: more than may leave a full context, since as many as a refill puts latents on
            have to stay; a number of latents that does not fit.
    """
    with user_errors(ValueError):
        num_positions = backbone.num_positions(num_latents)
    if not isinstance(slide, int):
        return
    most = most_slide(backbone.max_context, refill_size("half", num_positions))
    if slide > most:
        raise UserError(
            f"--slide must be at most {most} for this model, whose context is "
            f"{backbone.max_context} (alone, without a number, it is half of that), got {slide}"
        )
