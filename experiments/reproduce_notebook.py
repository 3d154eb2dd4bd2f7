"""Does our VAE, set up as the founding notebook's, end where the notebook's own loop ends?

784-128-100, ReLU, weights of variance 2/N_in, batch 64, Adam 1e-3, 100,000 iterations, 55,000 training images, grey
MNIST. A run of the notebook's own loop reaches a test -ELBO of 105.39 nats with KL 26.6 and 24 active units of 100;
the rule, fixed beforehand: reproduced if the mean over our seeds is within 0.5 nats of it.

    python experiments/reproduce_notebook.py            about 9 minutes, with --workers 2 less
    python experiments/reproduce_notebook.py --smoke    seconds, leaving no results

Deviations: the 55,000 images are a stratified draw, not all but the first 5,000; an epoch ends with a smaller minibatch
where the notebook's reader went on into the next; the loss is averaged over the minibatch, not summed, which Adam does
not notice.
"""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

import evovae
from evovae import studies
from evovae.analysis import plots, statistics
from evovae.models import Epoch, Likelihood
from evovae.runs import Run
from evovae.studies import VERDICTS, Spec, figure_row, gather, grade, start, study

SOURCE = "a run of ours of the notebook's own loop"
NOTEBOOK: dict[str, Any] = {"seed": SOURCE, "-elbo": 105.39, "kl": 26.6, "active_units": 24}
AGREEMENT = 0.5
FOUND, HISTORY = "found.csv", "history.csv"


@dataclass(frozen=True)
class Arguments(studies.Arguments):
    """Settings of the study."""

    seeds: int = 3
    """Independent runs, with seeds from 0 up."""


def main(arguments: Arguments) -> None:
    seeds, iterations = (1, 300) if arguments.smoke else (arguments.seeds, 100_000)
    with study("reproduce_notebook", arguments.smoke) as results:
        settings = [{"seed": seed, "iterations": iterations} for seed in range(seeds)]
        with arguments.where.executor() as executor:
            runs = results.run_all(
                [Spec(results.cells / str(cell["seed"]), train, cell) for cell in settings], executor
            )
        table, history = gather(runs, FOUND), gather(runs, HISTORY)
        results.table("summary", pd.concat([table, pd.DataFrame([NOTEBOOK])]))
        results.table("history", history, show=False)
        results.table(VERDICTS, pd.DataFrame([judge(table)]))
        results.figure("training", plots.training_curve(history[history["seed"] == 0]))


def train(run: Run, seed: int, iterations: int) -> None:
    """Fill a cell with the training of a VAE, and where it ends."""
    digits, vae = evovae.load_images("mnist"), evovae.VAE(evovae.VAEConfig.notebook(), seed=seed)
    config, history = replace(evovae.TrainConfig.notebook(), iterations=iterations, seed=seed), []
    for record in evovae.fit(vae, digits.train, config):
        found = evovae.evaluate(vae, digits.test)
        history.append(describe(seed, record, found))
    row = {"seed": seed, "-elbo": -found.elbo, "kl": found.kl, "active_units": found.active_units}
    run.write_table(HISTORY, pd.DataFrame(history))
    run.write_table(FOUND, pd.DataFrame([row]))


def judge(found: pd.DataFrame) -> dict[str, str]:
    """Return the verdict on the runs, by the rule that was fixed beforehand."""
    ours, published = statistics.mean_interval(found["-elbo"]), NOTEBOOK["-elbo"]
    verdict = grade(abs(ours.estimate - published), AGREEMENT)
    return figure_row("notebook's VAE, test -ELBO", SOURCE, f"{published:.2f}", ours, verdict, ".2f")


def describe(seed: int, record: Epoch, test: Likelihood) -> dict[str, float]:
    """Return a row of the training curve."""
    row: dict[str, float] = {"seed": seed, "epoch": record.epoch}
    for name in ("elbo", "reconstruction", "kl"):
        row |= {name: getattr(record, name), f"test_{name}": getattr(test, name)}
    return row


if __name__ == "__main__":
    start(main, Arguments, __doc__)
