"""Is a latent space good for diversity at all?

Hagg et al. 2021 ("Expressivity of parameterized and data-driven representations in quality diversity search", GECCO)
found more diverse shapes by searching their parameters than by searching a VAE's latent space, and that a VAE
interpolates better than it extrapolates. Here shapes of 16 parameters (`methods/shapes.py`) are searched for symmetry
under half a turn, the best of each area and roundness: in the parameters, in the latent spaces of VAEs, in the pixels,
each by 33,280 evaluations. VAEs know shapes of all areas, or all but the middle ones, or all but the large ones.
Diversity is that of a hundred elites by their pixels, which no search was asked for (pure diversity), and of the
nearest shapes of known parameters; an elite counts as a shape where it overlaps by 0.85 with one.

The rule, written after a pilot of one seed and before the full run: differences are paired by seed, of models and
searches, of five; one is more where the 95% interval of the difference lies above 0. The paper is reproduced where the
parameters' elites are more diverse than those of the box, as it bounded latent genes, by MAP-Elites with lines. A VAE
extrapolates less than it interpolates where it loses more of the large cells, unseen, than of the middle ones, both as
shares of what a VAE fills that has seen all.

    python experiments/latent_diversity.py --workers 2    25 minutes
    python experiments/latent_diversity.py --smoke        seconds, leaving no results
"""

import pandas as pd
from methods.shape_searches import (
    ALL,
    BALL,
    BOX,
    CMA_ME,
    CURVES,
    ELITES,
    FOUND,
    FREE,
    GRID,
    LINE,
    PARAMETERS,
    PIXELS,
    RANDOM,
    RANGES,
    SEARCHES,
    Search,
    searches,
    trainings,
)  # fmt: skip

from evovae.analysis import Interval, plots
from evovae.base import files
from evovae.runs import Run, best_in_blocks
from evovae.studies import VERDICTS, Arguments, Results, curves, figure_row, gather, start, study

import torch

BY = ["space", "method", "seen"]
COMPARED = ["coverage", "diversity", "diversity_of_shapes", "shapes"]
PAIRS = [(Search(PARAMETERS), Search(space)) for space in (BOX, BALL, FREE, PIXELS)]
PAIRS += [(Search(PARAMETERS, method), Search(BOX, method)) for method in (CMA_ME, RANDOM)]
ZONES = {"middle": Search(BOX, LINE, "no middle"), "large": Search(BOX, LINE, "no large")}
EXTRAPOLATION, SOURCE = "lost of the large - of the middle", "Hagg et al. 2021"
SHOWN = [Search(PARAMETERS), Search(BOX), Search(FREE), Search(BOX, LINE, "no large")]
MEASURES = ["elites", "middle", "large", "qd_score", "symmetry", "overlap", *COMPARED]


def main(arguments: Arguments) -> None:
    with study("latent_diversity", arguments.smoke) as results:
        seeds = range(1 if arguments.smoke else arguments.seeds)
        with arguments.where.executor() as executor:
            results.run_all(trainings(results.cells, seeds, arguments.smoke), executor)
            runs = results.run_all(searches(results.cells, seeds, arguments.smoke), executor)
        write_tables(gather(runs, FOUND), results)
        draw(runs, results)


def tell(one: Search, other: Search) -> str:
    """Return what a difference is called."""
    return f"{one.space} - {other.space}, {one.method}"


def write_tables(found: pd.DataFrame, results: Results) -> None:
    """Write what each search comes to, what differs, and what that says of what was published."""
    results.table("summary", results.intervals(found, BY, MEASURES), show=False)
    values = found.set_index([*BY, "seed"]).sort_index()
    rows = []
    for one, other in PAIRS:
        more = values.loc[one] - values.loc[other]
        rows.append(more[COMPARED].reset_index().assign(difference=tell(one, other)))
    lost = {name: 1.0 - values.loc[unseen, name] / values.loc[Search(BOX), name] for name, unseen in ZONES.items()}
    beyond = (lost["large"] - lost["middle"]).rename("lost").reset_index().assign(difference=EXTRAPOLATION)
    than = results.intervals(pd.concat(rows), ["difference"], COMPARED, "differences")
    results.table("differences", than)
    zones = results.intervals(beyond, ["difference"], ["lost"], "zones")
    results.table("zones", zones)
    (diversity,) = than[than["difference"] == tell(*PAIRS[0])].to_dict("records")
    verdicts = []
    for name, row, measure in (
        ("more diverse parameters than latent genes", diversity, "diversity"),
        ("more lost of what lies beyond than of what lies between", zones.to_dict("records")[0], "lost"),
    ):
        ours = Interval(*(row[f"{measure}{end}"] for end in ("", "_low", "_high")))
        verdict = "reproduced" if ours[1] > 0 else "not reproduced" if ours[2] < 0 else "undecided"
        verdicts.append(figure_row(name, SOURCE, "more", ours, verdict, ".2f"))
    results.table(VERDICTS, pd.DataFrame(verdicts))


def draw(runs: list[Run], results: Results) -> None:
    """Draw coverage against evaluations, and the archives of the first seed over area and roundness."""
    rows = [run.read_table(CURVES).assign(seed=run.config["settings"]["seed"]) for run in runs]
    found = pd.concat(rows, ignore_index=True)
    axes = plots.panels(2, 2, 5.0, 3.4)
    for ax, (title, own, label) in zip(
        axes,
        (
            ("MAP-Elites (line)", found[(found["method"] == LINE) & (found["seen"] == ALL)], "space"),
            ("parameters", found[found["space"] == PARAMETERS], "method"),
        ),
        strict=True,
    ):
        plots.trend(curves(own, label, "evaluations", "coverage"), "evaluations", "cells filled, %", title=title, ax=ax)
    results.figure("coverage", axes[0])
    axes = plots.panels(len(SHOWN), len(SHOWN), 3.6, 3.2)
    for ax, how in zip(axes, SHOWN, strict=True):
        kept, _ = files.load_tensors(runs[SEARCHES.index(how)].folder / ELITES, "elites")
        tiles = best_in_blocks(kept["index"].numpy(), kept["objective"].numpy(), GRID)
        images = kept["images"][torch.from_numpy(tiles.rows)]
        title = how.space if how.seen == ALL else f"{how.space}, {how.seen} seen"
        plots.elite_map(images, tiles.places, tiles.blocks, RANGES, ("area", "roundness"), title, ax=ax)
    results.figure("archives", axes[0])


if __name__ == "__main__":
    start(main, Arguments, __doc__)
