"""What a run would be, before it takes an hour of somebody's pod."""

import rich.console
import rich.table

import gin
from pipelines import checkpoints, flops
from pipelines.pure import shapes_alone
from pipelines.training.run import Run


def dry_run(model_dir, bindings=()):
    """Prints the resolved configuration and the sizes of a run; nothing is trained or written.

    Args:
        model_dir: str. Where the run would go on, or begin.
        bindings: gin bindings of the command line, all of which must have an effect.

    Raises:
        UserError: settings or data that do not fit, or a directory of another model.
    """
    run = Run.from_gin(model_dir, bindings)
    settings, experiment = run.settings, run.experiment
    with shapes_alone():
        model = experiment.make_model()
    optimizer = experiment.make_optimizer()
    run.check_used()
    checkpoints.check_model(model_dir, model, experiment.task, optimizer)
    newest = checkpoints.newest_checkpoint(model_dir)
    done = checkpoints.step_of(newest) if newest else 0
    left = max(settings.steps - done, 0)
    backbone, rows = model.backbone, settings.batch_size
    of_step = flops.train_step_flops(model, rows)
    print(gin.operative_config_str())
    table = rich.table.Table(show_header=False)
    for name, value in {
        "parameters": f"{model.count_params():,}",
        "computes in": f"{backbone.compute_dtype}, weights in {backbone.variable_dtype}",
        "rows a step": f"{rows:,}",
        "microbatches": f"{settings.num_microbatches:,}",
        "tokens read a step": f"{rows * backbone.max_context:,} at most",
        "targets a step": f"{rows * backbone.num_positions():,} at most",
        "FLOPs a step": f"{of_step:.3e}, of the products that the model calls for",
        "steps to finish": f"{left:,} of {settings.steps:,}",
        "FLOPs to finish": f"{of_step * left:.3e}",
    }.items():
        table.add_row(name, value)
    rich.console.Console().print(table)
