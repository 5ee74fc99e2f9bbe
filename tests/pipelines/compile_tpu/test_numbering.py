"""The same module with other numbers."""

import pytest
import tensorflow as tf
from tensorflow.compiler.xla.service import hlo_pb2

from pipelines.compile_tpu.numbering import number_within_computations


@pytest.fixture(scope="module")
def hlo():
    """A loop and sums: computations that others call."""

    def function(x):
        sums = [tf.reduce_sum(x * factor, axis=-1) for factor in (2.0, 3.0)]
        return tf.while_loop(
            lambda i, _: i < 3, lambda i, y: (i + 1, y + tf.reduce_max(sums)), (0, sums[0])
        )

    lower = tf.function(function, jit_compile=True).experimental_get_compiler_ir(tf.ones((4, 5)))
    return lower(stage="hlo_serialized")


def structure(hlo, numbered):
    """Everything that a module says, with names in the place of numbers of instructions."""
    module = hlo_pb2.HloModuleProto.FromString(hlo)
    for computation in module.computations:
        names = {part.id: part.name for part in computation.instructions}
        if numbered:
            assert sorted(names) == list(range(len(names)))
        assert len(set(names.values())) == len(names) == len(computation.instructions)
        links = [
            (part.name, [[names[number] for number in part.operand_ids]])
            for part in computation.instructions
        ]
        yield computation.name, names[computation.root_id], links
        computation.root_id = 0
        for part in computation.instructions:
            part.id = 0
            part.ClearField("operand_ids")
    yield module


def test_a_module_stays_what_it_was(hlo):
    renumbered = number_within_computations(hlo)
    before, after = list(structure(hlo, False)), list(structure(renumbered, True))
    assert len(before) > 5 and before == after


def test_numbers_do_not_grow_with_the_module(hlo):
    def largest(hlo):
        module = hlo_pb2.HloModuleProto.FromString(hlo)
        return sum(max(part.id for part in c.instructions) for c in module.computations)

    assert largest(number_within_computations(hlo)) < 0.3 * largest(hlo)


def test_orders_without_data_are_kept(hlo):
    module = hlo_pb2.HloModuleProto.FromString(hlo)
    first, second = module.computations[0].instructions[:2]
    second.control_predecessor_ids.append(first.id)
    new = hlo_pb2.HloModuleProto.FromString(number_within_computations(module.SerializeToString()))
    first, second = new.computations[0].instructions[:2]
    assert list(second.control_predecessor_ids) == [first.id]
