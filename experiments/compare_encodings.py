"""Can one use an autoencoder to encode data for a GA: what happens, and what does that look like?

The same GA (blend crossover, Gaussian mutation in each encoding's own scale, tournaments of three) with the same budget
on five encodings of MNIST's images: latent vectors of a VAE and of a plain autoencoder, scores of 32 principal
components, raw pixels, and the weights of a CPPN. It evolves for the log-odds of each digit, and for likeness to ten
held-out images; random search and gradient ascent get as many evaluations. Fitness, and what the search never saw: the
held-out judge, and the log-likelihood and reconstruction distance of a second VAE that none of the encodings uses.
Expect every encoding to satisfy the judge, as Nguyen, Yosinski and Clune (2015) found for pixels and CPPNs, and only
those learned from digits to make something that others believe.

    python experiments/compare_encodings.py --workers 2    some 20 minutes on two cores, by estimate
    python experiments/compare_encodings.py --smoke        seconds, leaving no results

The log-likelihood is the importance-weighted bound with 100 samples, of grey pixels taken as probabilities. The second
VAE is of the first one's kind, and may favour what such models draw; beside it stand test images, which none has drawn.
Replicates come in groups, each with a seed of its own, for the model of a learned encoding, the second VAE and the
searches. PCA, pixels and CPPNs have no random model: their groups differ in critic and searches alone. An interval is
over groups: Student's t of the means over a group's searches, which holds what models and searches vary by
(`interval_coverage.py`). All groups share the judges and, of one seed, all encodings and objectives the random streams.
"""

from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import permutations, product

import numpy as np
import pandas as pd
from methods.compared_encodings import (
    ENCODINGS,
    MEASURES,
    YLABELS,
    Viewer,
    ask,
    common,
    make_encoding,
    model_specs,
    require_digits,
)

from evovae import evolution
from evovae.analysis import plots, statistics
from evovae.base import files, require_counts, require_whole
from evovae.data import to_unit
from evovae.runs import RANDOM_SEARCH, Run
from evovae.studies import METHODS, Results, Spec, Workers, curves, follow, gather, start, study

import torch
from torch import Tensor

