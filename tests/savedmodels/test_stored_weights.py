import numpy as np
import tensorflow as tf

from savedmodels.stored_weights import StoredWeights
from tests.pipelines import runs


def test_matrices_are_rounded_once_and_vectors_not_at_all(tmp_path):
    model = runs.save_untrained(tmp_path / "run", runs.copy_flags(), scale=0.5)
    before = [np.array(variable) for variable in model.variables]
    stored = StoredWeights(model, "bfloat16")

    @tf.function
    @stored.wrap
    def read():
        return [tf.convert_to_tensor(variable.value) for variable in model.variables]

    for seen, value in zip(read(), before):
        assert seen.dtype == value.dtype
        wanted = value
        if value.ndim >= 2:
            wanted = tf.cast(tf.cast(value, tf.bfloat16), value.dtype).numpy()
            assert (wanted != value).any()
        np.testing.assert_array_equal(seen, wanted)
    for variable, value in zip(model.variables, before):
        np.testing.assert_array_equal(variable, value)  # the model itself stays as it was
    assert {variable.dtype for variable in stored.variables} == {tf.bfloat16}
    assert len(stored.variables) == sum(value.ndim >= 2 for value in before)
