"""The figures of a run folder, drawn from its files alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
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
from evovae.runs.evolution_results import EvolutionResults
from evovae.runs.folder import POPULATION, Run, check_writable
from evovae.runs.searches import EVOLUTION, HISTORY, SEARCHES
from evovae.runs.training_results import read_examples, read_training

_NAME = 36
"""Letters that an objective's name may take beside an axis."""
FILM_FRAMES, SAMPLES, MANIFOLD, FRONT = 10, 64, 20, 10


def draw(run: Run) -> list[Path]:
    """Draw every figure of `run` into its folder of figures and return their paths.

    Raises:
        InputError: if the run was stopped before it had results, or a file of it is damaged or does not fit the others.
    """
    evolved = isinstance(run.settings, EvolutionSettings)
    if not run.finished and not (run.folder / (POPULATION if evolved else HISTORY)).exists():
        raise InputError(f"{run.folder} was stopped before it had results: go on with evovae resume {run.folder}")
    figures = _evolution_figures(EvolutionResults(run)) if evolved else _training_figures(run)
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
    first = axis_settings(runs[0])
    for run in runs:
        for name, value in axis_settings(run).items():
            if value != first[name]:  # of another kind, a run has another first name of these, and no further is asked
                raise InputError(f"{run.folder} has {name} {value!r}, not {first[name]!r}: they have no common axis")
    common = os.path.commonpath([folder.parent for folder in folders])  # would only take room from the curves
    names = [str(folder.relative_to(common)) for folder in folders]
    if isinstance(runs[0].settings, EvolutionSettings):
        prefixes = [f"{name}: " if len(runs) > 1 else "" for name in names]
        axes = _draw_curves([EvolutionResults(run) for run in runs], prefixes)
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
            "objective": settings.evolution.objective,
            "image set": settings.data.dataset,
            "hypervolume reference": EvolutionResults(run).reference,
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


def fitness_curves(results: EvolutionResults, prefix: str = "") -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return by search, its label after `prefix`, the metric so far, at evaluations that all replicates share.

    Raises:
        InputError: if a history is missing or damaged.
    """
    sign = -1.0 if results.kind.minimise else 1.0
    curves = {}
    for label in results.labels:
        _, evaluations, best = results.curve(label)
        grid, values = best_by_evaluations(evaluations, sign * best)
        curves[prefix + label] = (grid, sign * values)
    return curves


def _draw_curves(evolutions: Sequence[EvolutionResults], prefixes: Sequence[str] = ("",)) -> Axes:
    """Draw the searches of evolutions that have an axis in common, each run's labels after its prefix."""
    curves: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    grey = []
    for results, prefix in zip(evolutions, prefixes, strict=True):
        curves |= fitness_curves(results, prefix)
        grey += [prefix + label for label in results.labels if SEARCHES[label].grey]
    return plots.fitness_curve(curves, _curve_label(evolutions[0]), baselines=grey)


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


def _evolution_figures(results: EvolutionResults) -> dict[str, Axes]:
    encoding = LatentEncoding(VAE.load(results.run.folder), results.settings.evolution.support)
    found = results.population(D=encoding.dim)
    curve = _draw_curves([results])
    if results.kind.metric == "hypervolume":
        return {"hypervolume": curve} | _front_figures(results, encoding, found)
    best = results.hall[(results.hall["search"] == EVOLUTION.label) & (results.hall["rank"] == 0)].reset_index()
    shown = _evenly(len(found["frame_generations"]), FILM_FRAMES)
    frames = found["frame_genomes"][:5, shown]  # R T D
    film = encoding.decode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
    figures = {
        "fitness": curve,
        "filmstrip": plots.filmstrip(film, found["frame_generations"][shown], found["frame_fitness"][:5, shown, 0]),
    }
    if len(best):  # a replicate without finite fitness has no best
        genomes, fitness = results.members(found, best)
        figures["hall_of_fame"] = plots.hall_of_fame(encoding.decode(genomes), fitness, best, doubts(results.judges))
    return figures


def _front_figures(results: EvolutionResults, encoding: Decoder, found: dict[str, torch.Tensor]) -> dict[str, Axes]:
    """The fronts of two objectives, and images along that of the first replicate with what is thought of them."""
    table = results.hall
    first = table[(table["search"] == EVOLUTION.label) & (table["replicate"] == 0)]
    if first.empty:
        return {}
    seen = first.iloc[_evenly(len(first), FRONT)].reset_index()
    genomes, fitness = results.members(found, seen)
    images = encoding.decode(genomes)
    figures = {"front_images": plots.hall_of_fame(images, fitness, seen, doubts(results.judges))}
    labels = [
        f"{cut(name, _NAME)} ({'maximised' if weight > 0 else 'minimised'})"
        for name, weight in zip(results.settings.names, results.settings.weights, strict=True)
    ]
    if len(labels) == 2:
        halls = {label: f"{method.prefix}hall_fitness" for label, method in SEARCHES.items()}
        fronts = {label: found[hall] for label, hall in halls.items() if hall in found}
        grey = [label for label, method in SEARCHES.items() if method.grey]
        figures["front"] = plots.pareto_front(fronts, images, fitness, labels[0], labels[1], grey)
    return figures


def _evenly(count: int, most: int) -> np.ndarray:
    """Return `most` or fewer places among `count`, from the first to the last."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


def _curve_label(results: EvolutionResults) -> str:
    title = results.kind.title([cut(name, _NAME) for name in results.settings.names])
    return f"{title}\n{results.doubt}".rstrip()
