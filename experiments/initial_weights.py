"""Is there a better default for the initial weights than 1/N_in: torch's own, He's or Glorot's?

`initialisation.py` asks what lets signals through deep networks; this one, what suits the default network, of one
hidden layer on either side, on pictures that nobody chose it for. Fully connected VAEs, all other settings at their
defaults, on nine of the sets of `defaults.py` (without coloured shapes and the two of photo crops, which take longer
than all others together); convolutional ones on two small sets, for they take ten times as long. By seed, the -ELBO on
test images and how far it is from that of `lecun` with the same seed, in nats and in percent. Torch's own weights and
biases are even, with a third of lecun's variance.

Written before the full run: a scheme takes the default's place if, over the fully connected sets, the mean of its
relative difference is below 0 with a p-value of Student's t below 5% (Holm's, of three), and if on no set, the
convolutional among them, its mean over seeds is more than 1% above lecun's. Of several the one of the lowest mean;
otherwise lecun stays. Expect less than 1% either way: Adam divides by the gradients' size.

    python experiments/initial_weights.py --workers 2    some 25 minutes on two cores, by estimate
    python experiments/initial_weights.py --smoke        seconds, leaving no results

The cells: a model of a set, a scheme and a seed. Intervals of the summary are over seeds, those of the verdicts over
sets, each the mean of its seeds, and for itself alone; `p` is adjusted for three. What holds over sets holds for sets
such as these: MNIST and icons are there twice.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from methods.default_training import train_default
from methods.image_sets import EVERYWHERE, SETS
from scipy import stats

from evovae.analysis import plots
from evovae.runs import Run
from evovae.studies import Arguments, Spec, gather, intervals, start, study

SCHEMES = ("lecun", "torch", "he", "glorot")
DEFAULT = SCHEMES[0]
LEFT_OUT = ("shapes", "photo crops", "large photo crops")
GRID = {"mlp": tuple(name for name in SETS if name not in LEFT_OUT), "conv": ("small digits", "faces")}
"""By network, the sets it is trained on."""
SURE, MARGIN = 0.05, 1.0
"""A p-value, and percent of the -ELBO."""
MEASURES = "measures.csv"
BY = ["model", "set", "scheme"]


@dataclass(frozen=True)
class WeightsArguments(Arguments):
    """Settings of the study."""

    seeds: int = 3
    """Independent repetitions, with seeds from 0 up."""


def main(arguments: WeightsArguments) -> None:
    smoke = arguments.smoke
    grid = {"mlp": EVERYWHERE} if smoke else GRID
    seeds = range(2 if smoke else arguments.seeds)
    with study("initial_weights", smoke) as results:
        asked = [(model, name) for model, names in grid.items() for name in names]
        specs = []
        for (model, name), scheme, seed in product(asked, SCHEMES, seeds):
            cell = {"model": model, "name": name, "scheme": scheme, "seed": seed, "smoke": smoke}
            specs.append(Spec(results.cells / f"{model} {name} {scheme} {seed}", train, cell))
        with arguments.where.executor() as executor:
            measures = compare(gather(results.run_all(specs, executor), MEASURES))
        results.table("measures", measures, show=False)
        results.table("summary", results.intervals(measures, BY, ["nelbo", "nats", "percent"]))
        sets = measures.groupby(BY, sort=False)["percent"].mean().reset_index()
        over_sets = sets[(sets["model"] == "mlp") & (sets["scheme"] != DEFAULT)].rename(columns={"set": "replicate"})
        found = judge(results.intervals(over_sets, ["scheme"], ["percent"], "verdicts"), sets)
        results.table("verdicts", found)
        better = found[found["verdict"] == "better"]
        print("default:", DEFAULT if better.empty else better.loc[better["percent"].idxmin(), "scheme"])
        results.figure("differences", draw(measures))


def train(run: Run, model: str, name: str, scheme: str, seed: int, smoke: bool) -> None:
    """Fill a cell with what a training came to."""
    settings: dict[str, Any] = {"network": model, "initialisation": scheme}
    row = {"model": model, "set": name, "scheme": scheme, "seed": seed}
    run.write_table(MEASURES, pd.DataFrame([row | train_default(name, settings, seed, smoke)]))


def compare(measures: pd.DataFrame) -> pd.DataFrame:
    """Return `measures` with how far each -ELBO is from lecun's of the same model, set and seed: nats and percent."""
    default = measures[measures["scheme"] == DEFAULT].set_index(["model", "set", "seed"])["nelbo"]
    base = default.reindex(measures.set_index(["model", "set", "seed"]).index).to_numpy()
    difference = measures["nelbo"] - base
    return measures.assign(nats=difference, percent=100.0 * difference / base)


def judge(over_sets: pd.DataFrame, sets: pd.DataFrame) -> pd.DataFrame:
    """Return `over_sets`, a row a scheme, with its p-value (Holm 1979), its worst set and the verdict.

    Args:
        over_sets: `scheme`, and `percent` with its interval over the fully connected sets.
        sets: `model`, `set`, `scheme` and `percent`, the mean over seeds.
    """
    rows = []
    for scheme in over_sets["scheme"]:
        own = sets[sets["scheme"] == scheme]
        percent = own.loc[own["model"] == "mlp", "percent"]
        worst = own.loc[own["percent"].idxmax()]
        found = {"p": stats.ttest_1samp(percent, 0.0).pvalue, "worst": worst["percent"]}
        rows.append(found | {"worst_set": f"{worst['model']}, {worst['set']}"})
    found = pd.concat([over_sets, pd.DataFrame(rows)], axis=1)
    found["p"] = holm(found["p"].to_numpy())
    better = (found["percent"] < 0.0) & (found["p"] < SURE) & (found["worst"] <= MARGIN)
    return found.assign(verdict=np.where(better, "better", "not shown better"))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values (K,) adjusted for their number (Holm 1979)."""
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    return adjusted[np.argsort(order)]


@plots.style()
def draw(measures: pd.DataFrame) -> Axes:
    """Draw by how many percent each scheme differs from lecun on each set: a dot a seed, a bar their mean."""
    others = [scheme for scheme in SCHEMES if scheme != DEFAULT]
    summary = intervals(measures, BY, ["percent"])
    names = list(dict.fromkeys(zip(measures["model"], measures["set"], strict=True)))
    [ax] = plots.panels(1, 1, width=7.0, height=0.45 * len(names) + 1.2)
    for number, scheme in enumerate(others):
        places = np.arange(len(names)) + 0.22 * (number - 1)
        means = summary[summary["scheme"] == scheme]["percent"]
        ax.plot(means, places, "|", color=plots.PALETTE[number], markersize=11, label=scheme)
        for place, name in zip(places, names, strict=True):
            own = measures[(measures["model"] == name[0]) & (measures["set"] == name[1])]
            seeds = own[own["scheme"] == scheme]["percent"]
            ax.plot(seeds, np.full(len(seeds), place), ".", color=plots.PALETTE[number], markersize=4)
    ax.axvline(0.0, color="black", linewidth=0.8)
    ax.set(xlabel=f"% above the test -ELBO of {DEFAULT} with the same seed", title="a dot a seed, a bar their mean")
    ax.set_yticks(range(len(names)), [f"{name}, {model}" if model != "mlp" else name for model, name in names])
    ax.invert_yaxis()
    ax.legend(frameon=False)
    return ax


if __name__ == "__main__":
    start(main, WeightsArguments, __doc__)
