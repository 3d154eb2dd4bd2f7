"""Typicality: how near an image lies to real ones, as a quantile among real images that nobody has learned from.

A bare distance or probability says little: most measures of realism call what evolution finds at least as real as the
data, for they were made to tell digits apart, not digits from what is none. These two were chosen among fifteen, on
images of known kinds that each had to rank (`experiments/realism.py`). Both look for the nearest real neighbours, as
Kynkaanniemi et al. 2019, "Improved precision and recall metric for assessing generative models", do, in two spaces:

- *pixels* see noise, adversarial pixels and exaggeration; not that a blurred image shows nothing, for it lies near
  everything.
- *features* of the held-out judge see whether an image shows what real ones show; not that it is exaggerated.

Neither can rank a real image above a prototype: whatever lies in the middle of the data has near neighbours.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from evovae.data import Images, ImageSet, to_unit
from evovae.objectives.judges.judge import Judge, reduce_images

NEIGHBOUR = 5
"""The distance is that to the fifth nearest."""
MAX_REFERENCES, MAX_TESTED = 1000, 1000
"""Training images that are looked for neighbours among, and test images that are ranked among, at most."""
MIN_REFERENCES, MIN_TESTED = 100, 20
"""Of fewer, nothing is said."""
VARIANCE = 0.999
"""Share of the references' variance that the principal components hold which distances are measured in."""
_BATCH = 500


class Neighbours:
    """The distance of vectors to the nearest of the references, in their whitened principal components.

    Whitened, every direction counts alike in which the references differ at all: noise and exaggeration show where the
    data hardly vary.

    Args:
        references: (M, F), more than `NEIGHBOUR` of them.
    """

    def __init__(self, references: Tensor) -> None:
        count, width = references.shape
        exact = references.double()
        self._mean = exact.mean(0)
        centred = exact - self._mean
        if width <= count:
            variances, directions = torch.linalg.eigh(centred.mT @ centred / count)  # (F,), (F, F)
        else:  # the same, from the smaller matrix of products
            variances, weights = torch.linalg.eigh(centred @ centred.mT / count)  # (M,), (M, M)
            directions = centred.mT @ weights / (count * variances).clamp_min(1e-12).sqrt()  # (F, M)
        variances, directions = variances.flip(0).clamp_min(0), directions.flip(1)  # the largest first
        held = variances.cumsum(0) / variances.sum().clamp_min(1e-12)
        kept = min(int((held < VARIANCE).sum()) + 1, len(held))
        self._whitening = (directions[:, :kept] / variances[:kept].clamp_min(1e-12).sqrt()).float()  # (F, Q)
        self._mean = self._mean.float()
        self._references = self._whitened(references)  # (M, Q)

    def distance(self, x: Tensor) -> Tensor:
        """Return the distance to the `NEIGHBOUR`-th nearest reference: (B, F) -> (B,)."""
        distances = torch.cdist(self._whitened(x), self._references)  # (B, M)
        return distances.kthvalue(NEIGHBOUR, dim=1).values

    def _whitened(self, x: Tensor) -> Tensor:
        return (x.float() - self._mean) @ self._whitening


class RealImages:
    """Real images, to tell how typical of them others are.

    Nothing is computed before it is asked for; then it takes a second or two, once for each space.

    Args:
        images: their training images are the neighbours, their test images what others are ranked among.
        device: where distances are measured.

    Attributes:
        trouble: why typicality is not measured; empty where it is.
    """

    def __init__(self, images: ImageSet, device: torch.device | str = "cpu") -> None:
        self._references = _some(images.train, MAX_REFERENCES, device)
        self._tested = _some(images.test, MAX_TESTED, device)
        enough = len(self._references) >= MIN_REFERENCES and len(self._tested) >= MIN_TESTED
        self.trouble = "" if enough else f"fewer than {MIN_REFERENCES} training or {MIN_TESTED} test images"
        self._spaces: dict[Judge | None, _Space] = {}

    @torch.no_grad()
    def typicality(self, images: Tensor, held_out: Judge | None) -> dict[str, Tensor]:
        """Return how typical `images` (B, C, H, W) in [0, 1] are; nothing where it is not known.

        Returns:
            By name a share (B,) of the test images, 0 to 1; for a test image each value is as probable as any other:
            pixel_typicality: those no nearer to real neighbours, by pixels.
            feature_typicality: the same by what the held-out judge sees in them; absent without one.
            typicality: those that come off no better in the measure that doubts them most.
        """
        if self.trouble or images.shape[1:] != self._references.shape[1:]:
            return {}
        spaces = {"pixel_typicality": self._space(None)}
        if held_out is not None:
            spaces["feature_typicality"] = self._space(held_out)
        shares = {name: space.share(images) for name, space in spaces.items()}
        least = torch.stack(list(shares.values())).amin(0)  # (B,)
        known = torch.stack([space.tested for space in spaces.values()]).amin(0).sort().values  # (T,)
        return shares | {"typicality": torch.searchsorted(known, least, right=True) / len(known)}

    def _space(self, judge: Judge | None) -> _Space:
        if judge not in self._spaces:
            see = judge.features if judge is not None else lambda x: reduce_images(x).flatten(1)
            self._spaces[judge] = _Space(see, self._references, self._tested)
        return self._spaces[judge]


class _Space:
    """A space in which images have neighbours: what is seen in them (B, C, H, W) -> (B, F).

    Attributes:
        tested: what `share` gives for the test images (T,).
    """

    def __init__(self, see: Callable[[Tensor], Tensor], references: Tensor, tested: Tensor) -> None:
        self._see = see
        self._neighbours = Neighbours(torch.cat([see(to_unit(x)) for x in references.split(_BATCH)]))
        distances = torch.cat([self._distance(to_unit(x)) for x in tested.split(_BATCH)])
        self._distances = distances.sort().values  # (T,)
        self.tested = self._share(distances)

    def share(self, images: Tensor) -> Tensor:
        """Return the share (B,) of the test images that are no nearer to real neighbours than `images`."""
        return torch.cat([self._share(self._distance(x)) for x in images.split(_BATCH)])

    def _distance(self, images: Tensor) -> Tensor:
        return self._neighbours.distance(self._see(images))

    def _share(self, distances: Tensor) -> Tensor:
        return 1 - torch.searchsorted(self._distances, distances) / len(self._distances)  # of one not finite, 0


def _some(images: Images, most: int, device: torch.device | str) -> Tensor:
    """Return at most so many of the images, uint8 (N, C, H, W), always the same, classes in proportion."""
    return (images if len(images) <= most else images.subset(most, seed=0)).images.to(device)
