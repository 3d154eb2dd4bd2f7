"""Can evolution fool a classifier with images that show nothing, and does a latent space keep it honest?

One elite a digit (MAP-Elites with ten niches, Mouret and Clune 2015), in three set-ups:

- pixels: Nguyen, Yosinski and Clune, "Deep neural networks are easily fooled" (CVPR 2015), direct encoding: 200 images
  a generation, each a mutant of some digit's elite and tried for every digit; polynomial mutation of index 15 at a rate
  of 0.1, halved every 1,000 generations. Published: 99.99% confidence in fewer than 50 generations for some digits, and
  a median of 99.99% by generation 200.
- pixels, pyribs: the example of pyribs, 900,000 evaluations: all pixels move by N(0, 0.5), beginning at grey.
  Published: a confidence a digit. Assumed: 30 images a generation, pixels clipped to [0, 1], and an image tried for the
  digit that is seen in it alone.
- latent: the first again, but of 32-D latent vectors of a VAE with genes in [-3, 3].

    python experiments/reproduce_fooling.py --workers 2    about 7 minutes on two cores
    python experiments/reproduce_fooling.py --smoke        seconds, leaving no results

Of every elite those are asked who had no part in it: the held-out judge believes what it gives the digit 0.9 or more;
the likelihood (an importance-weighted bound with 100 samples, by a VAE of another seed) what is not below that of the
least likely 1% of test images. A digit that no image was seen as has a confidence of 0. The rule, fixed beforehand: the
first is reproduced if the median over digits, of the replicates' medians, is 99.99% at generation 200 and some digit is
there before generation 50; a digit of the second if the published confidence lies within 0.05 of our mean, close within
0.15.

Deviations: the classifier is evovae's judge (99% of test digits right), not LeNet or the one of the example; latent
genomes begin with draws from the prior.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import evovae
from evovae import encodings, evolution, files, plots
from evovae.cells import Spec
from evovae.checks import require_counts
from evovae.data import to_unit
from evovae.executors import Workers
from evovae.judges import Judge
from evovae.realism import scrutinise
from evovae.runs import Run
from evovae.streams import Streams
from evovae.studies import curves, intervals, start, study, train_cell

PYRIBS = (0.949, 0.721, 0.981, 0.987, 0.981, 0.918, 0.976, 0.967, 0.999, 0.915)
"""Confidence by digit."""
SURE, BELIEVED, UNLIKELY = 0.9999, 0.9, 0.01
REPRODUCED, CLOSE = 0.05, 0.15
LIMIT = 3.0
"""Latent genes lie between -3 and 3."""
MOMENTS = 201
"""Generations at most of which the confidences are kept."""
FOUND, HISTORY, IMAGES = "found.csv", "history.csv", "images.safetensors"


@dataclass(frozen=True)
class Setup:
    """How elites are bred."""

    batch: int
    generations: int
    low: float = 0.0
    high: float = 1.0
    grey: bool = False
    """Begin at the middle, and move every gene by N(0, 0.5); an image is tried for the digit seen in it alone."""

    def mutate(self, parents: Tensor, streams: Streams, generation: int) -> Tensor:
        """Return the children (R, B, D) of `parents` (R, B, D)."""
        if self.grey:
            moved = evolution.mutGaussian(parents, streams, mu=0.0, sigma=0.5, indpb=1.0)
            return moved.clamp(self.low, self.high)
        rate = 0.1 * 0.5 ** (generation // 1000)
        return evolution.mutPolynomialBounded(parents, streams, eta=15.0, low=self.low, up=self.high, indpb=rate)


SETUPS = {
    "pixels": Setup(200, 200),
    "latent": Setup(200, 200, -LIMIT, LIMIT),
    "pixels, pyribs": Setup(30, 30_000, grey=True),
}


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    replicates: int = 10
    """Independent repetitions."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_counts(self, "replicates")


def main(arguments: Arguments) -> None:
    with study("reproduce_fooling", arguments.smoke) as results:
        replicates, smoke = 2 if arguments.smoke else arguments.replicates, arguments.smoke
        models = {name: {"seed": seed, "smoke": smoke} for seed, name in enumerate(("vae", "critic"))}
        settings = {name: {"setup": name, "replicates": replicates, "smoke": smoke} for name in SETUPS}
        with arguments.where.executor() as executor:
            results.run_all([Spec(results.cells / name, train_cell, of) for name, of in models.items()], executor)
            runs = results.run_all([Spec(results.cells / name, fool, of) for name, of in settings.items()], executor)
        found, history = (
            pd.concat([run.read_table(name) for run in runs], ignore_index=True) for name in (FOUND, HISTORY)
        )
        shares = ["sure", "held_out_believes", "likelihood_believes", "both_believe"]
        shares_of = found.groupby(["setup", "replicate"], sort=False)[["confidence", *shares]].mean().reset_index()
        results.table("summary", intervals(shares_of, ["setup"], ["confidence", *shares]))
        results.table("nguyen", judge_speed(history))
        results.table("pyribs", judge_digits(found))
        middle = history.groupby(["setup", "evaluations", "seed"], sort=False)["confidence"].median().reset_index()
        drawn = curves(middle, "setup", "evaluations", "confidence")
        results.figure("confidence", plots.trend(drawn, "evaluations", "median confidence of ten digits", xscale="log"))
        images = torch.stack([files.load_tensors(run.folder / IMAGES, "images")[0]["elites"] for run in runs])
        results.figure("elites", plots.image_table(images, list(SETUPS), [str(digit) for digit in range(10)]))


