"""Do the default settings of training hold on pictures that nobody tuned them for?

Twelve image sets (`methods/image_sets.py`) of 8 to 64 pixels: digits, clothes, faces, textures, drawings, icons, photos
and shapes, thirty pictures and sixty thousand; fully connected and convolutional VAEs, Bernoulli and Gaussian, and
autoencoders. Each is trained with every setting at its default, and with a quarter, half, twice and four times the
default learning rate. On test images that neither training nor early stopping saw: the -ELBO, in nats, beside that of
the mean picture.

Written before the full run: the defaults hold for a model of a set if no seed ends worse than the mean picture, and the
mean over seeds is at most 3% above that of the best of the five rates, by the same seeds. 3% of that best -ELBO; of
what it gains over the mean picture for a Gaussian, whose -ELBO may be zero. Expect all to hold.

    python experiments/defaults.py --models mlp --workers 2 --sweep-seeds 2    about an hour on two cores
    python experiments/defaults.py --smoke        seconds, leaving no results

The cells: a model of a set, a rate and a seed. The default runs with --seeds seeds, the other rates with --sweep-seeds.
Each model has results of its own: one may be run again without the others.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from methods.default_training import train_default
from methods.image_sets import EVERYWHERE, SETS

from evovae.analysis import plots
from evovae.base import InputError, require_counts
from evovae.runs import Run
from evovae.studies import Arguments, Results, Spec, gather, start, study

RATES = (0.25, 0.5, 1.0, 2.0, 4.0)
TOLERANCE = 0.03
MODELS: dict[str, dict[str, Any]] = {
    "mlp": {},
    "mlp gaussian": {"likelihood": "gaussian"},
    "mlp autoencoder": {"variational": False},
    "conv": {"network": "conv"},
    "conv gaussian": {"network": "conv", "likelihood": "gaussian"},
    "conv autoencoder": {"network": "conv", "variational": False},
}
MEASURES = "measures.csv"


@dataclass(frozen=True)
class DefaultsArguments(Arguments):
    """Settings of the study."""

    sweep_seeds: int = 5
    """Of the seeds, how many the other rates are trained with."""
    models: tuple[str, ...] = tuple(MODELS)
    """Which models are trained."""
    sets: tuple[str, ...] = tuple(SETS)
    """Which image sets they are trained on."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        super().__post_init__()
        require_counts(self, "sweep_seeds", most=self.seeds)
        for name, known in (("models", MODELS), ("sets", SETS)):
            for one in getattr(self, name):
                if one not in known:
                    raise InputError(f"{name}: {one!r} is unknown: expected of {', '.join(known)}")


def main(arguments: DefaultsArguments) -> None:
    for model in arguments.models:
        slug = model.replace(" ", "_")
        with study("defaults", arguments.smoke, f"{slug}_provenance.json") as results:
            compare(model, slug, arguments, results)


def compare(model: str, slug: str, arguments: DefaultsArguments, results: Results) -> None:
    """Train one model on all sets, with all rates and seeds, and write its tables and its figure."""
    specs, smoke = [], arguments.smoke
    for name in EVERYWHERE if smoke else arguments.sets:
        for rate in RATES:
            seeds = 1 if smoke else arguments.seeds if rate == 1.0 else arguments.sweep_seeds
            for seed in range(seeds):
                cell = {"model": model, "name": name, "rate": rate, "seed": seed, "smoke": smoke}
                specs.append(Spec(results.cells / f"{model} {name} {rate} {seed}", train, cell))
    with arguments.where.executor() as executor:
        measures = gather(results.run_all(specs, executor), MEASURES)
    summarise(model, slug, measures, results)


def summarise(model: str, slug: str, measures: pd.DataFrame, results: Results) -> None:
    """Write what came of one model: every training, a row a set, and the figure."""
    sets = [group for _, group in measures.groupby("set", sort=False)]
    summary = pd.DataFrame([judge(group) for group in sets])
    results.table(f"{slug}_measures", measures, show=False)
    results.table(f"{slug}_summary", summary)
    held = summary["verdict"] == "holds"
    print(f"{model}: the defaults hold on {held.sum()} of {len(summary)} sets")
    drawn = {group["set"].iloc[0]: (np.array(RATES), 100.0 * excesses(group).to_numpy()[None]) for group in sets}
    results.figure(slug, plots.trend(drawn, "learning rate / default", "% above the best rate", "log", "symlog"))


def train(run: Run, model: str, name: str, rate: float, seed: int, smoke: bool) -> None:
    """Fill a cell with what a training came to."""
    row = {"model": model, "set": name, "rate": rate, "seed": seed}
    run.write_table(MEASURES, pd.DataFrame([row | train_default(name, MODELS[model], seed, smoke, rate)]))


def excesses(group: pd.DataFrame) -> "pd.Series[float]":
    """Return by rate how far the mean -ELBO of one model of one set is above that of the best rate, as a part of it.

    By the seeds that all rates have; of a Gaussian, as a part of what the best gains over the mean picture.
    """
    common = group.groupby("seed").filter(lambda seeds: len(seeds) == len(RATES))
    means = common.groupby("rate")["nelbo"].mean()
    gaussian = "gaussian" in group["model"].iloc[0]
    whole = group["mean_picture"].iloc[0] - means.min() if gaussian else means.min()
    return (means - means.min()) / whole


def judge(group: pd.DataFrame) -> dict[str, Any]:
    """Return the row of the summary for one model of one set."""
    default, excess = group[group["rate"] == 1.0], excesses(group)
    mean_picture = default["mean_picture"].iloc[0]
    sound = (default["nelbo"] < mean_picture).all() and (default["active_units"] > 0).all()
    return {
        **default[["model", "set"]].iloc[0],
        "mean_picture": mean_picture,
        "seeds": len(default),
        "default": default["nelbo"].mean(),
        "worst_seed": default["nelbo"].max(),
        "sweep_seeds": group[group["rate"] != 1.0]["seed"].nunique(),
        "best_rate": excess.idxmin(),
        "percent_above_best": 100.0 * excess[1.0],
        "iterations": default["iterations"].mean(),
        "verdict": "holds" if sound and excess[1.0] <= TOLERANCE else "FAILS",
    }


if __name__ == "__main__":
    start(main, DefaultsArguments, __doc__)
