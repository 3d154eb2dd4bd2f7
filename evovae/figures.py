"""The figures of a run folder, drawn from its files alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from scipy.stats import norm

from evovae import files, plots
from evovae.data import to_unit
from evovae.encodings import LatentEncoding
from evovae.errors import InputError
from evovae.runs import BASELINE, EXAMPLES, HALL_OF_FAME, POPULATION, Run
from evovae.statistics import best_by_evaluations
from evovae.streams import make_generator
from evovae.vae import VAE

FILM_FRAMES, SAMPLES, MANIFOLD = 10, 64, 20


def draw(run: Run) -> list[Path]:
    """Draw every figure of `run` into its folder of figures and return their paths."""
    kind = run.config["kind"]
    figures = _training_figures(run) if kind == "training" else _evolution_figures(run)
    paths = []
    for name, axes in figures.items():
        paths.append(run.figures / f"{name}.png")
        plots.save(axes, paths[-1])
    return paths


def compare(runs: Sequence[Run], out: Path) -> Path:
    """Draw the fitness curves of evolution runs into one figure, at `out`.

    Raises:
        InputError: if a run is no evolution, their objectives differ, or `out` is no name of a PNG.
    """
    if out.suffix.lower() != ".png" or out.is_dir():
        raise InputError(f"{out} is no name for a figure: expected a file ending in .png")
    objective = None
    curves: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for run in runs:
        if run.config["kind"] != "evolution":
            raise InputError(f"{run.folder} is a {run.config['kind']} run: only evolutions can be compared")
        if objective not in (None, run.config["evolution"]["objective"]):
            raise InputError(f"{run.folder} has objective {run.config['evolution']['objective']}, not {objective}")
        objective = run.config["evolution"]["objective"]
        curves |= fitness_curves(run, prefix=f"{run.folder}: " if len(runs) > 1 else "")
    out.parent.mkdir(parents=True, exist_ok=True)
    plots.save(plots.fitness_curve(curves, ylabel=f"best {objective} so far"), out)
    return out


def fitness_curves(run: Run, prefix: str = "") -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the best fitness so far against evaluations of an evolution and its baseline, of the first objective."""
    sign = np.sign(run.config["weights"][0])
    suffix = f"_{run.config['names'][0]}" if len(run.config["names"]) > 1 else ""
    column = ("max" if sign > 0 else "min") + suffix
    tables = {"evolution": run.history}
    if (run.folder / BASELINE).exists():
        tables["random search"] = run.read_table(BASELINE)
    curves = {}
    for label, table in tables.items():
        evaluations, values = (
            table.pivot(index="replicate", columns="generation", values=name).to_numpy(dtype=float)
            for name in ("evaluations", column)
        )
        grid, best = best_by_evaluations(evaluations, sign * values)
        curves[prefix + label] = (grid, sign * best)
    return curves


def _training_figures(run: Run) -> dict[str, Axes]:
    vae = VAE.load(run.folder)
    examples = to_unit(files.load_tensors(run.folder / EXAMPLES, "examples")[0]["images"])
    with torch.no_grad():
        figures = {
            "training": plots.training_curve(run.history),
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


def _evolution_figures(run: Run) -> dict[str, Axes]:
    config = run.config
    encoding = LatentEncoding(VAE.load(run.folder), config["evolution"]["support"])
    found = files.load_tensors(run.folder / POPULATION, "population")[0]
    shown = np.unique(np.linspace(0, len(found["frame_generations"]) - 1, FILM_FRAMES).round().astype(int))
    frames = found["frame_genomes"][:5, shown]  # R T D
    film = encoding.decode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
    table = run.read_table(HALL_OF_FAME)
    best = table[(table["search"] == "evolution") & (table["rank"] == 0)].reset_index()
    figures = {
        "fitness": plots.fitness_curve(fitness_curves(run), ylabel=f"best {config['names'][0]} so far"),
        "filmstrip": plots.filmstrip(film, found["frame_generations"][shown], found["frame_fitness"][:5, shown, 0]),
    }
    if len(best):  # a replicate without finite fitness has no best
        genomes, fitness = (found[f"hall_{name}"][best["replicate"].to_list(), 0] for name in ("genomes", "fitness"))
        figures["hall_of_fame"] = plots.hall_of_fame(encoding.decode(genomes), fitness, best)
    return figures
