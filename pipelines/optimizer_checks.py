"""Settings of an optimizer that would be noticed late, or mean something else in our loop."""

import keras_perceiver_ar as kpar
from pipelines import distribution
from pipelines.checks import check_number
from pipelines.command_line import user_errors
from pipelines.errors import UserError


def check_optimizer(optimizer):
    """Refuses settings by name.

    Args:
        optimizer: Keras optimizer.

    Raises:
        UserError: a number out of range, or a setting that the training loop has no use for.
    """
    _check_learning_rate(optimizer)
    _check_settings(optimizer)


def _check_learning_rate(optimizer):
    """Refuses what one of Keras' schedules would notice late or never. Ours look for themselves."""
    hint = " (does learning_rate name a schedule without its brackets, @CosineDecay()?)"
    with user_errors(TypeError, hint=hint):
        schedule = optimizer.get_config()["learning_rate"]
    if isinstance(schedule, dict) and not schedule["module"].startswith(kpar.__name__):
        for name, value in schedule["config"].items():
            if name != "name" and isinstance(value, (str, bool, int, float)):
                check_number(f"{schedule['class_name']}.{name}", value)
    check_number("the learning rate", distribution.host_float(optimizer.learning_rate))


def _check_settings(optimizer):
    """Refuses settings of Keras' optimizers that mean something else, or nothing, in this loop."""
    config = optimizer.get_config()
    for name in ("clipnorm", "clipvalue", "global_clipnorm"):
        if config.get(name) is not None:
            raise UserError(
                f"the optimizer's {name} would clip each replica's share by itself: leave it out "
                "and set TrainSettings.clip_norm"
            )
    for name in ("weight_decay", "beta_1", "beta_2", "epsilon", "momentum"):
        check_number(f"the optimizer's {name}", config.get(name), optional=True)
    if config.get("use_ema"):
        raise UserError("the optimizer's use_ema: leave it out and set TrainSettings.ema_decay")
    for name in ("loss_scale_factor", "gradient_accumulation_steps"):
        if config.get(name):
            raise UserError(f"the optimizer's {name} has no effect in this loop: leave it out")
