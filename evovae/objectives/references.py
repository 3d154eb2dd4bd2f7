"""Distance to given phenotypes: whether what evolution found was there already."""

from __future__ import annotations

import torch
from torch import Tensor

from evovae.base import InputError

MAX_COMPARED = 1000
"""References at most whose own nearest neighbours are looked for."""
_BATCH = 250


class References:
    """Phenotypes to look for the nearest among: those that a generator was trained on, or what is known already.

    Args:
        phenotypes: (N, ...), 2 or more, in the range that the encoding decodes to; uint8 images count as 0 to 1.

    Raises:
        InputError: if they are fewer, or hold what is not finite.
    """

    def __init__(self, phenotypes: Tensor) -> None:
        numbers = phenotypes.float() / 255 if phenotypes.dtype == torch.uint8 else phenotypes.float()
        if phenotypes.ndim < 2 or len(phenotypes) < 2 or not numbers.isfinite().all():
            found = f"{phenotypes.dtype} {tuple(phenotypes.shape)}"
            raise InputError(f"references are {found}: expected finite phenotypes (N, ...), N of 2 or more")
        self.shape = tuple(phenotypes.shape[1:])
        self._numbers = numbers.flatten(1)  # N P
        step = max(1, len(numbers) // MAX_COMPARED)
        own = torch.cat([self._distances(chunk)[:, 1] for chunk in self._numbers[::step].split(_BATCH)])
        self._own = own.sort().values  # from one to the nearest other

    @torch.no_grad()
    def compare(self, phenotypes: Tensor) -> dict[str, Tensor]:
        """Return how far `phenotypes` (B, ...) lie from all references.

        Returns:
            By name a column (B,):
            nearest_reference: root mean square of the difference to the nearest, in the phenotypes' units.
            novelty: share of the references, 0 to 1, whose nearest other lies no further away: 0 for a copy.

        Raises:
            InputError: if phenotypes are of another shape.
        """
        if tuple(phenotypes.shape[1:]) != self.shape:
            raise InputError(
                f"phenotypes have shape {tuple(phenotypes.shape)}: the references are {self.shape}, without B"
            )
        flat = phenotypes.to(self._numbers).flatten(1)
        nearest = torch.cat([self._distances(chunk)[:, 0] for chunk in flat.split(_BATCH)])
        novelty = torch.searchsorted(self._own, nearest, right=True) / len(self._own)
        return {"nearest_reference": nearest, "novelty": torch.where(nearest.isfinite(), novelty, torch.nan)}

    def _distances(self, flat: Tensor) -> Tensor:
        """Return the distances of (B, P) to the two nearest references (B, 2), the nearest first."""
        distances = torch.cdist(flat, self._numbers, compute_mode="donot_use_mm_for_euclid_dist")  # exact: a copy has 0
        return distances.topk(2, dim=1, largest=False).values / self._numbers.shape[1] ** 0.5
