"""A setting is of the type and in the range that it names, or is refused in one line that names it."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
from refusals import refused

from evovae.base import MAX_NUMBER, require_counts, require_number, require_types, require_whole


@dataclass(frozen=True)
class Settings:
    whole: int = 1
    number: float = 1.0
    flag: bool = False
    text: str = ""
    choice: Literal["one", "two"] = "one"
    maybe: int | None = None
    sizes: tuple[int, ...] = (1, 2)


GOOD = {
    "whole": [0, -5, 2**70],
    "number": [2, 0.5, math.nan],
    "flag": [True, False],
    "text": ["", "two"],
    "choice": ["two"],
    "maybe": [None, 3],
    "sizes": [(), (3,)],
}
BAD = {
    "whole": [True, 1.0, "1", None],
    "number": [True, "1", None, 1j],
    "flag": [0, 1, "true", None],
    "text": [1, None, b"two"],
    "choice": ["three", 1, None],
    "maybe": [False, 1.5, "none"],
    "sizes": [[1], (1, 2.5), (True,), 3],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_value_of_its_own_type_passes_and_another_is_named(name):
    for value in GOOD[name]:
        require_types(Settings(**{name: value}))
    for value in BAD[name]:
        with refused(name, "expected"):
            require_types(Settings(**{name: value}))


def test_whole_numbers_lie_within_both_limits():
    for value in (3, 5, 7, np.int64(3)):
        require_whole("n", value, 3, 7)
    for value in (2, 8, 3.0, True, math.nan, math.inf, "3", None):
        with refused("n is", "3 to 7"):
            require_whole("n", value, 3, 7)
    for value in (True, False):
        with refused("n is", "0 or more"):
            require_whole("n", value)
    require_whole("n", 2**63 - 1)
    with refused("below 2^63"):
        require_whole("n", 2**63)


def test_numbers_lie_within_both_limits_and_nan_does_not():
    for value in (0, 0.0, 1, MAX_NUMBER, np.float32(2.0)):
        require_number("x", value)
    for value in (-1e-30, math.nan, math.inf, 1e39, "1", None, 1j):
        with refused("x is", "0 or more"):
            require_number("x", value)
    require_number("x", 0.1, 0.1, 0.5)
    require_number("x", 0.5, 0.1, 0.5)
    for value in (0.0, 0.09, 0.51):
        with refused("x is", "0.1 to 0.5"):
            require_number("x", value, 0.1, 0.5)


def test_counts_are_one_or_more_alone_or_in_tuples():
    require_counts(Settings(whole=1, sizes=(1, 9)), "whole", "sizes", most=9)
    for name, value in (("whole", 0), ("whole", 10), ("sizes", (1, 0)), ("sizes", (10,)), ("sizes", ())):
        with refused(name):
            require_counts(Settings(**{name: value}), name, most=9)
