"""Seeded draws that keep the proportions of the classes."""

import torch
from torch import Tensor

from evovae.streams import make_generator


def draw_stratified(labels: Tensor, n: int, seed: int) -> Tensor:
    """Indices of `n` labels, each class in its proportion to within rounding.

    Places left over after rounding down go to the largest remainders, ties to the lower label.

    Args:
        labels: int64 `(N,)`.
        n: 1 to `N`.
        seed: Decides which members of a class are drawn; the same on every device.

    Returns:
        int64 `(n,)`, ascending, on the device of `labels`.
    """
    generator = make_generator(seed, 3)
    order = torch.randperm(len(labels), generator=generator).to(labels.device)
    classes, counts = labels.unique(return_counts=True)
    shares, remainders = n * counts // len(labels), n * counts % len(labels)
    places_left = n - int(shares.sum())
    shares[remainders.argsort(descending=True, stable=True)[:places_left]] += 1
    shuffled = labels[order]
    drawn = [order[shuffled == label][:share] for label, share in zip(classes, shares.tolist(), strict=True)]
    return torch.cat(drawn).sort().values
