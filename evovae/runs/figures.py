"""The figures of a run folder, drawn from its files alone."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.stats import norm

from evovae.analysis import plots
from evovae.base import InputError, make_generator
from evovae.data import to_unit
from evovae.models import VAE
from evovae.runs.evolutions import evolution_figures
from evovae.runs.evolutions.evolution_results import EvolutionResults
from evovae.runs.folders.folder import ARCHIVE, POPULATION, Run
from evovae.runs.folders.writers import check_writable
from evovae.runs.illuminations import illumination_figures
from evovae.runs.illuminations.illumination_results import IlluminationResults
from evovae.runs.searches import HISTORY
from evovae.runs.settings import EvolutionSettings, IlluminationSettings, TrainingSettings
from evovae.runs.trainings.training_results import read_examples, read_training

SAMPLES, MANIFOLD = 64, 20


def draw(run: Run) -> list[Path]:
    """Draw every figure of `run` into its folder of figures and return their paths.

    Raises:
        InputError: if the run was stopped before it had results, or a file of it is damaged or does not fit the others.
    """
    settings = run.settings
    results = {EvolutionSettings: POPULATION, IlluminationSettings: ARCHIVE}.get(type(settings), HISTORY)
    if not run.finished and not (run.folder / results).exists():
        raise InputError(f"{run.folder} was stopped before it had results: finish it with evovae resume {run.folder}")
    if isinstance(settings, EvolutionSettings):
        figures = evolution_figures.draw_figures(EvolutionResults(run))
    elif isinstance(settings, IlluminationSettings):
        figures = illumination_figures.draw_figures(IlluminationResults(run))
    else:
        figures = _training_figures(run)
    paths = []
    for name, axes in figures.items():
        paths.append(run.figures / f"{name}.png")
        plots.save(axes, paths[-1])
    return paths


def compare(runs: Sequence[Run], out: Path) -> Path:
    """Draw what runs of one kind came to into one figure, at `out`.

    Of evolutions it is the fitness, of trainings -ELBO of the test images; of illuminations coverage and QD score, and
    of two with the same cells where which of them is ahead.

    Raises:
        InputError: if runs are of two kinds, one is measured otherwise than another, a file is damaged, or `out` is no
            name of a PNG.
    """
    if out.suffix.lower() != ".png" or out.is_dir():
        raise InputError(f"{out} is no name for a figure: expected a file ending in .png")
    check_writable(out.parent)
    folders = [run.folder.resolve() for run in runs]
    if repeated := [run.folder for run in runs if folders.count(run.folder.resolve()) > 1]:
        raise InputError(f"{repeated[0]} is there twice: expected different runs to compare; name each once")
    first = axis_settings(runs[0])
    for run in runs:
        for name, value in axis_settings(run).items():
            if value != first[name]:  # of another kind, a run has another first name of these, and no further is asked
                raise InputError(f"{run.folder} has {name} {value!r}, not {first[name]!r}: they have no common axis")
    common = os.path.commonpath([folder.parent for folder in folders])  # would only take room from the curves
    names = [str(folder.relative_to(common)) for folder in folders]
    prefixes = [f"{name}: " if len(runs) > 1 else "" for name in names]
    if isinstance(runs[0].settings, EvolutionSettings):
        axes = evolution_figures.draw_curves([EvolutionResults(run) for run in runs], prefixes)
    elif isinstance(runs[0].settings, IlluminationSettings):
        axes = illumination_figures.draw_progress([IlluminationResults(run) for run in runs], prefixes)
    else:
        curves = [training_curve(run) for run in runs]
        labels = [f"{name}  {values[0, -1]:.5g}" for name, (_, values) in zip(names, curves, strict=True)]
        found = dict(zip(labels, curves, strict=True))
        axes = plots.trend(found, "minibatches", f"test {first['measure']}, nats per image")
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        axes.xaxis.set_major_formatter("{x:,.0f}")
    out.parent.mkdir(parents=True, exist_ok=True)
    plots.save(axes, out)
    return out


def axis_settings(run: Run) -> dict[str, Any]:
    """Return what must be the same where two runs share an axis, the kind of run first.

    Raises:
        InputError: if a file of the run is damaged.
    """
    settings = run.settings
    if isinstance(settings, EvolutionSettings):
        return {
            "kind": "evolution",
            "objective": settings.objective,
            "image set": settings.data and settings.data.dataset,
            "hypervolume reference": EvolutionResults(run).reference,
        }
    if isinstance(settings, IlluminationSettings):
        return {
            "kind": "illumination",
            "objective": settings.objective,
            "measures": settings.measures,
            "cells": math.prod(settings.illumination.grid or ()),
            "QD offset": settings.illumination.qd_offset,
            "image set": settings.data and settings.data.dataset,
        }
    assert isinstance(settings, TrainingSettings)
    return {
        "kind": "training",
        "image set": settings.data.dataset,
        "image shape": settings.model.data_shape,
        "measure": "-ELBO" if settings.model.variational else "reconstruction error",
        "likelihood": settings.model.likelihood,
        "binarisation": settings.training.binarisation,
    }


def training_curve(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return minibatches (K,) and, after so many, -ELBO on the test images (1, K): an autoencoder's is its error alone.

    Raises:
        InputError: if the history is damaged, or has no test images.
    """
    table = read_training(run)
    if "test_elbo" not in table:
        raise InputError(f"{run.folder / HISTORY} has no column test_elbo: expected what test images came to")
    known = table.dropna(subset="test_elbo")  # they need not be measured at every epoch
    return known["iterations"].to_numpy(), -known["test_elbo"].to_numpy()[None]


def _training_figures(run: Run) -> dict[str, Axes]:
    vae = VAE.load(run.folder)
    history, examples = read_training(run), to_unit(read_examples(run, vae.config.data_shape))
    with torch.no_grad():
        figures = {
            "training": plots.training_curve(history, run.environment.get("mean_picture")),
            "reconstructions": plots.reconstructions(examples, vae.reconstruct(examples)),
            "samples": plots.prior_samples(vae.decode(vae.sample_prior(SAMPLES, make_generator(0)))),
        }
        if vae.config.latent_dim == 2:
            # Even steps in probability: the whole plane, as densely as the prior fills it (Kingma and Welling, fig. 4).
            steps = torch.tensor(norm.ppf(np.linspace(0.02, 0.98, MANIFOLD)), dtype=torch.float32)
            codes = torch.cartesian_prod(steps.flip(0), steps).flip(1)
            images = vae.decode(vae.codes_from_noise(codes))
            figures["manifold"] = plots.manifold(images.unflatten(0, (MANIFOLD, MANIFOLD)))
    return figures
