"""The numbers of instructions in serialised HLO."""

from tensorflow.compiler.xla.service import hlo_pb2


def number_within_computations(hlo):
    """Numbers the instructions of each computation from 0; TensorFlow counts through the module.

    What reads HLO in newer releases makes a table for each computation, as long as its largest
    number. With one count for all, each of the thousand sums of two numbers that a deep model adds
    up its gradients with had a table as long as the whole module: more than 13 GB for sixty
    blocks.

    Args:
        hlo: bytes, a serialised `HloModuleProto`.

    Returns:
        bytes, the same module.
    """
    module = hlo_pb2.HloModuleProto.FromString(hlo)
    for computation in module.computations:
        numbers = {part.id: number for number, part in enumerate(computation.instructions)}
        computation.root_id = numbers[computation.root_id]
        for part in computation.instructions:
            part.id = numbers[part.id]
            for others in (part.operand_ids, part.control_predecessor_ids):
                others[:] = [numbers[other] for other in others]
    return module.SerializeToString()
