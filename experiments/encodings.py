"""Can one use an autoencoder to encode data for a GA: what happens, and what does that look like?

The same GA (blend crossover, Gaussian mutation in each encoding's own scale, tournaments of three) with the same budget
on five encodings of MNIST's images: latent vectors of a VAE and of a plain autoencoder, scores of 32 principal
components, raw pixels, and the weights of a CPPN. It evolves for the log-odds of each digit, and for likeness to ten
held-out images; random search and gradient ascent get as many evaluations. Fitness, and what the search never saw: the
held-out judge, and the log-likelihood and reconstruction distance of a second VAE that none of the encodings uses.
Expect every encoding to satisfy the judge, as Nguyen, Yosinski and Clune (2015) found for pixels and CPPNs, and only
those learned from digits to make something that others believe.

    python experiments/encodings.py --workers 2    about 17 minutes on two cores
    python experiments/encodings.py --smoke        seconds, leaving no results

The log-likelihood is the importance-weighted bound with 100 samples, of grey pixels taken as probabilities. The second
VAE is of the first one's kind, and may favour what such models draw; beside it stand test images, which none has drawn.
All replicates of an encoding share one model, and all encodings and objectives the random streams: intervals are over
searches, not over models.
"""

from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import Any

import numpy as np
import pandas as pd

import evovae
from evovae import encodings, evolution, objectives
from evovae.analysis import plots, statistics
from evovae.base import InputError, files, require_counts, require_whole
from evovae.data import ImageSet, to_unit
from evovae.objectives import RealImages, assess_images
from evovae.runs import RANDOM_SEARCH, Run
from evovae.studies import METHODS, Results, Spec, Workers, curves, follow, gather, intervals, start, study, train_cell

import torch
from torch import Tensor

