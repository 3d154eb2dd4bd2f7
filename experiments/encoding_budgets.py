"""Does a larger budget close the gap between raw pixels and a learned space?

`compare_encodings.py` gives every encoding 5,000 evaluations, which may be few for 784 genes. Here evolution gets a
hundred times as many, in the VAE's latent space, in 32 principal components and in pixels: for the log-odds of digits
and for likeness to held-out images of them. CPPNs, whose images take longer to make, and random search get ten times as
many. Looked at after 1, 3, 10, 30 and 100 times 5,000: fitness, and what the search never saw.

Written before the full run: of the mean over the objectives of a kind, the difference from the VAE's latent space after
as many evaluations, and from what that had after 5,000; by groups, with Student's interval over these. An encoding is
`behind` or `ahead` where it lies on one side of 0, and otherwise `undecided`. Pixels close the gap in a measure if they
are ahead, or undecided, at a hundred times the budget; undecided is no proof that there is none. Expect them to satisfy
the judge and come near the targets, which they can show exactly, and to stay behind in what others believe.

    python experiments/encoding_budgets.py --workers 2    some 30 minutes on two cores, by estimate
    python experiments/encoding_budgets.py --smoke        seconds, leaving no results

The cells: an objective in an encoding. Groups are as those of `compare_encodings.py`: each has its own VAE and critic,
and here one search for each objective; of PCA, pixels and CPPNs they differ in critic and search alone, and evolve side
by side.
"""

from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pandas as pd
from methods.compared_encodings import LEARNED, YLABELS, Viewer, ask, make_encoding, model_specs, require_digits

from evovae import evolution
from evovae.analysis import plots
from evovae.base import require_counts
from evovae.runs import EVOLUTION, RANDOM_SEARCH, Run
from evovae.studies import Results, Spec, Workers, curves, follow, gather, start, study

LATENT = "VAE latent"
MOST = {LATENT: 100, "PCA": 100, "pixels": 100, "CPPN": 10}
"""Encodings, and how many times the budget evolution gets in each."""
MOST_DRAWN = 10
"""How many times it random search gets."""
TIMES = (1, 3, 10, 30, 100)
FOUND = "found.csv"
COMPARED = ["fitness", "held_out", "log_likelihood", "typicality"]
MEASURES = ["fitness", "judge", *COMPARED[1:]]
SEEN = {"held_out": "held-out judge's probability", "surprise": "-log-likelihood (nats)"}


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    digits: tuple[int, ...] = (3, 8)
    """Classes to evolve; the first test image of each is a target."""
    groups: int = 5
    """Groups, each with models of its own and one search for each objective."""
    population: int = 100
    """Individuals in each search."""
    budget: int = 5000
    """Evaluations that are multiplied."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_counts(self, "groups", "population", "budget")
        require_digits(self.digits)


def main(arguments: Arguments) -> None:
    classes, groups, population, budget = arguments.digits, arguments.groups, arguments.population, arguments.budget
    if arguments.smoke:
        classes, groups, population, budget = classes[:1], 1, 10, 10
    seeds = list(range(groups))
    with study("encoding_budgets", arguments.smoke) as results:
        specs = []
        for (objective, label), encoding in product(ask(classes), MOST):
            cell = {"objective": objective, "label": label, "encoding": encoding, "seeds": seeds}
            folder = results.cells / f"{objective.partition(':')[0]} {label} {encoding}"
            specs.append(Spec(folder, search, cell | {"population": population, "budget": budget}))
        with arguments.where.executor() as executor:
            results.run_all(model_specs(results.cells, MOST, seeds, arguments.smoke), executor)
            found = gather(results.run_all(specs, executor), FOUND)
        write_tables(found, results)
        draw(found, results)


def search(run: Run, objective: str, label: int, encoding: str, seeds: list[int], population: int, budget: int) -> None:
    """Fill a cell with what the search of each group had found after each multiple of the budget.

    A search in pixels keeps the best genome of some 8,000 generations: 130 MB for five groups.
    """
    rows, cells = [], run.folder.parent
    viewers = {seed: Viewer(objective, label, cells, seed) for seed in seeds}
    named = {"kind": objective.partition(":")[0], "objective": objective, "encoding": encoding}
    for together in [[seed] for seed in seeds] if encoding in LEARNED else [seeds]:
        genotype = make_encoding(encoding, cells, together[0])
        toolbox = evolution.toolbox(genotype, viewers[together[0]].asked)
        first = toolbox.population(n=population, replicates=len(together), seed=together[0])
        for method, most in ((EVOLUTION.label, MOST[encoding]), (RANDOM_SEARCH.label, MOST_DRAWN)):
            course = follow(method, first, toolbox, most * budget)
            for times in (times for times in TIMES if times <= most):
                images = genotype.decode(course.genomes_at(times * budget))
                for seed, image in zip(together, images.split(1), strict=True):
                    place = pd.DataFrame([named | {"method": method, "times": times, "seed": seed}])
                    rows.append(pd.concat([place, viewers[seed].look(image)], axis=1))
    run.write_table(FOUND, pd.concat(rows))


def write_tables(found: pd.DataFrame, results: Results) -> None:
    """Write what every search had found, the means over objectives of a kind, and how far all are from the VAE's."""
    found = results.rows("searches", found)
    by = ["kind", "encoding", "method", "times"]
    groups = found.groupby([*by, "seed"], sort=False)[MEASURES].mean().reset_index()
    results.table("summary", results.intervals(groups, by, MEASURES))
    by = ["kind", "encoding", "times", "against"]
    gaps = results.intervals(differences(groups), by, COMPARED, "gaps")
    for name in COMPARED:
        sides = [gaps[f"{name}_low"] > 0, gaps[f"{name}_high"] < 0]
        gaps[f"{name}_verdict"] = np.select(sides, ["ahead", "behind"], "undecided")
    results.table("gaps", gaps, show=False)
    print(gaps[gaps["encoding"] == "pixels"][[*by, *(f"{name}_verdict" for name in COMPARED)]].to_string(index=False))


