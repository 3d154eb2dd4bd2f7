"""Which optimiser finds most in a latent space, at equal numbers of evaluations and at equal time?

The genetic algorithm by evovae's default settings, and tuned; separable CMA-ES; gradient ascent (Adam), which looks
inside decoder and judge; random search. Each of the three that are tuned is tried with six settings, on one digit in
the latent space of one VAE, with five replicates, and keeps the one of highest mean fitness. Then all search for the
nine other digits (log-odds) and for three test images (error) in the latent spaces of five other VAEs, two replicates
each: ten of an objective. What was found is looked at by a judge and a VAE that no search asks.

A gradient is no mere evaluation: with judge and decoder it takes 3.2 times as long as a fitness on one core (2.2
without a judge). So gradient ascent is tuned and run twice: with as many evaluations as the others, and with a third.
A replicate's result is what it had within its budget.

Expect gradient ascent with few climbers to lead at equal evaluations, and to lose much of that at equal time; CMA-ES
to be ahead of the GA by less than 5% of the log-odds; and more fitness not to mean more realism. The rule: of a kind
of objective a method is better or worse than the default GA where the 95% interval over VAEs of the difference, paired
by VAE, lies on one side of 0; else they do not differ.

    python experiments/optimisers.py --workers 2    about 10 minutes on two cores
    python experiments/optimisers.py --smoke        seconds, leaving no results

Genomes keep to the ball that is the default. Intervals are over VAEs, each the mean of its objectives and replicates.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

import evovae
from evovae import evolution, objectives
from evovae.analysis import plots
from evovae.base import require_counts
from evovae.evolution import EarlyStopping, Generation, HallOfFame
from evovae.objectives import assess_images
from evovae.runs import Run
from evovae.studies import Results, Spec, Workers, curves, gather, intervals, record_course, start, study, train_cell

DEFAULT, GA, CMAES, RANDOM = "GA, default", "GA, tuned", "separable CMA-ES", "random search"
GRADIENT, IN_TIME = "gradient ascent", "gradient ascent, equal time"
CLIMBING = [{"population": n, "rate": rate} for n, rate in product((5, 20, 80), (0.1, 0.3))]
TRIED: dict[str, list[dict[str, Any]]] = {
    GA: [{"population": n, "elites": elites} for n, elites in product((50, 100, 200), (0, 2))],
    CMAES: [{"population": n, "sigma": sigma} for n, sigma in product((14, 40), (0.25, 0.5, 1.0))],
    GRADIENT: CLIMBING,
    IN_TIME: CLIMBING,
}
UNTRIED: dict[str, list[dict[str, Any]]] = {DEFAULT: [{"population": 200, "elites": 0}], RANDOM: [{"population": 100}]}
SLOWER = 3
"""Evaluations in the time of one gradient, rounded."""
TUNED, TESTED = "digit:3", (0, 1, 2, 4, 5, 6, 7, 8, 9)
POINTS = 40
FOUND, CURVES = "found.csv", "curves.csv"
SEEN = ["judge", "held_out", "log_likelihood", "distance", "norm"]


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    vaes: int = 5
    """VAEs whose latent spaces are searched, with seeds from 0 up; two more tune and look on."""
    replicates: int = 2
    """Independent repetitions in each."""
    budget: int = 5000
    """Evaluations in each."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_counts(self, "vaes", "replicates", "budget")


def main(arguments: Arguments) -> None:
    vaes, replicates, budget = arguments.vaes, arguments.replicates, arguments.budget
    tested = [f"digit:{k}" for k in TESTED] + [f"target:test/{k}" for k in range(3)]
    if arguments.smoke:
        vaes, replicates, budget, tested = 1, 2, 600, ["digit:8", "target:test/0"]
    with study("optimisers", arguments.smoke) as results:
        with arguments.where.executor() as executor:
            models = [
                Spec(results.cells / f"{s}", train_cell, {"seed": s, "smoke": arguments.smoke}) for s in range(vaes + 2)
            ]
            results.run_all(models, executor)
            common = {"budget": budget, "critic": vaes + 1}
            ask = {"objective": TUNED, "vae": vaes, "replicates": 2 if arguments.smoke else 5, "asked": TRIED}
            tuned = gather(results.run_all([Spec(results.cells / "tuning", search, ask | common)], executor), FOUND)
            asked = UNTRIED | choose(tuned, results)
            specs = []
            for vae, objective in product(range(vaes), tested):
                ask = {"objective": objective, "vae": vae, "replicates": replicates, "asked": asked}
                specs.append(Spec(results.cells / f"{objective.replace('/', ' ')} {vae}", search, ask | common))
            runs = results.run_all(specs, executor)
        write_tables(gather(runs, FOUND), results)
        draw(gather(runs, CURVES), results)


