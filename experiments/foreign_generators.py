"""What does evolution find in generators that no VAE is, and that nobody here had a hand in?

Three of them (`generators/`): faces of a DCGAN, searched for a face that it drew before (mean squared error) and for
what is unlike its usual faces (distance from their mean, in standard deviations); electrocardiograms from 40,000 even
numbers, searched for a fast heart and for high R peaks; a GAN of MNIST, searched for the boldest three, as the latent
space of a VAE of MNIST is. Each by `eaSimple`, and by random search with as many evaluations, from the same start.

The rule: evolution finds more than random search where the 95% interval of the difference, paired by replicate, lies
above 0. Expect that of all; of the faces unlike others that they are hardly faces; of the 40,000 genes little, for even
draws are nearly alike to a network that averages over them. Of the threes expect that the GAN's discriminator takes its
own for real sooner than the VAE's, and that the other measures, which know neither model, see no such difference.

    python experiments/foreign_generators.py            about 20 minutes on one core
    python experiments/foreign_generators.py --smoke    seconds, leaving no results, without what is not installed

The generators say how they are installed, or trained. Replicates are those of the search, in one generator each.
"""

from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType

import numpy as np
import pandas as pd

import evovae
from evovae import objectives
from evovae.analysis import plots
from evovae.base import files, make_generator, require_counts
from evovae.encodings import Encoding
from evovae.objectives import RealImages, Realism
from evovae.runs import CONFIG, EvolutionResults, Run, fitness_curves
from evovae.studies import METHODS, Results, Spec, Workers, gather, start, study, train_vae

import torch
from torch import Tensor

THREE = "digit:3"
EVOLUTION, RANDOM = METHODS[:2]
SEED = 0
FOUND, PICTURES, RECORDED = "found.csv", "pictures.safetensors", "evolution"


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
    Case("faces", "likeness", 100, 4000, "mean squared error to a face"),
    Case("faces", "distinctness", 100, 4000, "standard deviations from the mean face"),
    Case("heartbeats", "heart_rate", 50, 2000, "heart rate in beats a minute"),
    Case("heartbeats", "r_peak", 50, 2000, "height of R peaks in mV"),
    Case("mnist_gan", THREE, 100, 5000, "log-odds of a three, of a GAN"),
    Case("vae", THREE, 100, 5000, "log-odds of a three, of a VAE"),
]
SEEN = ["held_out", "typicality", "discriminator"]


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
    """Fill a cell with the recorded run of a case, the best of both searches, and what is thought of them."""
    asked, out = CASES[case], run.folder / RECORDED
    size, evaluations = (4, 8) if smoke else (asked.population, asked.evaluations)
    problem = make_problem(asked, smoke)
    config = evovae.EvolveConfig(
        population=size, generations=2 * evaluations // size, stop_evaluations=evaluations, replicates=replicates,
        seed=SEED, hall_of_fame=1,
    )  # fmt: skip
    evolved = evovae.resume(out, problem) if (out / CONFIG).is_file() else evovae.evolve(problem, config, out)
    results = EvolutionResults(evolved)
    best = results.hall.rename(columns=dict(zip(results.kind.fitness, ["fitness"], strict=True)))
    named = {"generator": asked.generator, "objective": asked.objective}
    run.write_table(FOUND, best.drop(columns="predicted", errors="ignore").assign(**named))
    found = results.population(D=problem.encoding.dim)
    drawn = problem.encoding.sample(replicates, make_generator(SEED))
    genomes = {"drawn": drawn, EVOLUTION: found["hall_genomes"][:, 0], RANDOM: found["baseline_hall_genomes"][:, 0]}
    with torch.no_grad():
        shown = {name: problem.encoding.decode(some.to(problem.encoding.device)) for name, some in genomes.items()}
    files.save_tensors(run.folder / PICTURES, "images", shown, {})


def make_problem(case: Case, smoke: bool) -> evovae.Problem:
    if case.objective != THREE:
        module = import_module(f"generators.{case.generator}")
        measured = [other.objective for other in CASES if other.generator == case.generator]
        return evovae.Problem(module.generator(), getattr(module, case.objective), measures=Measures(module, measured))
    digits, config = evovae.load_images("mnist"), evovae.VAEConfig()
    judge = evovae.judges_for(digits).judge
    if case.generator == "vae":
        vae = evovae.VAE(config) if smoke else train_vae(digits, config, SEED, smoke)
        encoding: Encoding = evovae.LatentEncoding(vae)
    else:
        encoding = import_module("generators.mnist_gan").generator()
    real = Realism(images=digits, discriminator=verdict)
    return evovae.Problem(encoding, objectives.digit(judge, 3), realism=real)


class Measures:
    """All objectives of a generator, to be told beside the one that is searched for."""

    def __init__(self, module: ModuleType, names: list[str]) -> None:
        self.module, self.names = module, names

    def __call__(self, phenotypes: Tensor) -> Tensor:
        """Return (B, K)."""
        return torch.stack([getattr(self.module, name)(phenotypes) for name in self.names], 1)


@torch.no_grad()
def verdict(images: Tensor) -> Tensor:
    """Return the probability (B,) that the GAN's discriminator gives images of being real, NaN without a GAN."""
    try:
        return import_module("generators.mnist_gan").discriminator(images)
    except evovae.InputError:
        return torch.full((len(images),), torch.nan)


def write_tables(found: pd.DataFrame, results: Results) -> None:
    """Write by how much evolution found more, and, of each generator, what the best are beside their fitness."""
    by = ["generator", "objective"]
    sides = found.pivot(index=[*by, "replicate"], columns="search", values="fitness")
    sign = np.where(sides.index.get_level_values("objective") == "likeness", -1.0, 1.0)
    more = ((sides[EVOLUTION] - sides[RANDOM]) * sign).rename("more").reset_index()
    than = results.intervals(more, by, ["more"], "differences")
    results.table("differences", than.assign(verdict=np.where(than["more_low"] > 0, "more", "no more")))
    for name, group in found.groupby(found["generator"].replace(["mnist_gan", "vae"], "threes"), sort=False):
        columns = SEEN if name == "threes" else [case.objective for case in CASES if case.generator == name]
        results.table(str(name), results.intervals(group, [*by, "search"], ["fitness", *columns], str(name)))
        if name == "threes":
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
            "discriminator": verdict(threes),
        }
    table = pd.DataFrame({name: np.asarray(values) for name, values in seen.items()})
    return table.quantile([0.25, 0.5, 0.75]).rename_axis("quantile").reset_index()


def draw(runs: dict[int, Run], results: Results) -> None:
    """Draw the courses of all searches, and the best of each replicate beside draws from the prior."""
    axes = plots.panels(len(runs), 2, width=5.0, height=3.2)
    shown = {}
    for ax, (number, run) in zip(axes, runs.items(), strict=True):
        case, evolved = CASES[number], EvolutionResults(Run.open(run.folder / RECORDED))
        plots.fitness_curve(fitness_curves(evolved), case.label, baselines=[RANDOM], ax=ax)
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
    threes = {name: found for (name, objective), found in shown.items() if objective == THREE}
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
