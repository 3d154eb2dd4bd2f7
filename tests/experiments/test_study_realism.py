"""The study of realism: its verdict is by the rule, and nobody has learned from the images that it takes for real."""

import numpy as np
import pandas as pd
import pytest
import realism
import torch
from methods.image_kinds import BALL, FREE, NOTHING, PRIOR, REAL, attack

from evovae.data import Images, ImageSet


def ranked(**changes: tuple[float, float]) -> pd.DataFrame:
    """All pairs ranked with 0.99 (from 0.98 on), but for those that are named."""
    rows = []
    for upper, lower in realism.PAIRS:
        probability, low = changes.get(f"{upper} > {lower}", (0.99, 0.98))
        row = {"split": "choose", "measure": "a", "upper": upper, "lower": lower}
        rows.append(row | {"probability": probability, "probability_low": low})
    return pd.DataFrame(rows)


def test_a_measure_holds_if_it_ranks_every_pair() -> None:
    row = realism.judge(ranked(**{f"{REAL} > {FREE}": (0.6, 0.51)}))
    assert (row["verdict"], row["failed"], row["worst"]) == ("holds", 0, 0.6)
    assert (row["upper"], row["lower"]) == (REAL, FREE)


@pytest.mark.parametrize(
    ("pair", "found"),
    [
        (f"{REAL} > {PRIOR}", (0.7, 0.5)),
        (f"{BALL} > {FREE}", (0.4, 0.3)),
        (f"{PRIOR} > {NOTHING[0]}", (0.96, 0.94)),
        (f"{FREE} > {NOTHING[-1]}", (0.97, np.nan)),
    ],
)
def test_a_measure_fails_where_its_interval_does_not_clear_the_rule(pair: str, found: tuple[float, float]) -> None:
    row = realism.judge(ranked(**{pair: found}))
    assert (row["verdict"], row["failed"]) == ("fails", 1)


def test_the_probability_is_that_of_all_pairs_with_ties_by_half() -> None:
    upper, lower = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 0.0])
    wins = sum(float(u > v) + 0.5 * float(u == v) for u in upper for v in lower)
    assert realism.probability_above(upper, lower) == pytest.approx(wins / 6)


def numbered(first: int, count: int) -> Images:
    pixels = torch.arange(first, first + count).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    return Images((pixels % 251).to(torch.uint8), torch.arange(count) % 10)


@pytest.mark.parametrize("split", ["choose", "confirm"])
def test_what_is_real_and_what_ranks_it_is_held_back_from_all_models(split: str) -> None:
    images = ImageSet("numbers", numbered(0, 200), numbered(200, 50), tuple("abcdefghij"))
    learned, real = realism.split_images(images, split)
    parts = [set(part.images[:, 0, 0, 0].tolist()) for part in (learned.train, learned.test, real)]
    assert all(not one & other for i, one in enumerate(parts) for other in parts[i + 1 :])
    test = set(images.test.images[:, 0, 0, 0].tolist())
    assert (parts[2] <= test) == (split == "confirm")
    assert (not parts[2] & test) == (split == "choose"), "choosing never sees a test image"


def test_an_attack_stays_within_its_reach_and_pleases_the_judge() -> None:
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    weights = torch.randn(64, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float32)
    wanted = torch.tensor([0, 1, 2, 0, 1])
    moved = attack(images, wanted, lambda x: x.flatten(1) @ weights, reach=0.2, steps=40)
    assert (moved - images).abs().max() <= 0.2 + 1e-6
    assert moved.min() >= 0
    assert moved.max() <= 1
    before, after = ((x.flatten(1) @ weights).log_softmax(1).gather(1, wanted[:, None]).mean() for x in (images, moved))
    assert after > before + 1