def search(
    run: Run, objective: str, vae: int, replicates: int, asked: dict[str, Any], budget: int, critic: int
) -> None:
    """Fill a cell with what every method finds with each of its settings, and what others think of it."""
    digits = evovae.load_images("mnist")
    judges, looker = evovae.judges_for(digits), evovae.VAE.load(run.folder.parent / f"{critic}")
    encoding = evovae.LatentEncoding(evovae.VAE.load(run.folder.parent / f"{vae}"))
    toolbox = evolution.toolbox(encoding, objectives.parse(objective, objectives.Context(digits, judges.judge)))
    kind, _, name = objective.partition(":")
    label = int(name) if kind == "digit" else int(digits.test.labels[int(name.removeprefix("test/"))])
    rows, courses = [], []
    for method, setting in ((method, setting) for method, settings in asked.items() for setting in settings):
        archive, spent = HallOfFame(1), budget // (SLOWER if method == IN_TIME else 1)
        first = toolbox.population(n=setting["population"], replicates=replicates, seed=vae)
        course = record_course(generations(method, setting, first, toolbox, spent, archive), archive)
        named = {"kind": kind, "objective": objective, "vae": vae, "method": method, "setting": say(setting)}
        genomes, best = course.genomes_at(spent), course.table([spent])["best"]
        seen = assess_images(encoding.decode(genomes), label, judges, looker)
        own = pd.DataFrame(
            named | {"replicate": range(replicates), "fitness": best, "norm": genomes.norm(dim=1).numpy()}
        )
        rows.append(pd.concat([own, seen], axis=1))
        courses.append(course.table(np.linspace(spent / POINTS, spent, POINTS)).assign(**named))
    run.write_table(FOUND, pd.concat(rows))
    run.write_table(CURVES, pd.concat(courses))


def generations(
    method: str, setting: dict[str, Any], first: evolution.Population, toolbox: Any, budget: int, archive: HallOfFame
) -> Iterator[Generation]:
    """Return a method's generations until each replicate has spent the budget."""
    if method == RANDOM:
        return evolution.random_search_iter(first, toolbox, budget, archive)
    if method in (GRADIENT, IN_TIME):
        return evolution.gradient_ascent_iter(first, toolbox, budget, setting["rate"], archive)
    if method == CMAES:
        evolution.SeparableCMAES(first, setting["sigma"], len(first)).register(toolbox)
        return EarlyStopping(evaluations=budget)(evolution.eaGenerateUpdate_iter(toolbox, budget, archive))
    return EarlyStopping(evaluations=budget)(
        evolution.eaSimple_iter(first, toolbox, 0.5, 0.2, budget, archive, setting["elites"])
    )


def say(setting: dict[str, Any]) -> str:
    """Return a setting in words."""
    return ", ".join(f"{name} {value:g}" for name, value in setting.items())


def choose(tuned: pd.DataFrame, results: Results) -> dict[str, list[dict[str, Any]]]:
    """Write how each setting did; return the best of each method."""
    tuned = results.rows("tuning_replicates", tuned[["method", "setting", "replicate", "fitness", *SEEN]])
    results.table("tuning", intervals(tuned, ["method", "setting"], ["fitness", *SEEN]))
    means = tuned.groupby(["method", "setting"])["fitness"].mean()
    return {method: [max(settings, key=lambda own: means[method, say(own)])] for method, settings in TRIED.items()}


def write_tables(found: pd.DataFrame, results: Results) -> None:
    """Write each search, the means over objectives and replicates of a VAE, and who differs from the default GA."""
    measures, by = ["fitness", *SEEN], ["kind", "method"]
    found = results.rows("found", found)
    means = (
        found.groupby([*by, "setting", "vae"], sort=False)[measures]
        .mean()
        .reset_index()
        .rename(columns={"vae": "seed"})
    )
    results.table("summary", results.intervals(means, [*by, "setting"], measures))
    default = means[means["method"] == DEFAULT].set_index(["kind", "seed"])[measures]
    paired = means[means["method"] != DEFAULT].set_index(["kind", "seed"])
    paired[measures] -= default.reindex(paired.index)
    than = results.intervals(paired.reset_index(), by, measures, "differences")
    sides = [than["fitness_low"] > 0, than["fitness_high"] < 0]
    results.table("differences", than.assign(verdict=np.select(sides, ["better", "worse"], "no difference")))


def draw(courses: pd.DataFrame, results: Results) -> None:
    """Draw the best fitness against evaluations, means over objectives and replicates, for each kind of objective."""
    courses = courses[courses["method"] != IN_TIME]
    means = courses.groupby(["kind", "method", "evaluations", "vae"], sort=False)["best"].mean().reset_index()
    axes = plots.panels(2, 2, width=5.0, height=3.6)
    for ax, kind, ylabel in zip(
        axes, ("digit", "target"), ("log-odds of the digit", "-error to the target"), strict=True
    ):
        own = means[means["kind"] == kind].rename(columns={"vae": "seed"})
        plots.fitness_curve(curves(own, "method", "evaluations", "best"), ylabel, individual=False, ax=ax)
    results.figure("fitness", axes[0])


if __name__ == "__main__":
    start(main, Arguments, __doc__)
