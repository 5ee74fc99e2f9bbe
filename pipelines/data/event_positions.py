"""Where the events of a document are, for a model to read."""

from keras_perceiver_ar import positions
from pipelines.checks import check_flag
from pipelines.errors import UserError


def event_positions(of_events, target_positions, path):
    """Positions of events, and of their targets where a model is to be told.

    Args:
        of_events: int32 (E, P), or None where events are at 1, 2, …
        target_positions: bool. Whether to tell where the next event goes.
        path: str. Folder of the set, for what is said.

    Returns:
        `of_events`, or int32 (E, 2 · P); see `keras_perceiver_ar.positions.with_targets`.

    Raises:
        UserError: events that come one behind the other, or no bool.
    """
    check_flag("target_positions", target_positions)
    if not target_positions:
        return of_events
    if of_events is None:
        raise UserError(
            f"the events of the set in {path!r} come one behind the other, so a model knows where "
            "the next one goes: leave target_positions out"
        )
    return positions.with_targets(of_events)
