"""How many kinds of eights does a GAN know? Latent space illumination of MNIST, after pyribs' tutorial.

The tutorial (https://docs.pyribs.org, "Illuminating the latent space of an MNIST GAN") fills a grid of 200 x 200 cells,
of boldness (pixels at 0.5 or above) and lightness (their sum over their number plus one), with what a GAN shows that a
LeNet-5 takes for an eight: CMA-ME with five emitters of 30 images, for 30,000 generations. Networks and settings are
those, and genomes may lie anywhere, as there; the weights of both networks are trained here (`train_gan.py` and
`methods/classifiers.py`). Five trials run side by side.

    python experiments/reproduce_lsi.py            about 45 minutes on one core, after train_gan.py
    python experiments/reproduce_lsi.py --smoke    seconds, leaving no results; without the GAN, with a plain decoder

The rule, written before the full run: another training gives another GAN, so that a number of cells is reproduced
within 10% of the tutorial's, and close within 30%.

Look at the mosaic beside the number: what a classifier takes for an eight need not be one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from generators import mnist_gan
from methods import classifiers
from methods.elite_mosaics import draw_mosaic, save_mosaic
from methods.illumination import FOUND

import evovae
from evovae import evolution, objectives
from evovae.analysis import Interval
from evovae.base import require_counts
from evovae.runs import Run
from evovae.studies import VERDICTS, Results, Spec, Workers, figure_row, grade, start, study

import torch
from torch import Tensor

SOURCE = "pyribs' tutorial"
PUBLISHED = {1_000: 15_189, 30_000: 21_264}
"""Cells that were filled after so many generations."""
NEAR, NOT_FAR = 0.1, 0.3
CELLS, EMITTERS, BATCH, SIGMA, DIGIT = 200, 5, 30, 0.2, 8
MEASURES, RANGES = ("boldness", "lightness"), ((0.0, 784.0), (0.5, 1.0))
BLOCKS = 20
"""Of the mosaic, along each measure."""


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    trials: int = 5
    """Side by side."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_counts(self, "trials")


def main(arguments: Arguments) -> None:
    with study("reproduce_lsi", arguments.smoke) as results:
        with arguments.where.executor() as executor:
            (run,) = results.run_all(cells(arguments, results.cells), executor)
        write_tables(results.rows("replicates", run.read_table(FOUND)), results)
        results.figure("mosaic", draw_mosaic(run, RANGES, MEASURES))


def cells(arguments: Arguments, folder: Path) -> Iterator[Spec]:
    """The only cell."""
    settings = {"trials": 2 if arguments.smoke else arguments.trials, "smoke": arguments.smoke}
    yield Spec(folder / "illumination", illuminate, settings)


def write_tables(found: pd.DataFrame, results: Results) -> None:
    """Write how many cells were filled, and how that stands to what was published."""
    summary = results.intervals(found, ["generations"], ["cells", "qd_score", "best"])
    rows = []
    for row in summary.to_dict("records"):
        if (published := PUBLISHED.get(row["generations"])) is not None:
            ours = Interval(*(row[f"cells{end}"] for end in ("", "_low", "_high")))
            verdict = grade(abs(ours[0] / published - 1.0), NEAR, NOT_FAR)
            name = f"kinds of eights of a GAN, cells of 40,000 after {row['generations']:,} generations"
            rows.append(figure_row(name, SOURCE, f"{published:,}", ours, verdict, ",.0f"))
    results.table("summary", summary)
    results.table(VERDICTS, pd.DataFrame(rows))


def illuminate(run: Run, trials: int, smoke: bool) -> None:
    """Fill a cell with how many cells of the archive are filled, and a mosaic of the first trial's elites."""
    torch.set_num_threads(1)
    digits = evovae.load_images("mnist")
    judge = classifiers.train("pyribs", digits.train, seed=0, steps=50 if smoke else None).requires_grad_(False)
    encoding = plain() if smoke else mnist_gan.generator(support="free")
    measures = objectives.measures(*MEASURES)
    toolbox = evolution.toolbox(encoding, lambda images: likeness(judge(images)), measures=measures)
    archive = evolution.GridArchive((CELLS, CELLS), RANGES)
    emitter = evolution.EvolutionStrategyEmitter(SIGMA, BATCH, EMITTERS, "2imp", x0=0.0)
    generations = 8 if smoke else max(PUBLISHED)
    kept = {generations, *PUBLISHED}
    rows = []
    for step in evolution.illuminate_iter(toolbox, archive, emitter, generations, trials):
        if (done := step.gen + 1) in kept or done % 1000 == 0:
            counts = (archive.coverage * archive.cells).round().long().tolist()
            scores = zip(counts, archive.qd_score.tolist(), archive.best.tolist(), strict=True)
            for replicate, (cells, score, best) in enumerate(scores):
                row = {"generations": done, "replicate": replicate, "cells": cells, "qd_score": score, "best": best}
                rows.append(row)
    run.write_table(FOUND, pd.DataFrame(rows))
    save_mosaic(run, archive, encoding, BLOCKS)


def likeness(logits: Tensor) -> Tensor:
    """Return the probability (B, 1) of the digit."""
    return logits.softmax(1)[:, DIGIT : DIGIT + 1]


def plain() -> evovae.DecoderEncoding:
    """Return a decoder of strokes that takes no training."""
    weights = torch.randn(8, 784, generator=torch.Generator().manual_seed(0))
    return evovae.DecoderEncoding(lambda z: (z @ weights).sigmoid().view(-1, 1, 28, 28), 8, (1, 28, 28))


if __name__ == "__main__":
    start(main, Arguments, __doc__)
