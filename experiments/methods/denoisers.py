"""Denoisers that are no neural networks: filters as they come or calibrated, and the best linear map of pixels.

Whatever they leave open is chosen, and fitted, on images that are not tested.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pywt
from scipy import ndimage
from skimage.restoration import denoise_tv_chambolle

from evovae.objectives import psnr

import torch
from torch import Tensor

Repair = Callable[[np.ndarray], np.ndarray]
"""Images (B, 1, H, W) to images."""
PENALTIES = (1.0, 10.0, 100.0, 1000.0, 10000.0)
HELD_OUT = 10
"""One of how many training images judges the penalty."""


class Chosen(NamedTuple):
    """A denoiser, and the setting that was chosen for it."""

    repair: Callable[[Tensor], Tensor]
    """Images (B, 1, H, W) in [0, 1] to the same."""
    setting: str


def median(images: np.ndarray, side: int) -> np.ndarray:
    """Return the median over a square of `side` pixels."""
    return ndimage.median_filter(images, (1, 1, side, side))


def gaussian(images: np.ndarray, sigma: float) -> np.ndarray:
    """Return the mean over neighbours by a Gaussian of standard deviation `sigma` pixels."""
    return ndimage.gaussian_filter(images, (0, 0, sigma, sigma))


def wavelets(images: np.ndarray, levels: int, threshold: float) -> np.ndarray:
    """Return images whose Haar coefficients have shrunk by `threshold`, averaged over all shifts.

    Translation-invariant shrinkage (Coifman and Donoho 1995), by the stationary transform with `levels` scales.
    """
    scales = pywt.swt2(images, "haar", levels, axes=(-2, -1))
    shrunk = [
        (mean, tuple(pywt.threshold(detail, threshold, "soft") for detail in details)) for mean, details in scales
    ]
    return pywt.iswt2(shrunk, "haar", axes=(-2, -1))


def total_variation(images: np.ndarray, weight: float) -> np.ndarray:
    """Return the images of least total variation near these, by Chambolle's method (2004); scikit-image's."""
    return np.stack([denoise_tv_chambolle(image, weight=weight, channel_axis=0) for image in images])


FILTERS: dict[str, dict[str, Repair]] = {
    "median filter": {f"{side} pixels": partial(median, side=side) for side in (3, 5, 7)},
    "Gaussian filter": {f"{sigma:g} pixels": partial(gaussian, sigma=sigma) for sigma in (0.5, 0.75, 1.0, 1.5, 2.0)},
    "wavelets": {
        f"{levels} scales, {threshold:g}": partial(wavelets, levels=levels, threshold=threshold)
        for levels in (1, 2)
        for threshold in (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.6)
    },
    "total variation": {f"{w:g}": partial(total_variation, weight=w) for w in (0.05, 0.1, 0.2, 0.4, 0.8)},
}
"""By name, with the settings that are tried."""


def choose(settings: dict[str, Repair], noisy: Tensor, clean: Tensor, calibrated: bool) -> Chosen:
    """Return the filter with the setting of highest mean PSNR on some images (B, 1, H, W).

    Args:
        settings: the filter with each setting.
        noisy: what it is given.
        clean: what it should give.
        calibrated: whether a gain and an offset follow, by least squares on these images. All is clipped to [0, 1].
    """

    def found(repair: Repair) -> tuple[float, Callable[[Tensor], Tensor]]:
        turned = repair(noisy.numpy())
        gain, offset = _calibrate(turned, clean.numpy()) if calibrated else (1.0, 0.0)

        def whole(images: Tensor) -> Tensor:
            return torch.from_numpy(gain * repair(images.numpy()) + offset).float().clamp(0.0, 1.0)

        return float(psnr((torch.from_numpy(turned) * gain + offset).clamp(0.0, 1.0), clean).mean()), whole

    tried = {setting: found(repair) for setting, repair in settings.items()}
    best = max(tried, key=lambda setting: tried[setting][0])
    return Chosen(tried[best][1], best)


def _calibrate(turned: np.ndarray, clean: np.ndarray) -> tuple[float, float]:
    """Return gain and offset by least squares; no gain where nothing is left to amplify."""
    centred = turned - turned.mean(dtype=np.float64)
    spread = np.square(centred).sum()
    gain = float((centred * clean).sum() / spread) if spread else 0.0
    return gain, float(clean.mean(dtype=np.float64) - gain * turned.mean(dtype=np.float64))


def fit_linear(noisy: Tensor, clean: Tensor) -> Chosen:
    """Return the linear map from noisy pixels to clean ones by ridge regression, with an intercept.

    Of the images (B, 1, H, W) one in ten is left out, and chooses the penalty by PSNR.
    """
    kept, judging = slice(len(noisy) // HELD_OUT, None), slice(0, len(noisy) // HELD_OUT)
    x, y = noisy[kept].flatten(1).double(), clean[kept].flatten(1).double()
    centre, target = x.mean(0), y.mean(0)
    squares, products = (x - centre).T @ (x - centre), (x - centre).T @ (y - target)

    def mapped(penalty: float) -> Callable[[Tensor], Tensor]:
        weights = torch.linalg.solve(squares + penalty * torch.eye(len(squares), dtype=torch.float64), products)

        def whole(images: Tensor) -> Tensor:
            flat = (images.flatten(1).double() - centre) @ weights + target
            return flat.view_as(images).float().clamp(0.0, 1.0)

        return whole

    maps = {penalty: mapped(penalty) for penalty in PENALTIES}
    best = max(maps, key=lambda penalty: float(psnr(maps[penalty](noisy[judging]), clean[judging]).mean()))
    return Chosen(maps[best], f"{best:g}")