def fool(run: Run, setup: str, replicates: int, smoke: bool) -> None:
    """Fill a cell with the elites of a set-up, how their confidence grew, and what others think of them."""
    digits, how = evovae.load_images("mnist"), SETUPS[setup]
    vae, critic = (evovae.VAE.load(run.folder.parent / name) for name in ("vae", "critic"))
    encoding = encodings.LatentEncoding(vae, "free") if setup == "latent" else encodings.PixelEncoding(digits.shape)
    judges = evovae.judges_for(digits)
    streams, generations = Streams(0, replicates), 20 if smoke else how.generations
    moments = set(np.unique(np.geomspace(1, generations, MOMENTS).round()).astype(int).tolist())
    rows = []
    with torch.no_grad():
        for generation, elites, confidence in breed(how, encoding, judges.judge, generations, streams):
            last, reached = elites, confidence >= 0
            if generation in moments:
                columns = {"setup": setup, "generation": generation, "evaluations": (generation + 1) * how.batch}
                rows += [
                    columns | {"seed": replicate, "digit": digit, "confidence": value}
                    for replicate, values in enumerate(confidence.clamp_min(0).tolist())
                    for digit, value in enumerate(values)
                ]
        least = np.quantile(
            scrutinise(to_unit(digits.test.subset(100 if smoke else 1000).images), 0, judges, critic)["log_likelihood"],
            UNLIKELY,
        )
        tables = []
        for digit in range(10):
            images = encoding.decode(last[:, digit])
            table = scrutinise(images, digit, judges, critic).rename(columns={"judge": "confidence"})
            table[["confidence", "held_out"]] *= reached[:, [digit]].numpy()
            tables.append(table.assign(setup=setup, digit=digit, replicate=range(replicates)))
    found = pd.concat(tables, ignore_index=True)
    found["sure"] = found["confidence"] >= SURE
    found["held_out_believes"] = found["held_out"] >= BELIEVED
    found["likelihood_believes"] = found["log_likelihood"] >= least
    found["both_believe"] = found["held_out_believes"] & found["likelihood_believes"]
    run.write_table(FOUND, found)
    run.write_table(HISTORY, pd.DataFrame(rows))
    files.save_tensors(run.folder / IMAGES, "images", {"elites": encoding.decode(last[0])}, {})


def breed(
    how: Setup, encoding: encodings.Encoding, judge: Judge, generations: int, streams: Streams
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield each generation's number, the digits' elites (R, 10, D), and their confidences (R, 10), -1 without one."""
    replicates = len(streams)
    elites = torch.full((replicates, 10, encoding.dim), (how.low + how.high) / 2)
    confidence = torch.full((replicates, 10), -1.0)
    for generation in range(generations + 1):
        if generation == 0 and not how.grey:
            children = torch.stack([encoding.sample(how.batch, stream) for stream in streams])
            children = children.clamp(how.low, how.high)
        else:
            children = how.mutate(choose(elites, confidence, how.batch, streams), streams, generation)
        seen = judge(encoding.decode(children.flatten(0, 1))).softmax(1).unflatten(0, (replicates, how.batch))
        if how.grey:
            seen = torch.where(seen == seen.amax(2, keepdim=True), seen, -1.0)
        best, place = seen.max(1)  # R 10
        better = best > confidence
        found = children.gather(1, place.unsqueeze(2).expand_as(elites))
        elites = torch.where(better.unsqueeze(2), found, elites)
        confidence = torch.where(better, best, confidence)
        yield generation, elites, confidence


def choose(elites: Tensor, confidence: Tensor, count: int, streams: Streams) -> Tensor:
    """Return `count` parents (R, count, D), drawn evenly among the elites that there are; before the first, any."""
    there = (confidence >= 0) | (confidence < 0).all(1, keepdim=True)
    order = there.int().argsort(dim=1, descending=True, stable=True)  # those first
    drawn = (streams.uniform(len(streams), count) * there.sum(1, keepdim=True)).long()
    return elites.gather(1, order.gather(1, drawn).unsqueeze(2).expand(-1, -1, elites.shape[2]))


def judge_speed(history: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each of Nguyen et al.'s two figures, and the verdict."""
    ours = history[history["setup"] == "pixels"]
    middle = ours.groupby(["digit", "generation"])["confidence"].median().unstack()
    early = int((middle.loc[:, middle.columns < 50].max(axis=1) >= SURE).sum())
    last = float(middle.iloc[:, -1].median())
    rows = [
        ("digits at 99.99% before generation 50", "some", early, early > 0),
        ("median confidence at generation 200", SURE, last, last >= SURE),
    ]
    table = pd.DataFrame(rows, columns=["result", "published", "ours", "met"])
    table["verdict"] = table.pop("met").map({True: "reproduced", False: "not reproduced"})
    return table


def judge_digits(found: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each digit of pyribs' example: confidence there, ours with its interval, and the verdict."""
    table = intervals(found[found["setup"] == "pixels, pyribs"], ["digit"], ["confidence"])
    distance = (table["confidence"] - np.array(PYRIBS)).abs()
    verdict = np.select([distance <= REPRODUCED, distance <= CLOSE], ["reproduced", "close"], "not reproduced")
    return table.assign(published=PYRIBS, verdict=verdict)


if __name__ == "__main__":
    start(main, Arguments, __doc__)
