"""How well do autoencoders denoise, at the noise that they were trained with and at other noise?

Gaussian, masking and salt-and-pepper noise at four levels each, on MNIST. A VAE and a plain autoencoder (AE), trained
on clean images, reconstruct noisy ones; so do denoising models, trained to give clean images for noisy ones (Vincent et
al. 2010; for VAEs Im et al. 2017), one for each noise, level and seed, tested at all levels of its noise. Beside them a
median and a Gaussian filter, each with the size of highest PSNR on training images of that noise and level. PSNR (peak
1) and SSIM are means over test images, whose noise is the same for all methods and seeds. Expect training with noise to
win under strong noise, a filter under weak, where the code loses more than the noise; and each level to want its own.

    python experiments/denoising.py --workers 2    about 7 minutes on two cores
    python experiments/denoising.py --smoke        seconds, leaving no results

A level is a standard deviation (gaussian; then clipped to [0, 1]) or the probability that a pixel is hit. In the table
`trained_level` is 0 for what was not trained with noise, and `size` is a filter's, in pixels: side of the median's
square, or standard deviation. No filter knows which black pixels were masked, or gives back the light that this takes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import ndimage

import evovae
from evovae import studies
from evovae.analysis import plots
from evovae.base import files, make_generator
from evovae.data import Corruption, Images, corrupt, to_unit
from evovae.objectives import psnr, structural_similarity
from evovae.runs import Run
from evovae.studies import Spec, curves, gather, intervals, start, study

import torch
from torch import Tensor

Levels = dict[Corruption, list[float]]
LEVELS: Levels = {
    "gaussian": [0.2, 0.4, 0.6, 0.8],
    "masking": [0.2, 0.4, 0.6, 0.8],
    "salt-and-pepper": [0.1, 0.2, 0.3, 0.5],
}
FILTERS: dict[str, tuple[Callable[..., np.ndarray], tuple[int, int], list[float]]] = {
    "median filter": (ndimage.median_filter, (1, 1), [3, 5, 7]),
    "Gaussian filter": (ndimage.gaussian_filter, (0, 0), [0.5, 0.75, 1.0, 1.5, 2.0]),
}
"""Each with what it spans of images and channels, and the sizes that are tried."""
MODELS = ("VAE", "AE")
IMAGES, SHOWN = 2000, 4
"""Test images, and training images that choose the filters; digits of each noise in the figure."""
BY = ["noise", "level", "method", "trained_level", "size"]
FOUND, PICTURES = "found.csv", "pictures.safetensors"


@dataclass(frozen=True)
class Arguments(studies.Arguments):
    """Settings of the study."""

    seeds: int = 3
    """Models of each kind, with seeds from 0 up."""


def main(arguments: Arguments) -> None:
    levels: Levels = {"gaussian": LEVELS["gaussian"][-1:]} if arguments.smoke else LEVELS
    with study("denoising", arguments.smoke) as results:
        with arguments.where.executor() as executor:
            runs = results.run_all(cells(arguments, results.cells, levels), executor)
        found = gather(runs, FOUND)
        summary = intervals(found, BY, ["psnr", "ssim"]).assign(seen=lambda row: row["level"] == row["trained_level"])
        results.table("summary", summary)
        found["trained"] = found["trained_level"].map("trained at {:g}".format)
        own = found["trained_level"].isin([0.0]) | (found["trained_level"] == found["level"])
        results.figure("psnr", draw_curves(found[own], "method", "noisy", levels))
        of_vae = found["method"].isin(["VAE", "denoising VAE"])
        results.figure("transfer", draw_curves(found[of_vae], "trained", "trained at 0", levels))
        results.figure("pictures", draw_pictures(runs, levels))


def cells(arguments: Arguments, folder: Path, levels: Levels) -> Iterator[Spec]:
    """Doing nothing, and the filters; each model, trained on clean images, and with each noise and level."""
    unseen = {"noise": "none", "level": 0.0, "tests": levels, "smoke": arguments.smoke}
    for method in ("noisy", *FILTERS):
        yield Spec(folder / method, repair, unseen | {"method": method, "seed": 0})
    for seed, method in product(range(1 if arguments.smoke else arguments.seeds), MODELS):
        own = unseen | {"method": method, "seed": seed}
        yield Spec(folder / f"{method} {seed}", repair, own)
        for noise, tests in levels.items():
            for level in tests:
                seen = {"noise": noise, "level": level, "tests": {noise: tests}}
                yield Spec(folder / f"{method} {noise} {level} {seed}", repair, own | seen)


def repair(run: Run, method: str, noise: Corruption, level: float, tests: Levels, seed: int, smoke: bool) -> None:
    """Fill a cell with what a method, trained with some noise or none, makes of noisy images."""
    images, train_images = (100, 200) if smoke else (IMAGES, None)
    digits = evovae.load_images("mnist")
    if method in MODELS:
        vae = evovae.VAE(evovae.VAEConfig(variational=method == "VAE"), seed)
        config = evovae.TrainConfig(corruption=noise, corruption_level=level, train_images=train_images, seed=seed)
        for _ in evovae.fit(vae, digits.train, config):
            pass
    label = f"denoising {method}" if level else method
    found, pictures = [], {}
    for name, tested in ((name, tested) for name, several in tests.items() for tested in several):
        clean, noisy = damage(digits.test, images, name, tested, 21)
        repaired, size = noisy, 0.0
        if method in FILTERS:
            repaired, size = smooth(method, noisy, *damage(digits.train, images, name, tested, 20))
        elif method in MODELS:
            repaired = vae.reconstruct(noisy).detach()
        fidelity = [float(measure(repaired, clean).mean()) for measure in (psnr, structural_similarity)]
        found.append((name, tested, label, level, size, seed, *fidelity))
        if level in (0.0, tested):
            pictures[f"{label} {name} {tested}"] = repaired[:SHOWN]
            pictures[f"clean {name} {tested}"] = clean[:SHOWN]
    run.write_table(FOUND, pd.DataFrame(found, columns=[*BY, "seed", "psnr", "ssim"]))
    files.save_tensors(run.folder / PICTURES, "pictures", pictures, {})


def damage(images: Images, count: int, noise: Corruption, level: float, stream: int) -> tuple[Tensor, Tensor]:
    """Return some of the images (count, C, H, W) in [0, 1], and the same with noise, equal for all who ask."""
    clean = to_unit(images.subset(count).images)
    generator = make_generator(0, stream, list(LEVELS).index(noise), round(1000 * level))
    return clean, corrupt(clean, noise, level, generator)


def smooth(method: str, noisy: Tensor, known: Tensor, learned: Tensor) -> tuple[Tensor, float]:
    """Return noisy images through a filter, and its size: the one that takes `learned` nearest to `known` by PSNR."""
    function, around, sizes = FILTERS[method]
    turned = {size: torch.from_numpy(function(learned.numpy(), (*around, size, size))) for size in sizes}
    best = max(sizes, key=lambda size: float(psnr(turned[size], known).mean()))
    return torch.from_numpy(function(noisy.numpy(), (*around, best, best))), best


def draw_curves(found: pd.DataFrame, label: str, baseline: str, levels: Levels) -> Axes:
    """PSNR against the level, a panel for each noise, a curve for each `label`."""
    axes = plots.panels(len(levels), len(levels), 4.4, 3.2)
    for ax, noise in zip(axes, levels, strict=True):
        drawn = curves(found[found["noise"] == noise], label, "level", "psnr")
        plots.trend(drawn, f"level of {noise} noise", "PSNR (dB)", baseline=baseline, ax=ax)
    return axes[0]


def draw_pictures(runs: list[Run], levels: Levels) -> Axes:
    """A few digits of each noise at its last level, and what each method made of them, models of seed 0."""
    first = [run for run in runs if run.config["settings"]["seed"] == 0]
    pictures = {k: v for run in first for k, v in files.load_tensors(run.folder / PICTURES, "pictures")[0].items()}
    rows = ["clean", "noisy", *FILTERS, *MODELS, *(f"denoising {model}" for model in MODELS)]
    severe = [f"{noise} {several[-1]}" for noise, several in levels.items()]
    shown = [pictures[f"{row} {name}"] for row in rows for name in severe]
    ax = plots.image_grid(torch.cat(shown), SHOWN * len(severe))
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    ax.xaxis.tick_top()
    ax.set_xticks(SHOWN * (np.arange(len(severe)) + 0.5), severe)
    return ax


if __name__ == "__main__":
    start(main, Arguments, __doc__)
