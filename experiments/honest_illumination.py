"""How many kinds of digits can a model show that others believe: a GAN, a VAE, or nothing but pixels?

Latent space illumination (`reproduce_lsi.py`) counts the cells of an archive, whatever lies in them. Here every elite
is shown to those that had no part in the search. It is believed where the held-out judge gives the digit 0.9 or more,
and no more than 5% of the test images are less typical of real ones. First eights, over boldness and lightness, in
200 x 200 cells; then all ten digits in one archive, of what the judge is surest of, with its class as a third measure.
CMA-ME with five emitters of 30 for 1,000 generations, with genomes anywhere or in the ball that holds 99% of the prior;
the same, where what is less typical than 95% of the test images counts less, as the search's own judge sees it; as many
draws of the prior. Five models of each kind, each with a search of its own. What MNIST's training images fill stands
beside.

The rule, written before the full run: one way shows more than another where the 95% interval of the difference of their
believed cells, paired by seed, lies above 0. Expect most cells of pixels and of free genomes, which only have to please
the judge; the largest share believed of draws and of what had to be typical; and of pixels nothing.

    python experiments/honest_illumination.py --workers 2    two hours, half of it for five GANs
    python experiments/honest_illumination.py --smoke        seconds, leaving no results, with models that know nothing
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
from methods.believed_elites import GAN, PIXELS, VAE, Question, Way, encode, fill, look, train_models
from methods.elite_mosaics import draw_mosaic, save_mosaic
from methods.illumination import FOUND

from evovae.analysis import plots
from evovae.base import require_counts
from evovae.runs import Run
from evovae.studies import Results, Spec, Workers, gather, start, study

WAYS = {
    "GAN": Way(GAN),
    "GAN, ball": Way(GAN, "ball"),
    "GAN, drawn": Way(GAN, drawn=True),
    "GAN, typical": Way(GAN, honest=True),
    "VAE": Way(VAE),
    "VAE, ball": Way(VAE, "ball"),
    "VAE, drawn": Way(VAE, drawn=True),
    "VAE, typical": Way(VAE, "ball", honest=True),
    "pixels": Way(PIXELS),
}
IMAGES = "MNIST's own"
BOLD, LIGHT = (0.0, 784.0), (0.5, 1.0)
QUESTIONS = {
    "eights": Question(8, ("boldness", "lightness"), (200, 200), (BOLD, LIGHT)),
    "digits": Question(None, ("boldness", "class", "lightness"), (60, 10, 60), (BOLD, (-0.5, 9.5), LIGHT)),
}
GENERATIONS, BLOCKS = 1000, 14
COUNTS = ["cells", "pleasing", "read", "typical", "believed", "share"]


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    models: int = 5
    """Of each kind."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_counts(self, "models")


def main(arguments: Arguments) -> None:
    smoke = arguments.smoke
    with study("honest_illumination", smoke) as results:
        seeds = range(1 if smoke else arguments.models)
        with arguments.where.executor() as executor:
            results.run_all(train_models(results.cells, seeds, smoke), executor)
            runs = results.run_all(searches(results.cells, seeds, smoke), executor)
        write_tables(gather(runs, FOUND), results)
        for question in QUESTIONS:
            draw(question, runs, results)


def searches(cells: Path, seeds: range, smoke: bool) -> Iterator[Spec]:
    """Yield the cells that fill archives: those of the first models, then of the second, and so on."""
    for seed, question, way in product(seeds, QUESTIONS, [*WAYS, IMAGES]):
        if way != IMAGES or seed == seeds[0]:
            settings = {"question": question, "way": way, "seed": seed, "smoke": smoke}
            yield Spec(cells / f"{question} {way} {seed}", search, settings)


def search(run: Run, question: str, way: str, seed: int, smoke: bool) -> None:
    """Fill a cell with how many cells of an archive are filled, and with how many that others believe."""
    asked, how = QUESTIONS[question], WAYS.get(way, Way())
    encoding = encode(how, run.folder.parent, seed)
    archive = fill(asked, how, encoding, 3 if smoke else GENERATIONS, seed)
    seen = look(encoding, archive.genomes[0], asked.labels(archive))
    found = {name: int(values.sum()) for name, values in seen.items()}
    cells = len(archive.index[0])
    row = {"question": question, "way": way, "seed": seed, "cells": cells, **found, "share": found["believed"] / cells}
    run.write_table(FOUND, pd.DataFrame([row]))
    save_mosaic(run, archive, encoding, BLOCKS, seen["believed"])


def write_tables(found: pd.DataFrame, results: Results) -> None:
    """Write what each way comes to, and the differences of believed cells between any two."""
    results.table("summary", results.intervals(found, ["question", "way"], COUNTS))
    rows = []
    for question, own in found[found["way"] != IMAGES].groupby("question", sort=False):
        believed = own.pivot(index="seed", columns="way", values="believed")
        for one, other in combinations(WAYS, 2):
            more = (believed[one] - believed[other]).rename("more").reset_index()
            rows.append(more.assign(question=question, pair=f"{one} - {other}"))
    than = results.intervals(pd.concat(rows), ["question", "pair"], ["more"], "differences")
    words = np.where(than["more_low"] > 0, "more", np.where(than["more_high"] < 0, "fewer", "undecided"))
    results.table("differences", than.assign(verdict=words))


def draw(question: str, runs: list[Run], results: Results) -> None:
    """Draw mosaics of the first model of each kind; what is not believed is red."""
    asked = QUESTIONS[question]
    shown = [run for run in runs if run.config["settings"]["question"] == question]
    shown = [run for run in shown if run.config["settings"]["seed"] == shown[0].config["settings"]["seed"]]
    axes = plots.panels(len(shown), 5, 3.2, 3.0)
    for ax, run in zip(axes, shown, strict=True):
        draw_mosaic(run, asked.ranges, asked.measures, run.config["settings"]["way"], ax=ax)
    results.figure(question, axes[0])


if __name__ == "__main__":
    start(main, Arguments, __doc__)
