import numpy as np

from keras_perceiver_ar.generation import DataMask, History
from tests.keras_perceiver_ar.support import to_numpy


def test_all_but_the_reserved_ids():
    history = History(None, np.array([1, 2], "int32"), None)
    assert to_numpy(DataMask(6)(history)).astype(int).tolist() == [[0, 0, 0, 1, 1, 1]]
