"""How well do autoencoders denoise, at the noise that they were trained with and at other noise?

Gaussian, masking and salt-and-pepper noise at four levels each, on MNIST. A VAE and a plain autoencoder (AE), trained
on clean images, reconstruct noisy ones; so do denoising models, trained to give clean images for noisy ones (Vincent et
al. 2010; for VAEs Im et al. 2017), one for each noise, level and seed, tested at all levels of its noise. Beside them
stand controls that are told noise and level, too (`methods/denoisers.py`): four filters, as they come and calibrated
(then a gain and an offset follow, by least squares), and the linear map from pixels to pixels by ridge regression.
Settings, gains and maps are chosen and fitted on training images. PSNR (peak 1) and SSIM are means over test images,
whose noise is the same for all methods and seeds.

Expect denoising models to win under strong noise, and controls under weak gaussian noise, where a code of 32 numbers
loses more than the noise does. The rule, for each noise and level: a model wins where its lowest seed is above the best
control, loses where its highest is below it, and else it is open.

    python experiments/denoising.py --workers 2    about 10 minutes on two cores
    python experiments/denoising.py --smoke        seconds, leaving no results

A level is a standard deviation (gaussian; then clipped to [0, 1]) or the probability that a pixel is hit. In the table
`trained_level` is 0 for what was not trained with noise, and `setting` is a control's: a filter's size, the scales and
the threshold of wavelets, the weight of total variation, a penalty. Needs scikit-image and PyWavelets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from methods.denoisers import FILTERS, choose, fit_linear

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
CALIBRATED, LINEAR = ", calibrated", "linear map"
CONTROLS = (*FILTERS, *(name + CALIBRATED for name in FILTERS), LINEAR)
MODELS = ("VAE", "AE")
DENOISING = tuple(f"denoising {model}" for model in MODELS)
DRAWN = ("noisy", "median filter", f"wavelets{CALIBRATED}", LINEAR, *MODELS, *DENOISING)
IMAGES, CHOOSING, SHOWN = 2000, 500, 4
"""Test images; training images that filters are chosen and calibrated by; digits of each noise in the figure."""
BY = ["noise", "level", "method", "trained_level", "setting"]
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
        rows = results.rows("replicates", found)
        summary = intervals(rows, BY, ["psnr", "ssim"]).assign(seen=lambda row: row["level"] == row["trained_level"])
        results.table("summary", summary)
        results.table("verdicts", judge(rows))
        found["trained"] = found["trained_level"].map("trained at {:g}".format)
        own = found["trained_level"].isin([0.0]) | (found["trained_level"] == found["level"])
        drawn = found[own & found["method"].isin(DRAWN)]
        results.figure("psnr", draw_curves(drawn, "method", "noisy", levels))
        of_vae = found["method"].isin(["VAE", "denoising VAE"])
        results.figure("transfer", draw_curves(found[of_vae], "trained", "trained at 0", levels))
        results.figure("pictures", draw_pictures(runs, levels))


def cells(arguments: Arguments, folder: Path, levels: Levels) -> Iterator[Spec]:
    """Doing nothing, and the controls; each model, trained on clean images, and with each noise and level."""
    unseen = {"noise": "none", "level": 0.0, "tests": levels, "smoke": arguments.smoke}
    for method in ("noisy", *CONTROLS):
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
    images, train_images, choosing = (100, 200, 50) if smoke else (IMAGES, None, CHOOSING)
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
        repaired, setting = noisy, "none"
        if method in CONTROLS:
            known, learned = damage(digits.train, train_images if method == LINEAR else choosing, name, tested, 20)
            filters, calibrated = FILTERS.get(method.removesuffix(CALIBRATED)), method.endswith(CALIBRATED)
            chosen = choose(filters, learned, known, calibrated) if filters else fit_linear(learned, known)
            repaired, setting = chosen.repair(noisy), chosen.setting
        elif method in MODELS:
            repaired = vae.reconstruct(noisy).detach()
        fidelity = [float(measure(repaired, clean).mean()) for measure in (psnr, structural_similarity)]
        found.append((name, tested, label, level, setting, seed, *fidelity))
        if level in (0.0, tested):
            pictures[f"{label} {name} {tested}"] = repaired[:SHOWN]
            pictures[f"clean {name} {tested}"] = clean[:SHOWN]
    run.write_table(FOUND, pd.DataFrame(found, columns=[*BY, "seed", "psnr", "ssim"]))
    files.save_tensors(run.folder / PICTURES, "pictures", pictures, {})


def damage(images: Images, count: int | None, noise: Corruption, level: float, stream: int) -> tuple[Tensor, Tensor]:
    """Return some or all images (count, C, H, W) in [0, 1], and the same with noise, equal for all who ask."""
    clean = to_unit(images.subset(count).images)
    generator = make_generator(0, stream, list(LEVELS).index(noise), round(1000 * level))
    return clean, corrupt(clean, noise, level, generator)


def judge(found: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each noise, level, measure and denoising model, trained there: by the rule, does it win?"""
    rows = []
    for (noise, level), own in found.groupby(["noise", "level"], sort=False):
        controls = own[own["method"].isin(CONTROLS)].set_index("method")
        for measure, model in product(("psnr", "ssim"), DENOISING):
            best, seeds = (
                controls[measure].max(),
                own[(own["method"] == model) & (own["trained_level"] == level)][measure],
            )
            verdict = "wins" if seeds.min() > best else "loses" if seeds.max() < best else "open"
            named = {"noise": noise, "level": level, "measure": measure, "control": controls[measure].idxmax()}
            named |= {"best": best, "model": model, "lowest": seeds.min(), "highest": seeds.max()}
            rows.append(named | {"verdict": verdict})
    return pd.DataFrame(rows)


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
    rows = ["clean", *DRAWN]
    severe = [f"{noise} {several[-1]}" for noise, several in levels.items()]
    shown = [pictures[f"{row} {name}"] for row in rows for name in severe]
    ax = plots.image_grid(torch.cat(shown), SHOWN * len(severe))
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    ax.xaxis.tick_top()
    ax.set_xticks(SHOWN * (np.arange(len(severe)) + 0.5), severe)
    return ax


if __name__ == "__main__":
    start(main, Arguments, __doc__)
