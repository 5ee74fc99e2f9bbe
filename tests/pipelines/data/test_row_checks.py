"""Splits, rows and steps that there are not."""

import pytest

from pipelines.data import row_checks
from pipelines.errors import UserError


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: row_checks.check_split("dev"),
            "unknown split 'dev': choose train, validation, test",
        ),
        (lambda: row_checks.check_rows(0, 1), "context must be an integer ≥ 1 .*, got 0"),
        (lambda: row_checks.check_rows(16.0, 1), "context must be an integer .*, got 16.0"),
        (lambda: row_checks.check_rows("16", 1), "context must be an integer .*, got '16'"),
        (
            lambda: row_checks.check_rows(2**31, 1),
            "context must be .* ≤ 2147483647, got 2147483648",
        ),
        (lambda: row_checks.check_rows(1, -2), "batch_size must be an integer ≥ 1 .*, got -2"),
        (lambda: row_checks.check_rows(1, True), "batch_size must be an integer .*, got True"),
        (lambda: row_checks.check_rows(1, 1, 0), "num_latents must be an integer ≥ 1 .*, got 0"),
        (
            lambda: row_checks.check_rows(4, 1, 5),
            "num_latents 5 is more than the context of 4 inputs",
        ),
        (lambda: row_checks.check_start(0, -1), "start_step must be an integer ≥ 0 .*, got -1"),
        (lambda: row_checks.check_start(0, 1.5), "start_step must be an integer .*, got 1.5"),
        (lambda: row_checks.check_start(-1, 0), "seed must be an integer ≥ 0 .*, got -1"),
        (lambda: row_checks.check_start(2**63, 0), "seed must be .*, got 9223372036854775808"),
        (lambda: row_checks.check_start(None, 0), "seed must be an integer .*, got None"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(UserError, match=message):
        call()
