"""The figures of a run folder, drawn from its files alone."""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.stats import norm

from evovae.analysis import best_by_evaluations, plots
from evovae.analysis.plots import cut
from evovae.base import InputError, make_generator
from evovae.data import to_unit
from evovae.encodings import LatentEncoding
from evovae.evolution import Decoder
from evovae.models import VAE
from evovae.objectives import doubts
from evovae.runs.config import EvolutionSettings
from evovae.runs.folder import POPULATION, Run, check_writable
from evovae.runs.results import (
    doubt_objective,
    members,
    read_examples,
    read_hall,
    read_history,
    read_judges,
    read_population,
    read_reference,
    read_training,
    settings_of,
)
from evovae.runs.searches import EVOLUTION, HISTORY, SEARCHES

_NAME = 36
"""Letters that an objective's name may take beside an axis."""
FILM_FRAMES, SAMPLES, MANIFOLD, FRONT = 10, 64, 20, 10


def draw(run: Run) -> list[Path]:
    """Draw every figure of `run` into its folder of figures and return their paths.

    Raises:
        InputError: if the run was stopped before it had results, or a file of it is damaged or does not fit the others.
    """
    settings = run.settings
    results = POPULATION if isinstance(settings, EvolutionSettings) else HISTORY
    if not run.finished and not (run.folder / results).exists():
        raise InputError(f"{run.folder} was stopped before it had results: go on with evovae resume {run.folder}")
    figures = _evolution_figures(run, settings) if isinstance(settings, EvolutionSettings) else _training_figures(run)
    paths = []
    for name, axes in figures.items():
        paths.append(run.figures / f"{name}.png")
        plots.save(axes, paths[-1])
    return paths


def compare(runs: Sequence[Run], out: Path) -> Path:
    """Draw what runs of one kind came to into one figure, at `out`: fitness of evolutions, test -ELBO of trainings.

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
    first = yardstick(runs[0])
    for run in runs:
        for name, value in yardstick(run).items():
            if value != first[name]:  # of another kind, a run has another first name of these, and no further is asked
                raise InputError(f"{run.folder} has {name} {value!r}, not {first[name]!r}: they have no common axis")
    common = os.path.commonpath([folder.parent for folder in folders])  # would only take room from the curves
    names = [str(folder.relative_to(common)) for folder in folders]
    settings = runs[0].settings
    if isinstance(settings, EvolutionSettings):
        prefixes = [f"{name}: " if len(runs) > 1 else "" for name in names]
        searches = [fitness_curves(run, prefix) for run, prefix in zip(runs, prefixes, strict=True)]
        axes = plots.fitness_curve(functools.reduce(operator.or_, searches), ylabel=_curve_label(runs[0]))
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


def yardstick(run: Run) -> dict[str, Any]:
    """Return what must be the same where two runs share an axis, the kind of run first.

    Raises:
        InputError: if a file of the run is damaged.
    """
    settings = run.settings
    if isinstance(settings, EvolutionSettings):
        return {
            "kind": "evolution",
            "objective": settings.evolution.objective,
            "image set": settings.data.dataset,
            "hypervolume reference": read_reference(run),
        }
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


def fitness_curves(run: Run, prefix: str = "") -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return by search, against evaluations, the best fitness so far, or the hypervolume of several objectives.

    Raises:
        InputError: if a history is missing or damaged.
    """
    settings = settings_of(run)
    sign, column = np.sign(settings.weights[0]), "best"
    if len(settings.names) > 1:
        sign, column = 1.0, "hypervolume"
    curves = {}
    for label, method in SEARCHES.items():
        if method is not EVOLUTION and not (run.folder / method.history).exists():
            continue
        table = read_history(run, label)
        if column not in table:  # a run made before it was recorded
            column = "max" if sign > 0 else "min"
        evaluations, values = (
            table.pivot(index="replicate", columns="generation", values=name).to_numpy(dtype=float)
            for name in ("evaluations", column)
        )
        grid, best = best_by_evaluations(evaluations, sign * values)
        curves[prefix + label] = (grid, sign * best)
    return curves


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


def _evolution_figures(run: Run, settings: EvolutionSettings) -> dict[str, Axes]:
    encoding = LatentEncoding(VAE.load(run.folder), settings.evolution.support)
    found = read_population(run, D=encoding.dim)
    table = read_hall(run)
    best = table[(table["search"] == EVOLUTION.label) & (table["rank"] == 0)].reset_index()
    curve = plots.fitness_curve(fitness_curves(run), ylabel=_curve_label(run))
    if len(settings.names) > 1:
        return {"hypervolume": curve} | _front_figures(run, encoding, found, table, settings)
    shown = _evenly(len(found["frame_generations"]), FILM_FRAMES)
    frames = found["frame_genomes"][:5, shown]  # R T D
    film = encoding.decode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
    figures = {
        "fitness": curve,
        "filmstrip": plots.filmstrip(film, found["frame_generations"][shown], found["frame_fitness"][:5, shown, 0]),
    }
    if len(best):  # a replicate without finite fitness has no best
        genomes, fitness = members(run, found, best)
        figures["hall_of_fame"] = plots.hall_of_fame(encoding.decode(genomes), fitness, best, doubts(read_judges(run)))
    return figures


def _front_figures(
    run: Run,
    encoding: Decoder,
    found: dict[str, torch.Tensor],
    table: pd.DataFrame,
    settings: EvolutionSettings,
) -> dict[str, Axes]:
    """The fronts of two objectives, and images along that of the first replicate with what is thought of them."""
    labels = [
        f"{cut(name, _NAME)} ({'maximised' if weight > 0 else 'minimised'})"
        for name, weight in zip(settings.names, settings.weights, strict=True)
    ]
    figures: dict[str, Axes] = {}
    first = table[(table["search"] == EVOLUTION.label) & (table["replicate"] == 0)]
    if first.empty:
        return figures
    seen = first.iloc[_evenly(len(first), FRONT)].reset_index()
    genomes, fitness = members(run, found, seen)
    images = encoding.decode(genomes)
    figures["front_images"] = plots.hall_of_fame(images, fitness, seen, doubts(read_judges(run)))
    if len(labels) == 2:
        halls = {label: f"{method.prefix}hall_fitness" for label, method in SEARCHES.items()}
        fronts = {label: found[hall] for label, hall in halls.items() if hall in found}
        figures["front"] = plots.pareto_front(fronts, images, fitness, labels[0], labels[1])
    return figures


def _evenly(count: int, most: int) -> np.ndarray:
    """Return `most` or fewer places among `count`, from the first to the last."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


def _curve_label(run: Run) -> str:
    names = [cut(name, _NAME) for name in settings_of(run).names]
    label = f"best {names[0]} so far" if len(names) == 1 else f"hypervolume of {', '.join(names)}"
    return f"{label}\n{doubt_objective(run)}".rstrip()