REAL = "test images"
MOMENTS = (0.03, 0.1, 0.3, 1.0)
"""Parts of the budget after which the best images are looked at; until the first, the initial population was."""
POINTS = 60
"""On a fitness curve."""
FOUND, CURVES, IMAGES = "found.csv", "curves.csv", "images.safetensors"
QUALITY = {"digit": 9.21, "target": -0.02}
"""What is timed: log-odds of a probability of 99.99%, and a mean squared error of 0.02; larger is better."""
SEEN = {"held_out": "held-out judge's probability", "surprise": "-log-likelihood (nats)"}


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    digits: tuple[int, ...] = tuple(range(10))
    """Classes to evolve; the first test image of each is a target."""
    groups: int = 5
    """Groups of replicates, each with models of its own."""
    replicates: int = 4
    """Searches in each group."""
    population: int = 100
    """Individuals in each search."""
    budget: int = 5000
    """Evaluations in each search."""
    seed: int = 0
    """Seed of the first group's models and searches; the others count up."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_counts(self, "groups", "replicates", "population", "budget")
        require_whole("seed", self.seed, 0)
        require_digits(self.digits)


def main(arguments: Arguments) -> None:
    with study("compare_encodings", arguments.smoke) as results:
        with arguments.where.executor() as executor:
            runs = run_cells(arguments, results, executor)
        found = gather(runs, FOUND)
        found["reached"] = found["reached"].where(found["reached"] <= runs[0].config["settings"]["budget"], np.inf)
        write_tables(found, results)
        draw_fitness(found, [run for run in runs if run.config["settings"]["encoding"] != REAL], results)
        draw_images(runs, results)


def run_cells(arguments: Arguments, results: Results, executor: Executor) -> list[Run]:
    """Train the models; search with each encoding for each objective; return the searches by objective."""
    classes, groups, replicates, budget = arguments.digits, arguments.groups, arguments.replicates, arguments.budget
    if arguments.smoke:
        classes, groups, replicates, budget = classes[:1], 1, 2, 2 * arguments.population
    seeds = list(range(arguments.seed, arguments.seed + groups))
    results.run_all(model_specs(results.cells, ENCODINGS, seeds, arguments.smoke), executor)
    sizes = {"population": arguments.population, "budget": budget, "replicates": replicates, "seeds": seeds}
    specs = []
    for (objective, label), encoding in product(ask(classes), (*ENCODINGS, REAL)):
        folder = results.cells / f"{objective.partition(':')[0]} {label} {encoding}"
        specs.append(Spec(folder, search, {"objective": objective, "label": label, "encoding": encoding} | sizes))
    return results.run_all(specs, executor)


def search(
    run: Run, objective: str, label: int, encoding: str, population: int, budget: int, replicates: int, seeds: list[int]
) -> None:
    """Fill a cell with what three searches find in an encoding, or with the test images that they are held against."""
    kind, cells = objective.partition(":")[0], run.folder.parent
    rows, courses = [], []
    images: dict[str, Tensor] = {}
    for seed in seeds:
        viewer = Viewer(objective, label, cells, seed)
        named = {"kind": kind, "objective": objective, "encoding": encoding, "seed": seed}
        if encoding == REAL:
            shown, method, moment = choose_real(label, kind, replicates, seeds.index(seed)), REAL, 1.0
            images.setdefault(f"{method} {moment}", shown[0])
            places = {"method": method, "moment": moment, "replicate": range(len(shown)), "reached": np.nan}
            rows.append(pd.concat([pd.DataFrame(named | places), viewer.look(shown)], axis=1))
            continue
        genotype = make_encoding(encoding, cells, seed)
        toolbox = evolution.toolbox(genotype, viewer.asked)
        first = toolbox.population(n=population, replicates=replicates, seed=seed)
        for method in METHODS:
            course = follow(method, first, toolbox, budget)
            reached = statistics.evaluations_to_target(course.evaluations, course.best, QUALITY[kind])
            for moment in MOMENTS:
                shown = genotype.decode(course.genomes[course.generation_at(budget * moment)])
                images.setdefault(f"{method} {moment}", shown[0])
                places = {"method": method, "moment": moment, "replicate": range(replicates), "reached": reached}
                rows.append(pd.concat([pd.DataFrame(named | places), viewer.look(shown)], axis=1))
            table = course.table(np.linspace(population, budget, POINTS)).rename(columns={"seed": "replicate"})
            courses.append(table.assign(kind=kind, encoding=encoding, method=method, seed=seed))
    if courses:
        run.write_table(CURVES, pd.concat(courses))
    run.write_table(FOUND, pd.concat(rows))
    files.save_tensors(run.folder / IMAGES, "images", images, {})


def choose_real(label: int, kind: str, count: int, group: int) -> Tensor:
    """Return test images that a group is held against: as many others of the class, of a target the image itself."""
    alike = common().digits.test.subset(classes=[label]).images
    return to_unit(alike[:1] if kind == "target" else alike[group * count : (group + 1) * count])


def write_tables(found: pd.DataFrame, results: Results) -> None:
    """Write what was found: over objectives, for each objective, the time to a fixed quality, and who beats whom."""
    by = ["kind", "encoding", "method", "moment"]
    searches = found.groupby([*by, "seed", "replicate"], sort=False)[MEASURES].mean().reset_index()
    searches = results.rows("searches", searches)
    groups = searches.groupby([*by, "seed"], sort=False)[MEASURES].mean().reset_index()
    summary = results.intervals(groups, by, MEASURES)
    results.table("summary", summary, show=False)
    print(summary[summary["moment"] == 1.0][[*by, *MEASURES]].to_string(index=False, float_format="{:.4g}".format))
    final = found[found["moment"] == 1.0]
    by = ["objective", "encoding", "method"]
    groups = final.groupby([*by, "seed"], sort=False)[MEASURES].mean().reset_index()
    results.table("objectives", results.intervals(groups, by, MEASURES, "objectives"), show=False)
    final = final[final["encoding"] != REAL]
    results.table("evaluations", time_to_quality(final))
    wins = compare(final[final["method"] == "evolution"])
    by = ["kind", "encoding", "than"]
    results.table("improvement", results.intervals(wins, by, ["probability"], "improvement"), show=False)


def time_to_quality(final: pd.DataFrame) -> pd.DataFrame:
    """Return the median evaluations to the quality, of objectives, then of a group's searches, then of groups.

    Of five groups its interval is the range, which misses in 6%. `reached` is the share of all searches that did.
    """
    rows, by = [], ["kind", "encoding", "method"]
    for key, group in final.groupby(by, sort=False):
        searches = group.pivot(index=["seed", "replicate"], columns="objective", values="reached").median(axis=1)
        median = statistics.median_interval(searches.groupby("seed").median())
        named = dict(zip(by, key, strict=True)) | {"reached": np.isfinite(group["reached"]).mean()}
        rows.append(named | dict(zip(("evaluations", "low", "high"), median, strict=True)))
    return pd.DataFrame(rows)


def compare(final: pd.DataFrame) -> pd.DataFrame:
    """Return how probably a search in one encoding beats one in another, for each pair of groups with one seed.

    The mean over objectives of the share of pairs of searches that it wins, where ties count half.
    """
    rows = []
    for (kind, seed), group in final.groupby(["kind", "seed"], sort=False):
        fitness = group.pivot(index="replicate", columns=["encoding", "objective"], values="fitness")
        for one, other in permutations(ENCODINGS, 2):
            better = statistics.probability_of_improvement(fitness[one], fitness[other]).estimate
            rows.append({"kind": kind, "encoding": one, "than": other, "seed": seed, "probability": better})
    return pd.DataFrame(rows)


def draw_fitness(found: pd.DataFrame, runs: list[Run], results: Results) -> None:
    """Draw fitness against evaluations, averaged over objectives of a kind, and what others think of the digits."""
    axes = plots.panels(4, 2, width=5.0, height=3.6)
    courses = gather(runs, CURVES)
    keys = ["kind", "encoding", "method", "evaluations", "seed"]
    courses = courses.groupby(keys, sort=False)["best"].mean().reset_index()  # over objectives and a group's searches
    evolved, latent = courses["method"] == "evolution", courses["encoding"] == ENCODINGS[0]
    courses["label"] = courses["encoding"].where(evolved, courses["encoding"] + ", " + courses["method"])
    courses = courses[evolved | latent].sort_values("method", kind="stable")
    for ax, (kind, ylabel) in zip(axes, YLABELS.items(), strict=False):
        drawn = curves(courses[courses["kind"] == kind], "label", "evaluations", "best")
        grey = [f"{ENCODINGS[0]}, {RANDOM_SEARCH.label}"]
        plots.fitness_curve(drawn, ylabel, individual=False, baselines=grey, ax=ax)
    seen = found[(found["kind"] == "digit") & found["method"].isin(["evolution", REAL])]
    seen = seen.assign(surprise=-seen["log_likelihood"])
    seen = seen.groupby(["encoding", "moment", "seed"], sort=False)[["held_out", "surprise"]].mean().reset_index()
    for ax, (name, ylabel), yscale in zip(axes[2:], SEEN.items(), ("linear", "log"), strict=True):
        drawn = curves(seen, "encoding", "moment", name)
        drawn[REAL] = (np.array(MOMENTS), np.repeat(drawn[REAL][1], len(MOMENTS), axis=1))
        plots.trend(drawn, "part of the budget", ylabel, "log", yscale, baseline=REAL, title="digits, evolution", ax=ax)
    results.figure("fitness", axes[0])


def draw_images(runs: list[Run], results: Results) -> None:
    """Draw the best images of one search: of every objective, and of the first through the evaluations."""
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
