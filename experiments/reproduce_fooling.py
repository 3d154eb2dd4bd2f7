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

Beside the first and the third stand as many random images, and as many draws from the VAE's prior.

    python experiments/reproduce_fooling.py --workers 2    about 20 minutes on two cores
    python experiments/reproduce_fooling.py --smoke        seconds, leaving no results

A replicate is the whole experiment: it trains its own classifier (`published/classifiers.py`), for the published
figures come from one classifier each. Of every elite those are asked who had no part in it: the held-out judge believes
what it gives the digit 0.9 or more; the likelihood (an importance-weighted bound with 100 samples, by a VAE of another
seed) what is not below that of the least likely 1% of 1,000 test images. A digit that no image was seen as has a
confidence of 0.

The rule: the first is reproduced if in the median replicate some digit is at 99.99% before generation 50 and the median
digit at generation 200; a digit of the second if the published confidence lies within 0.05 of the mean of ours, close
within 0.15. (The full run's tables first held it against the interquartile mean, which is the kinder here.) This is the
second try. The first took evovae's judge for classifier, in ten replicates, and pooled them by a mean and by a median
of medians (commit e5c121e): there the median was 99.95% at generation 200, and of pyribs' digits only the eight came
out, for that judge sees an eight in nearly all noise.

Deviation: latent genomes begin with draws from the prior.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from methods import classifiers
from methods.elites import SETUPS, breed
from published.fooling import GENERATIONS, SPEEDS, SURE, judge_digits, judge_speed, speeds, verdicts

import evovae
from evovae import encodings, studies
from evovae.analysis import plots
from evovae.base import Streams, files
from evovae.data import to_unit
from evovae.objectives import assess_images
from evovae.runs import Run
from evovae.studies import VERDICTS, Results, Spec, curves, gather, start, study, train_cell

import torch

BELIEVED, UNLIKELY = 0.9, 0.01
FOUND, HISTORY, IMAGES, CLASSIFIER = "found.csv", "history.csv", "images.safetensors", "classifier.safetensors"


SHARES = ["sure", "held_out_believes", "likelihood_believes", "both_believe"]


@dataclass(frozen=True)
class Arguments(studies.Arguments):
    """Settings of the study."""

    seeds: int = 5
    """Independent repetitions, with seeds from 0 up, each with its own classifier."""


def main(arguments: Arguments) -> None:
    with study("reproduce_fooling", arguments.smoke) as results:
        smoke, folder = arguments.smoke, results.cells
        seeds = range(1 if smoke else arguments.seeds)
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
        found, history = gather(runs, FOUND).round(6), gather(runs, HISTORY)
        results.table("found", found, show=False)
        results.table("classifiers", results.intervals(gather(learned, FOUND), ["kind"], ["accuracy"], "classifiers"))
        write_tables(found, speeds(history), results)
        middle = history.groupby(["setup", "evaluations", "seed"], sort=False)["confidence"].median().reset_index()
        drawn = curves(middle, "setup", "evaluations", "confidence")
        results.figure("confidence", plots.trend(drawn, "evaluations", "median confidence of ten digits", xscale="log"))
        firsts = runs[:: len(seeds)]
        images = torch.stack([files.load_tensors(run.folder / IMAGES, "images")[0]["elites"] for run in firsts])
        results.figure("elites", plots.image_table(images, list(SETUPS), [str(digit) for digit in range(10)]))


def write_tables(found: pd.DataFrame, speed: pd.DataFrame, results: Results) -> None:
    """Write what replicates came to, what others think of their elites, and how that stands to what was published."""
    mean = found.groupby(["setup", "seed"], sort=False)["confidence"].mean().reset_index()
    replicates = mean.merge(speed, on=["setup", "seed"])
    results.table("summary", results.intervals(replicates, ["setup"], ["confidence", *SPEEDS]))
    results.table("believed", results.intervals(found, ["setup"], SHARES, "believed"))
    nguyen = judge_speed(replicates[replicates["setup"] == "pixels"])
    of_pyribs = found[found["setup"] == "pixels, pyribs"]
    pyribs = judge_digits(results.intervals(of_pyribs, ["digit"], ["confidence"], "pyribs"))
    results.table("nguyen", nguyen)
    results.table("pyribs", pyribs)
    results.table(VERDICTS, pd.DataFrame(verdicts(nguyen, pyribs)))


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
    encoding = encodings.LatentEncoding(vae, "free") if how.latent else encodings.PixelEncoding(digits.shape)
    classifier = classifiers.load(how.kind, beside / f"{how.kind} {seed}" / CLASSIFIER)
    generations = 20 if smoke else how.generations
    moments = {*range(GENERATIONS + 1), *np.geomspace(GENERATIONS, how.generations, 101).round().astype(int).tolist()}
    rows = []
    with torch.no_grad():
        for elites in breed(how, encoding, classifier, generations, Streams(seed, 1)):
            reached, values = elites.confidence >= 0, elites.confidence.clamp_min(0).tolist()
            if elites.generation in moments:
                row = {"setup": setup, "seed": seed, "generation": elites.generation}
                row["evaluations"] = (elites.generation + 1) * how.batch
                rows += [row | {"digit": digit, "confidence": value} for digit, value in enumerate(values)]
        judges, images = evovae.judges_for(digits), encoding.decode(elites.genomes)
        known = to_unit(digits.test.subset(100 if smoke else 1000).images)
        least = np.quantile(assess_images(known, 0, judges, critic)["log_likelihood"], UNLIKELY)
        tables = [assess_images(images[[digit]], digit, judges, critic) for digit in range(10)]
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


if __name__ == "__main__":
    start(main, Arguments, __doc__)
