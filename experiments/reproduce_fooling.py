"""Can evolution fool a classifier with images that show nothing, and does a latent space keep it honest?

One elite a digit (MAP-Elites with ten niches, Mouret and Clune 2015), in three set-ups:

- pixels: Nguyen, Yosinski and Clune, "Deep neural networks are easily fooled" (CVPR 2015), direct encoding, against
  the LeNet of Caffe: 200 images a generation, each a mutant of some digit's elite and tried for every digit; polynomial
  mutation of index 15 at a rate of 0.1, halved every 1,000 generations. Published: 99.99% confidence in fewer than 50
  generations for some digits, and a median of 99.99% by generation 200.
- pixels, pyribs: tutorials/fooling_mnist.ipynb of pyribs, against its LeNet-5: 30 images a generation, 900,000 in all;
  all pixels move by N(0, 0.5), beginning at grey, and are clipped; an image is tried for the digit that is seen in it
  alone. Published: a confidence a digit.
- latent: the first again, but of 32-D latent vectors of a VAE with genes in [-3, 3].

    python experiments/reproduce_fooling.py --workers 2    about 16 minutes on two cores
    python experiments/reproduce_fooling.py --smoke        seconds, leaving no results

A replicate is the whole experiment: it trains its own classifier (`published/classifiers.py`), for the published
figures come from one classifier each. Of every elite those are asked who had no part in it: the held-out judge believes
what it gives the digit 0.9 or more; the likelihood (an importance-weighted bound with 100 samples, by a VAE of another
seed) what is not below that of the least likely 1% of test images. A digit that no image was seen as has a confidence
of 0.

The rule: the first is reproduced if in the median replicate some digit is at 99.99% before generation 50 and the median
digit at generation 200; a digit of the second if the published confidence lies within 0.05 of the interquartile mean of
ours, close within 0.15. This is the second try. The first, by the same rule but for medians in another order, took
evovae's judge for classifier: there the median was 99.95% at generation 200, and of pyribs' digits only the eight came
out, for that judge sees an eight in nearly all noise.

Deviation: latent genomes begin with draws from the prior.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch
from published import classifiers
from published.fooling import SURE, judge_digits, judge_speed, verdicts
from torch import Tensor

import evovae
from evovae import encodings, evolution, files, plots, studies
from evovae.cells import Spec
from evovae.data import to_unit
from evovae.realism import scrutinise
from evovae.reproduction import VERDICTS
from evovae.runs import Run
from evovae.streams import Streams
from evovae.studies import curves, intervals, start, study, train_cell

BELIEVED, UNLIKELY = 0.9, 0.01
LIMIT = 3.0
"""Latent genes lie between -3 and 3."""
MOMENTS = 201
"""Generations at most of which the confidences are kept."""
FOUND, HISTORY, IMAGES, CLASSIFIER = "found.csv", "history.csv", "images.safetensors", "classifier.safetensors"


@dataclass(frozen=True)
class Setup:
    """How elites are bred."""

    kind: classifiers.Kind
    batch: int
    generations: int
    mutate: Callable[[Tensor, Streams, int], Tensor]
    """Of parents (1, B, D) in a generation."""
    low: float = 0.0
    high: float = 1.0
    from_middle: bool = False
    """Begin with mutants of the middle between the bounds, and not with draws of the encoding."""
    seen_alone: bool = False
    """Try an image for the digit that is seen in it alone."""


def polynomial(low: float, high: float) -> Callable[[Tensor, Streams, int], Tensor]:
    """Return the mutation of Nguyen et al."""

    def mutate(parents: Tensor, streams: Streams, generation: int) -> Tensor:
        rate = 0.1 * 0.5 ** (generation // 1000)
        return evolution.mutPolynomialBounded(parents, streams, eta=15.0, low=low, up=high, indpb=rate)

    return mutate


def gaussian(parents: Tensor, streams: Streams, generation: int) -> Tensor:
    """Mutate as pyribs' example does."""
    return evolution.mutGaussian(parents, streams, mu=0.0, sigma=0.5, indpb=1.0).clamp(0.0, 1.0)


SETUPS = {
    "pixels": Setup("caffe", 200, 200, polynomial(0.0, 1.0)),
    "latent": Setup("caffe", 200, 200, polynomial(-LIMIT, LIMIT), -LIMIT, LIMIT),
    "pixels, pyribs": Setup("pyribs", 30, 30_000, gaussian, from_middle=True, seen_alone=True),
}


@dataclass(frozen=True)
class Arguments(studies.Arguments):
    """Settings of the study."""

    seeds: int = 5
    """Independent repetitions, with seeds from 0 up, each with its own classifier."""


