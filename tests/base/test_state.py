"""A state gives back what was joined, each under its own name, and refuses what is of another shape."""

import pytest
import torch
from refusals import refused

from evovae.base import State, join

PARTS = {
    "search": {"genomes": torch.rand(2, 3), "deep/name": torch.arange(3)},
    "search_2": {"genomes": torch.zeros(1)},
    "count": 7,
    "loss": 0.1,
    "word": b"caf\xc3\xa9",
}


def test_what_was_joined_comes_back_part_by_part():
    state = join(**PARTS)
    for name in ("search", "search_2"):
        found = state.part(name)
        assert found.keys() == PARTS[name].keys()
        assert all(torch.equal(found[key], tensor) for key, tensor in PARTS[name].items())
    assert (state.number("count"), state.real("loss"), state.bytes("word")) == (7, 0.1, b"caf\xc3\xa9")
    assert not state.part("nothing")


def test_what_is_missing_or_of_another_shape_or_type_is_named():
    state = State(kept=torch.zeros(2, 3))
    assert torch.equal(state.like("kept", torch.ones(2, 3)), torch.zeros(2, 3))
    for other in (torch.zeros(3, 2), torch.zeros(6), torch.zeros(2, 3, dtype=torch.float64)):
        with refused("kept", "(2, 3)"):
            state.like("kept", other)
    with refused("the state has no lost"):
        _ = state["lost"]
    for read in (state.number, state.real):
        with refused("kept"):
            read("kept")


@pytest.mark.parametrize("value", [2**60 + 1, -3])
def test_whole_numbers_stay_exact(value):
    assert join(value=value).number("value") == value
