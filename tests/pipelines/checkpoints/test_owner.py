import pytest

from pipelines.checkpoints.owner import Owner
from pipelines.errors import RunError


def test_the_last_training_to_begin_goes_on(tmp_path):
    first = Owner(str(tmp_path))
    first()
    second = Owner(str(tmp_path))
    with pytest.raises(RunError, match="another training has begun in the same directory"):
        first()
    second()