ENCODINGS = ("VAE latent", "AE latent", "PCA", "pixels", "CPPN")
REAL = "test images"
MOMENTS = (0.03, 0.1, 0.3, 1.0)
"""Parts of the budget after which the best images are looked at; until the first, the initial population was."""
POINTS = 60
"""On a fitness curve."""
FOUND, CURVES, IMAGES = "found.csv", "curves.csv", "images.safetensors"
QUALITY = {"digit": 9.21, "target": -0.02}
"""What is timed: log-odds of a probability of 99.99%, and a mean squared error of 0.02; larger is better."""
SEEN = {"held_out": "held-out judge's probability", "surprise": "-log-likelihood (nats)"}
MEASURES = ["fitness", "judge", "held_out", "log_likelihood", "distance", "typicality"]


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    digits: tuple[int, ...] = tuple(range(10))
    """Classes to evolve; the first test image of each is a target."""
    replicates: int = 20
    """Independent repetitions."""
    population: int = 100
    """Individuals in each."""
    budget: int = 5000
    """Evaluations in each."""
    seed: int = 0
    """Seed of the models and of the searches."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_counts(self, "replicates", "population", "budget")
        require_whole("seed", self.seed, 0)
        distinct = set(self.digits)
        if not distinct or len(distinct) < len(self.digits) or not distinct <= set(range(10)):
            raise InputError(f"digits are {self.digits}: expected one or more of 0 to 9, each once")


def main(arguments: Arguments) -> None:
    with study("encodings", arguments.smoke) as results:
        with arguments.where.executor() as executor:
            runs = run_cells(arguments, results, executor)
        found = gather(runs, FOUND)
        found["reached"] = found["reached"].where(found["reached"] <= runs[0].config["settings"]["budget"], np.inf)
        write_tables(found, results)
        draw_fitness(found, [run for run in runs if run.config["settings"]["encoding"] != REAL], results)
        draw_images(runs, results)


def run_cells(arguments: Arguments, results: Results, executor: Executor) -> list[Run]:
    """Train the models; search with each encoding for each objective; return the searches by objective."""
    common = {"seed": arguments.seed, "smoke": arguments.smoke}
    models: dict[str, dict[str, Any]] = {"VAE latent": common, "AE latent": common | {"variational": False}}
    models["critic"] = common | {"seed": arguments.seed + 1}
    results.run_all([Spec(results.cells / name, train_cell, settings) for name, settings in models.items()], executor)
    classes, replicates, budget = arguments.digits, arguments.replicates, arguments.budget
    if arguments.smoke:
        classes, replicates, budget = classes[:1], 2, 2 * arguments.population
    labels = evovae.load_images("mnist").test.labels
    asked = [(f"digit:{k}", k) for k in classes]
    asked += [(f"target:test/{int((labels == k).nonzero()[0])}", k) for k in classes]
    sizes = {"population": arguments.population, "budget": budget, "replicates": replicates, "seed": arguments.seed}
    specs = []
    for (objective, label), encoding in product(asked, (*ENCODINGS, REAL)):
        folder = results.cells / f"{objective.partition(':')[0]} {label} {encoding}"
        specs.append(Spec(folder, search, {"objective": objective, "label": label, "encoding": encoding} | sizes))
    return results.run_all(specs, executor)


def search(
    run: Run, objective: str, label: int, encoding: str, population: int, budget: int, replicates: int, seed: int
) -> None:
    """Fill a cell with what three searches find in an encoding, or with the test images that they are held against."""
    digits = evovae.load_images("mnist")
    judges, critic = evovae.judges_for(digits), evovae.VAE.load(run.folder.parent / "critic")
    asked, kind = objectives.parse(objective, objectives.Context(digits, judges.judge)), objective.partition(":")[0]
    rows, courses, images, real = [], [], {}, RealImages(digits)

    def look(method: str, moment: float, shown: Tensor, reached: Any) -> None:
        images[f"{method} {moment}"] = shown[0]
        named = {"kind": kind, "objective": objective, "encoding": encoding, "method": method, "moment": moment}
        fitness = asked.weights[0] * asked(shown)[:, 0].numpy()  # larger is better
        columns = pd.DataFrame(named | {"replicate": range(len(shown)), "reached": reached, "fitness": fitness})
        rows.append(pd.concat([columns, assess_images(shown, label, judges, critic, seed, real)], axis=1))

    if encoding == REAL:  # of targets only the image itself
        alike = to_unit(digits.test.subset(classes=[label]).images[: replicates if kind == "digit" else 1])
        look(REAL, 1.0, alike, np.nan)
    else:
        genotype = make_encoding(encoding, run, digits)
        toolbox = evolution.toolbox(genotype, asked)
        first = toolbox.population(n=population, replicates=replicates, seed=seed)
        for method in METHODS:
            course = follow(method, first, toolbox, budget)
            reached = statistics.evaluations_to_target(course.evaluations, course.best, QUALITY[kind])
            for moment in MOMENTS:
                genomes = course.genomes[course.generation_at(budget * moment)]
                look(method, moment, genotype.decode(genomes), reached)
            table = course.table(np.linspace(population, budget, POINTS))
            courses.append(table.assign(kind=kind, encoding=encoding, method=method))
        run.write_table(CURVES, pd.concat(courses))
    run.write_table(FOUND, pd.concat(rows))
    files.save_tensors(run.folder / IMAGES, "images", images, {})


def make_encoding(name: str, run: Run, digits: ImageSet) -> encodings.Encoding:
    """Return an encoding by its name."""
    if name == "PCA":
        return encodings.PCAEncoding(digits.train.images, 32)
    if name == "pixels":
        return encodings.PixelEncoding(digits.shape)
    if name == "CPPN":
        return encodings.CPPNEncoding(digits.shape)
    return encodings.LatentEncoding(evovae.VAE.load(run.folder.parent / name))


def write_tables(found: pd.DataFrame, results: Results) -> None:
    """Write what was found: over objectives, for each objective, the time to a fixed quality, and who beats whom."""
    by = ["kind", "encoding", "method", "moment"]
    over_objectives = found.groupby([*by, "replicate"], sort=False)[MEASURES].mean().reset_index()
    summary = results.intervals(over_objectives, by, MEASURES)
    results.table("summary", summary, show=False)
    print(summary[summary["moment"] == 1.0][[*by, *MEASURES]].to_string(index=False, float_format="{:.4g}".format))
    final = found[found["moment"] == 1.0]
    results.table("objectives", intervals(final, ["objective", "encoding", "method"], MEASURES), show=False)
    rows = []
    for (kind, encoding, method), group in final[final["encoding"] != REAL].groupby(by[:3], sort=False):
        reached = group.pivot(index="replicate", columns="objective", values="reached").median(axis=1)
        median = statistics.median_interval(reached)
        named = {"kind": kind, "encoding": encoding, "method": method, "reached": np.isfinite(group["reached"]).mean()}
        rows.append(named | dict(zip(("evaluations", "low", "high"), median, strict=True)))
    results.table("evaluations", pd.DataFrame(rows))
    rows = []
    for kind, group in final[final["method"] == "evolution"].groupby("kind", sort=False):
        fitness = group.pivot(index="replicate", columns=["encoding", "objective"], values="fitness")
        for one, other in permutations(ENCODINGS, 2):
            better = statistics.probability_of_improvement(fitness[one], fitness[other])
            named = {"kind": kind, "encoding": one, "than": other}
            rows.append(named | dict(zip(("probability", "low", "high"), better, strict=True)))
    results.table("improvement", pd.DataFrame(rows), show=False)


def draw_fitness(found: pd.DataFrame, runs: list[Run], results: Results) -> None:
    """Draw fitness against evaluations, averaged over objectives of a kind, and what others think of the digits."""
    axes = plots.panels(4, 2, width=5.0, height=3.6)
    courses = gather(runs, CURVES)
    keys = ["kind", "encoding", "method", "evaluations", "seed"]
    courses = courses.groupby(keys, sort=False)["best"].mean().reset_index()  # over objectives
    evolved, latent = courses["method"] == "evolution", courses["encoding"] == ENCODINGS[0]
    courses["label"] = courses["encoding"].where(evolved, courses["encoding"] + ", " + courses["method"])
    courses = courses[evolved | latent].sort_values("method", kind="stable")
    for ax, kind, ylabel in zip(axes, QUALITY, ("log-odds of the digit", "-error to the target"), strict=False):
        drawn = curves(courses[courses["kind"] == kind], "label", "evaluations", "best")
        grey = [f"{ENCODINGS[0]}, {RANDOM_SEARCH.label}"]
        plots.fitness_curve(drawn, ylabel, individual=False, baselines=grey, ax=ax)
    seen = found[(found["kind"] == "digit") & found["method"].isin(["evolution", REAL])]
    seen = seen.assign(seed=seen["replicate"], surprise=-seen["log_likelihood"])
    seen = seen.groupby(["encoding", "moment", "seed"], sort=False)[["held_out", "surprise"]].mean().reset_index()
    for ax, (name, ylabel), yscale in zip(axes[2:], SEEN.items(), ("linear", "log"), strict=True):
        drawn = curves(seen, "encoding", "moment", name)
        drawn[REAL] = (np.array(MOMENTS), np.repeat(drawn[REAL][1], len(MOMENTS), axis=1))
        plots.trend(drawn, "part of the budget", ylabel, "log", yscale, baseline=REAL, title="digits, evolution", ax=ax)
    results.figure("fitness", axes[0])


def draw_images(runs: list[Run], results: Results) -> None:
    """Draw the best images of one replicate: of every objective, and of the first through the evaluations."""
    images: dict[tuple[str, str, str], Tensor] = {}
    for run in runs:
        settings, pictures = run.config["settings"], files.load_tensors(run.folder / IMAGES, "images")[0]
        images |= {(settings["encoding"], settings["objective"], name): image for name, image in pictures.items()}
    asked = list(dict.fromkeys(run.config["settings"]["objective"] for run in runs))
    last = {REAL: f"{REAL} 1.0"} | dict.fromkeys(ENCODINGS, "evolution 1.0")
    best = [torch.stack([images[name, objective, method] for objective in asked]) for name, method in last.items()]
    results.figure(
        "best", plots.image_table(torch.stack(best), list(last), [name.removeprefix("target:") for name in asked])
    )
    shown = list(product((asked[0], asked[-1]), MOMENTS))
    moments = [torch.stack([images[name, own, f"evolution {part}"] for own, part in shown]) for name in ENCODINGS]
    labels = [f"{objective.removeprefix('target:')}\n{part:.0%}" for objective, part in shown]
    results.figure("moments", plots.image_table(torch.stack(moments), ENCODINGS, labels))


if __name__ == "__main__":
    start(main, Arguments, __doc__)