def differences(groups: pd.DataFrame) -> pd.DataFrame:
    """Return how far evolution in other encodings is from the VAE's latent space, by group and multiple of the budget.

    `against` tells from what of it: after as many evaluations, or after the budget itself.
    """
    evolved = groups[groups["method"] == EVOLUTION.label]
    latent, others = evolved[evolved["encoding"] == LATENT], evolved[evolved["encoding"] != LATENT]
    keys, found = ["kind", "seed", "times"], []
    for against, base in (("as many", others[keys]), ("the budget", others[keys].assign(times=TIMES[0]))):
        reference = latent.set_index(keys)[COMPARED].reindex(pd.MultiIndex.from_frame(base))
        rows = others.assign(against=against)
        rows[COMPARED] = others[COMPARED].to_numpy() - reference.to_numpy()
        found.append(rows)
    return pd.concat(found, ignore_index=True)


def draw(found: pd.DataFrame, results: Results) -> None:
    """Draw fitness against the budget for each kind, and what others think of the digits; random search grey."""
    keys, grey = ["kind", "encoding", "method", "times", "seed"], f"{LATENT}, {RANDOM_SEARCH.label}"
    found = found.assign(surprise=-found["log_likelihood"])
    groups = found.groupby(keys, sort=False)[["fitness", *SEEN]].mean().reset_index()
    evolved = groups["method"] == EVOLUTION.label
    groups["label"] = groups["encoding"].where(evolved, groups["encoding"] + ", " + groups["method"])
    groups = groups[evolved | (groups["label"] == grey)]
    axes = plots.panels(2 * len(YLABELS), 2, width=5.0, height=3.6)
    shown = [(kind, "fitness", ylabel, "linear") for kind, ylabel in YLABELS.items()]
    shown += [("digit", "held_out", SEEN["held_out"], "linear"), ("digit", "surprise", SEEN["surprise"], "log")]
    for ax, (kind, name, ylabel, scale) in zip(axes, shown, strict=True):
        own = curves(groups[groups["kind"] == kind], "label", "times", name)
        plots.trend(own, "times the budget", ylabel, "log", scale, baseline=grey, title=f"{kind}s", ax=ax)
    results.figure("budgets", axes[0])


if __name__ == "__main__":
    start(main, Arguments, __doc__)
