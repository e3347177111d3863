"""Sizes as people read them."""

import pytest

from exported_models.contract.sizes import format_size


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1234, "1.2 kB"),
        (99_960, "100 kB"),
        (999_999, "1.0 MB"),
        (5_600_000, "5.6 MB"),
        (120e9, "120 GB"),
        (3e12, "3.0 TB"),
    ],
)
def test_a_size_has_the_unit_that_suits_it(size: float, written: str) -> None:
    assert format_size(size) == written
