"""Does it pay to let a training find its own length?

`epochs="auto"` trains until validation images say that more no longer pays, up to 25 times as long as the default. On
the sets of `defaults.py`: -ELBO on test images, beside what the default length comes to, and what that costs in
minibatches.

Written before the full run: auto holds on a set if no seed ends worse than the mean picture and the mean over seeds is
at most 1% above that of the default length; it pays where it is lower by more than 1%. Expect it to hold everywhere, to
pay on the large sets: a small one is overfitted before the default length is over.

    python experiments/training_length.py --seeds 3 --workers 2    about an hour on two cores
    python experiments/training_length.py --smoke                  seconds, leaving no results
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import pandas as pd
from methods.image_sets import EVERYWHERE, SETS, load

import evovae
from evovae.analysis import statistics
from evovae.base import InputError
from evovae.models import Training, evaluate, mean_image_loss
from evovae.runs import Run
from evovae.studies import Arguments, Spec, gather, start, study

LENGTHS: tuple[Any, ...] = (None, "auto")
MARGIN = 1.0
"""Percent of the -ELBO that count."""
MEASURES = "measures.csv"


@dataclass(frozen=True)
class LengthArguments(Arguments):
    """Settings of the study."""

    sets: tuple[str, ...] = tuple(SETS)
    """Which image sets VAEs are trained on."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        super().__post_init__()
        for name in self.sets:
            if name not in SETS:
                raise InputError(f"sets: {name!r} is unknown: expected of {', '.join(SETS)}")


def main(arguments: LengthArguments) -> None:
    smoke = arguments.smoke
    with study("training_length", smoke) as results:
        specs = []
        for name, epochs in product(EVERYWHERE if smoke else arguments.sets, LENGTHS):
            for seed in range(1 if smoke else arguments.seeds):
                cell = {"name": name, "epochs": epochs, "seed": seed, "smoke": smoke}
                specs.append(Spec(results.cells / f"{name} {epochs or 'default'} {seed}", train, cell))
        with arguments.where.executor() as executor:
            measures = gather(results.run_all(specs, executor), MEASURES)
        results.table("measures", measures, show=False)
        results.table("summary", pd.DataFrame([compare(group) for _, group in measures.groupby("set", sort=False)]))


def train(run: Run, name: str, epochs: Any, seed: int, smoke: bool) -> None:
    """Fill a cell with what a training came to."""
    images, test = load(name)
    config = evovae.VAEConfig(data_shape=images.shape)
    vae = evovae.VAE(config, seed=seed)
    limits: dict[str, Any] = {"iterations": 10, "train_images": 60} if smoke else {}
    training = Training(vae, images, evovae.TrainConfig(epochs=epochs, seed=seed, **limits))
    while not training.done:
        training.step()
    training.keep_best()
    row = {"set": name, "length": epochs or "default", "seed": seed, "nelbo": -evaluate(vae, test).elbo}
    row |= {"mean_picture": mean_image_loss(images, test, config), "iterations": training.iteration}
    run.write_table(MEASURES, pd.DataFrame([row]))


def compare(group: pd.DataFrame) -> dict[str, Any]:
    """Return the row of the summary for one set."""
    default, auto = (group[group["length"] == length] for length in ("default", "auto"))
    mean_picture = group["mean_picture"].iloc[0]
    paired = auto.set_index("seed")["nelbo"] - default.set_index("seed")["nelbo"]  # of the same initial weights
    difference = statistics.mean_interval(paired)
    percent = 100.0 * difference.estimate / default["nelbo"].mean()
    fails = percent > MARGIN or (auto["nelbo"] >= mean_picture).any()
    return {
        "set": group["set"].iloc[0],
        "seeds": len(auto),
        "mean_picture": mean_picture,
        "default": default["nelbo"].mean(),
        "auto": auto["nelbo"].mean(),
        **dict(zip(("difference", "difference_low", "difference_high"), difference, strict=True)),
        "percent_above_default": percent,
        "default_minibatches": default["iterations"].mean(),
        "auto_minibatches": auto["iterations"].mean(),
        "verdict": "FAILS" if fails else "pays" if percent < -MARGIN else "holds",
    }


if __name__ == "__main__":
    start(main, LengthArguments, __doc__)
