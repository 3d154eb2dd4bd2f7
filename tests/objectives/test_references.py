"""Distance to the nearest of given phenotypes: a copy has none, and what is new lies further away than they do."""

import pytest
import torch
from refusals import refused

from evovae.objectives import References

LINE = torch.tensor([[0.0], [1.0], [3.0], [6.0]]) / 6


def test_novelty_is_the_share_of_references_whose_nearest_other_is_nearer() -> None:
    """On a line at 0, 1, 3 and 6 sixths, the nearest others lie 1, 1, 2 and 3 sixths away."""
    found = References(LINE).compare(torch.tensor([[1.0], [1.5], [4.5], [12.0]]) / 6)
    assert found["nearest_reference"].tolist() == pytest.approx([0, 0.5 / 6, 1.5 / 6, 1])
    assert found["novelty"].tolist() == [0, 0, 0.5, 1]


def test_pictures_of_bytes_count_as_0_to_1_and_distance_is_a_root_mean_square() -> None:
    references = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 2, 2)
    found = References(references).compare(torch.full((1, 3, 2, 2), 0.25))
    assert found["nearest_reference"].tolist() == pytest.approx([0.25])


def test_what_is_not_finite_has_no_novelty() -> None:
    assert References(LINE).compare(torch.tensor([[float("nan")]]))["novelty"].isnan().all()


def test_many_are_compared_in_parts_as_at_once() -> None:
    references = torch.arange(700.0)[:, None].sin()
    asked = torch.arange(600.0)[:, None].cos()
    whole = References(references).compare(asked)["nearest_reference"]
    assert torch.equal(whole, (asked - references.T).abs().amin(1))


def test_references_that_are_none_are_refused() -> None:
    for wrong in (LINE[:1], LINE.flatten(), torch.full((3, 2), float("inf"))):
        with refused("references are", "N of 2 or more"):
            References(wrong)
    with refused("phenotypes have shape (1, 2)"):
        References(LINE).compare(torch.zeros(1, 2))
