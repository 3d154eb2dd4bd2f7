"""What does evolution find in generators that no VAE is, and that nobody here had a hand in?

Three of them (`generators/`): faces of a DCGAN, searched for a face that it drew before (mean squared error) and for
what is unlike its usual faces (distance from their mean, in standard deviations); electrocardiograms from 40,000 even
numbers, searched for a fast heart and for high R peaks; a GAN of MNIST, searched for the boldest three, as the latent
space of a VAE of MNIST is. Each by `eaSimple`, and by random search with as many evaluations, from the same start.

The rule: evolution finds more than random search where the 95% interval of the difference, paired by replicate, lies
above 0. Expect that of all; of the faces unlike others faces that are hardly any; of the 40,000 genes little, for even
draws are nearly alike to a network that averages over them. Of the threes expect that the GAN's discriminator takes its
own for real sooner than the VAE's, and that the other measures, which know neither model, see no such difference.

    python experiments/foreign_generators.py            about 20 minutes on one core
    python experiments/foreign_generators.py --smoke    seconds, leaving no results, without what is not installed

The generators say how they are installed, or trained. Replicates are those of the search, in one generator each.
"""

from dataclasses import dataclass, field
from importlib import import_module

import numpy as np
import pandas as pd

import evovae
from evovae import evolution, objectives
from evovae.analysis import plots
from evovae.base import files, require_counts
from evovae.encodings import Encoding
from evovae.objectives import RealImages, measure_realism
from evovae.runs import Run
from evovae.studies import METHODS, Results, Spec, Workers, curves, follow, gather, start, study, train_vae

import torch
from torch import Tensor

EVOLUTION, RANDOM = METHODS[:2]
POINTS, SEED = 30, 0
FOUND, CURVES, PICTURES, REAL = "found.csv", "curves.csv", "pictures.safetensors", "real"


@dataclass(frozen=True)
class Case:
    """A search in a generator."""

    generator: str
    """A file of `generators/`, or vae."""
    objective: str
    """A function of that file, or a name of evovae's."""
    population: int
    evaluations: int
    label: str


CASES = [
    Case("faces", "likeness", 100, 4000, "error to a face, negative"),
    Case("faces", "distinctness", 100, 4000, "standard deviations from the mean face"),
    Case("heartbeats", "heart_rate", 50, 2000, "heart rate in beats a minute"),
    Case("heartbeats", "r_peak", 50, 2000, "height of R peaks in mV"),
    Case("mnist_gan", "digit:3", 100, 5000, "log-odds of a three, of a GAN"),
    Case("vae", "digit:3", 100, 5000, "log-odds of a three, of a VAE"),
]
SEEN = ["held_out", "typicality", "verdict"]


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    replicates: int = 5
    """Independent repetitions of each search."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_counts(self, "replicates")


def main(arguments: Arguments) -> None:
    installed = [number for number, case in enumerate(CASES) if is_there(case.generator, arguments.smoke)]
    with study("generators", arguments.smoke) as results, arguments.where.executor() as executor:
        settings = {"replicates": arguments.replicates, "smoke": arguments.smoke}
        specs = {}
        for number in installed:
            folder = results.cells / f"{CASES[number].generator} {CASES[number].objective.replace(':', ' ')}"
            specs[number] = Spec(folder, search, {"case": number} | settings)
        runs = dict(zip(specs, results.run_all(specs.values(), executor), strict=True))
        if runs:
            write_tables(gather(runs.values(), FOUND), results)
            draw(runs, results)


def is_there(generator: str, smoke: bool) -> bool:
    """Whether a generator can be made; one that cannot is an error, unless the run is a smoke run."""
    try:
        if generator != "vae":
            import_module(f"generators.{generator}").generator()
        return True
    except evovae.InputError as error:
        if not smoke:
            raise
        print(error)
        return False


def search(run: Run, case: int, replicates: int, smoke: bool) -> None:
    """Fill a cell with what both searches find, and with what is thought of it."""
    asked = CASES[case]
    digits = evovae.load_images("mnist")
    judges = evovae.judges_for(digits)
    encoding = make_encoding(asked.generator, smoke)
    if ":" in asked.objective:
        objective = objectives.parse(asked.objective, objectives.Context(digits, judges.judge))
    else:
        objective = getattr(import_module(f"generators.{asked.generator}"), asked.objective)
    toolbox = evolution.toolbox(encoding, objective)
    size, evaluations = (4, 8) if smoke else (asked.population, asked.evaluations)
    first = toolbox.population(n=size, replicates=replicates, seed=SEED)
    named = {"generator": asked.generator, "objective": asked.objective}
    rows, courses, shown = [], [], {"drawn": encoding.decode(first.genomes[:, 0])}
    for method in (EVOLUTION, RANDOM):
        course = follow(method, first, toolbox, evaluations)
        best = course.genomes_at(evaluations)
        shown[method] = encoding.decode(best)
        own = course.table([evaluations]).rename(columns={"seed": "replicate"}).assign(**named, search=method)
        own["fitness"] = own.pop("best") * toolbox.weights[0]
        if ":" in asked.objective:
            own = pd.concat([own, measure_realism(encoding, best, judges, RealImages(digits))], axis=1)
            own["verdict"] = verdict(shown[method])
        rows.append(own)
        courses.append(course.table(np.linspace(size, evaluations, POINTS)).assign(**named, search=method))
    run.write_table(FOUND, pd.concat(rows))
    run.write_table(CURVES, pd.concat(courses))
    files.save_tensors(run.folder / PICTURES, "images", shown, {})


def make_encoding(generator: str, smoke: bool) -> Encoding:
    if generator == "vae":
        config = evovae.VAEConfig()
        vae = evovae.VAE(config) if smoke else train_vae(evovae.load_images("mnist"), config, SEED, smoke)
        return evovae.LatentEncoding(vae)
    return import_module(f"generators.{generator}").generator()


@torch.no_grad()
def verdict(images: Tensor) -> np.ndarray:
    """Return the probability (B,) that the GAN's discriminator gives images of being real, NaN without a GAN."""
    try:
        return import_module("generators.mnist_gan").discriminator(images).numpy()
    except evovae.InputError:
        return np.full(len(images), np.nan)