def main(arguments: Arguments) -> None:
    with study("reproduce_fooling", arguments.smoke) as results:
        smoke, folder = arguments.smoke, results.cells
        seeds = range(2 if smoke else arguments.seeds)
        models = [
            Spec(folder / name, train_cell, {"seed": seed, "smoke": smoke})
            for seed, name in enumerate(("vae", "critic"))
        ]
        models += [
            Spec(folder / f"{kind} {seed}", learn, {"kind": kind, "seed": seed, "smoke": smoke})
            for kind, seed in product(("caffe", "pyribs"), seeds)
        ]
        searches = [
            Spec(folder / f"{setup} {seed}", fool, {"setup": setup, "seed": seed, "smoke": smoke})
            for setup, seed in product(SETUPS, seeds)
        ]
        with arguments.where.executor() as executor:
            learned = results.run_all(models, executor)[2:]
            runs = results.run_all(searches, executor)
        found, history = (
            pd.concat([run.read_table(name) for run in runs], ignore_index=True) for name in (FOUND, HISTORY)
        )
        accuracies = pd.concat([run.read_table(FOUND) for run in learned], ignore_index=True)
        results.table("classifiers", intervals(accuracies, ["kind"], ["accuracy"]))
        shares = ["sure", "held_out_believes", "likelihood_believes", "both_believe"]
        shares_of = found.groupby(["setup", "seed"], sort=False)[["confidence", *shares]].mean().reset_index()
        results.table("summary", intervals(shares_of, ["setup"], ["confidence", *shares]))
        speed = judge_speed(history[history["setup"] == "pixels"])
        by_digit = judge_digits(found[found["setup"] == "pixels, pyribs"])
        results.table("nguyen", speed)
        results.table("pyribs", by_digit)
        results.table(VERDICTS, pd.DataFrame(verdicts(speed, by_digit)))
        results.table("found", found.round(6), show=False)
        middle = history.groupby(["setup", "evaluations", "seed"], sort=False)["confidence"].median().reset_index()
        drawn = curves(middle, "setup", "evaluations", "confidence")
        results.figure("confidence", plots.trend(drawn, "evaluations", "median confidence of ten digits", xscale="log"))
        firsts = runs[:: len(seeds)]
        images = torch.stack([files.load_tensors(run.folder / IMAGES, "images")[0]["elites"] for run in firsts])
        results.figure("elites", plots.image_table(images, list(SETUPS), [str(digit) for digit in range(10)]))


def learn(run: Run, kind: classifiers.Kind, seed: int, smoke: bool) -> None:
    """Fill a cell with a classifier, and the share of test images that it gets right."""
    digits = evovae.load_images("mnist")
    classifier = classifiers.train(kind, digits.train, seed, 100 if smoke else None)
    right = classifier(to_unit(digits.test.images)).argmax(1) == digits.test.labels
    classifiers.save(classifier, run.folder / CLASSIFIER)
    run.write_table(FOUND, pd.DataFrame([{"kind": kind, "seed": seed, "accuracy": right.double().mean().item()}]))


def fool(run: Run, setup: str, seed: int, smoke: bool) -> None:
    """Fill a cell with the elites of a set-up, how their confidence grew, and what others think of them."""
    digits, how, beside = evovae.load_images("mnist"), SETUPS[setup], run.folder.parent
    vae, critic = (evovae.VAE.load(beside / name) for name in ("vae", "critic"))
    encoding = encodings.LatentEncoding(vae, "free") if setup == "latent" else encodings.PixelEncoding(digits.shape)
    classifier = classifiers.load(how.kind, beside / f"{how.kind} {seed}" / CLASSIFIER)
    generations = 20 if smoke else how.generations
    moments = set(np.unique(np.geomspace(1, generations, MOMENTS).round()).astype(int).tolist())
    rows = []
    with torch.no_grad():
        for generation, elites, confidence in breed(how, encoding, classifier, generations, Streams(seed, 1)):
            last, reached = elites, confidence >= 0
            if generation in moments:
                row = {"setup": setup, "seed": seed, "generation": generation}
                row["evaluations"] = (generation + 1) * how.batch
                values = confidence.clamp_min(0).tolist()
                rows += [row | {"digit": digit, "confidence": value} for digit, value in enumerate(values)]
        judges, images = evovae.judges_for(digits), encoding.decode(last)
        known = to_unit(digits.test.subset(100 if smoke else 1000).images)
        least = np.quantile(scrutinise(known, 0, judges, critic)["log_likelihood"], UNLIKELY)
        tables = [scrutinise(images[[digit]], digit, judges, critic) for digit in range(10)]
    found = pd.concat(tables, ignore_index=True)[["held_out", "log_likelihood"]]
    found.insert(0, "confidence", values)
    found["held_out"] *= reached.numpy()
    found["sure"] = found["confidence"] >= SURE
    found["held_out_believes"] = found["held_out"] >= BELIEVED
    found["likelihood_believes"] = reached.numpy() & (found["log_likelihood"] >= least)
    found["both_believe"] = found["held_out_believes"] & found["likelihood_believes"]
    run.write_table(FOUND, pd.DataFrame({"setup": setup, "seed": seed, "digit": range(10)}).join(found))
    run.write_table(HISTORY, pd.DataFrame(rows))
    files.save_tensors(run.folder / IMAGES, "images", {"elites": images}, {})


def breed(
    how: Setup, encoding: encodings.Encoding, classifier: Callable[[Tensor], Tensor], generations: int, streams: Streams
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield each generation's number, the digits' elites (10, D), and their confidences (10), -1 without one."""
    elites = torch.full((10, encoding.dim), (how.low + how.high) / 2)
    confidence = torch.full((10,), -1.0)
    for generation in range(generations + 1):
        if generation == 0 and not how.from_middle:
            children = encoding.sample(how.batch, streams[0]).clamp(how.low, how.high)
        else:
            children = how.mutate(choose(elites, confidence, how.batch, streams)[None], streams, generation)[0]
        seen = classifier(encoding.decode(children)).softmax(1)
        if how.seen_alone:
            seen = torch.where(seen == seen.amax(1, keepdim=True), seen, -1.0)
        best, place = seen.max(0)
        better = best > confidence
        elites = torch.where(better[:, None], children[place], elites)
        confidence = torch.where(better, best, confidence)
        yield generation, elites, confidence


def choose(elites: Tensor, confidence: Tensor, count: int, streams: Streams) -> Tensor:
    """Return `count` parents (count, D), drawn evenly among the elites that there are; before the first, any."""
    there = (confidence >= 0).nonzero().flatten()
    among = elites[there] if len(there) else elites
    return among[streams.integers(len(among), 1, count)[0]]


if __name__ == "__main__":
    start(main, Arguments, __doc__)