def write_tables(found: pd.DataFrame, results: Results) -> None:
    """Write what each search found, by how much evolution found more, and what is thought of the threes."""
    by = ["generator", "objective"]
    results.table("summary", results.intervals(found, [*by, "search"], ["fitness"]))
    sides = found.pivot(index=[*by, "replicate"], columns="search", values="fitness")
    sign = np.where(sides.index.get_level_values("objective") == "likeness", -1.0, 1.0)
    more = ((sides[EVOLUTION] - sides[RANDOM]) * sign).rename("more").reset_index()
    than = results.intervals(more, by, ["more"], "differences")
    results.table("differences", than.assign(verdict=np.where(than["more_low"] > 0, "more", "no more")))
    threes = found[found["objective"] == "digit:3"]
    if len(threes):
        results.table("threes", results.intervals(threes, ["generator", "search"], ["fitness", *SEEN], "threes"))
        results.table("real_threes", look_at_real())


def look_at_real() -> pd.DataFrame:
    """Return what is thought of MNIST's own threes, test images that no model has seen: medians and quartiles."""
    digits = evovae.load_images("mnist")
    judges = evovae.judges_for(digits)
    threes = digits.test.images[digits.test.labels == 3][:500] / 255.0
    with torch.no_grad():
        seen = {
            "fitness": objectives.digit(judges.judge, 3)(threes)[:, 0],
            "held_out": judges.held_out(threes).softmax(1)[:, 3],
            "typicality": RealImages(digits).typicality(threes, judges.held_out)["typicality"],
            "verdict": verdict(threes),
        }
    table = pd.DataFrame({name: np.asarray(values) for name, values in seen.items()})
    return table.quantile([0.25, 0.5, 0.75]).rename_axis("quantile").reset_index()


def draw(runs: dict[int, Run], results: Results) -> None:
    """Draw the courses of all searches, and the best of each replicate beside draws from the prior."""
    axes = plots.panels(len(runs), 2, width=5.0, height=3.2)
    shown = {}
    for ax, (number, run) in zip(axes, runs.items(), strict=True):
        case, table = CASES[number], run.read_table(CURVES)
        plots.fitness_curve(curves(table, "search", "evaluations", "best"), case.label, baselines=[RANDOM], ax=ax)
        shown[case.generator, case.objective] = files.load_tensors(run.folder / PICTURES, "images")[0]
    results.figure("fitness", axes[0])
    if ("faces", "likeness") in shown:
        faces = import_module("generators.faces")
        like, unlike = shown["faces", "likeness"], shown["faces", "distinctness"]
        rows = {"drawn": like["drawn"], "the face": faces.drawn(1, faces.TARGET).expand_as(like["drawn"])}
        rows |= {f"like it: {method}": like[method] for method in (EVOLUTION, RANDOM)}
        rows |= {f"unlike others: {method}": unlike[method] for method in (EVOLUTION, RANDOM)}
        results.figure("faces", plots.image_table(torch.stack(list(rows.values())), list(rows)))
    if ("heartbeats", "heart_rate") in shown:
        draw_hearts(shown["heartbeats", "heart_rate"], shown["heartbeats", "r_peak"], results)
    threes = {name: found for (name, objective), found in shown.items() if objective == "digit:3"}
    rows = {f"{name}: {method}": found[method] for name, found in threes.items() for method in (EVOLUTION, RANDOM)}
    results.figure("threes", plots.image_table(torch.stack(list(rows.values())), list(rows)))


def draw_hearts(fast: dict[str, Tensor], high: dict[str, Tensor], results: Results) -> None:
    """Draw lead II of three replicates: drawn, and the best of both objectives."""
    hearts = import_module("generators.heartbeats")
    columns = {"drawn": fast["drawn"], "fast": fast[EVOLUTION], "high R peaks": high[EVOLUTION]}
    leads = torch.stack([leads[:3] for leads in columns.values()], 1).flatten(0, 1)  # a row for each replicate
    rates, heights = hearts.heart_rate(leads), hearts.r_peak(leads)
    told = [f"{rate:.0f} a minute, {height:.2f} mV" for rate, height in zip(rates, heights, strict=True)]
    ax = plots.phenotypes(leads[:, 1], len(columns), told)
    ax.xaxis.tick_top()
    ax.set_xticks(np.arange(len(columns)) + 0.5, list(columns))
    results.figure("heartbeats", ax)


if __name__ == "__main__":
    start(main, Arguments, __doc__)
