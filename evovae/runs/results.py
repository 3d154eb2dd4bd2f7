"""What training and searches leave in a run folder: written, and read back and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evovae.base import (
    LARGEST,
    InputError,
    files,
    format_number,
    from_json,
    require,
    require_types,
    shown,
)
from evovae.encodings import Encoding
from evovae.evolution import Population
from evovae.models import VAEConfig
from evovae.objectives import ROLES, Judges, Reliability, doubts, measure_realism
from evovae.runs.config import EvolutionSettings
from evovae.runs.folder import EXAMPLES, HALL_OF_FAME, JUDGES, POPULATION, Run
from evovae.runs.recorder import Search
from evovae.runs.searches import EVOLUTION, HISTORY, SEARCHES

_SHAPES = {
    "hall_genomes": "float32 R K D",
    "hall_fitness": "float32|float64 R K M",
    "frame_generations": "int64 T",
    "frame_genomes": "float32 R T D",
    "frame_fitness": "float32|float64 R T M",
}


@dataclass(frozen=True)
class _PopulationSettings:
    """What a population file says beside its tensors."""

    reference: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse what is no point."""
        require_types(self)
        finite = all(abs(value) <= LARGEST for value in self.reference or ())  # NaN is not
        require(finite, f"hypervolume reference is {shown(self.reference)}: expected finite numbers")


def read_training(run: Run) -> pd.DataFrame:
    """Return the history of a training.

    Columns: epoch, iterations (minibatches so far), elbo, reconstruction, kl, and the latter three as test_... if
    measured.

    Raises:
        InputError: if it cannot be read, or has no number in one of these columns.
    """
    path, curves = run.folder / HISTORY, ("elbo", "reconstruction", "kl")
    counts = ("epoch", "iterations")
    table = run.read_table(HISTORY, dict.fromkeys(counts, int) | {"binarisation": str}, (*counts, *curves))
    tested = [f"test_{name}" for name in curves]
    if 0 < len(missing := [name for name in tested if name not in table]) < len(tested):
        raise InputError(f"{path} has no column {missing[0]}: expected {', '.join(tested)}, or none of them")
    numbers = table[[*counts, *curves] + tested * (not missing)]
    if not numbers.notna().any().all():
        raise InputError(f"{path} has a column without numbers: expected what each epoch came to")
    return numbers


def kept_epoch(run: Run) -> pd.Series:
    """Return the row of a training's history whose model is kept: the best on the validation images, or the last.

    Raises:
        InputError: if the history cannot be read, or lacks what is told of an epoch.
    """
    told = ("epoch", "test_elbo", "test_reconstruction", "test_kl", "active_units", "binarisation")
    table = run.read_table(HISTORY, {"epoch": int, "binarisation": str}, told)
    if "validation" in table and table["validation"].notna().any():  # a run made before it was recorded has none
        return table.loc[table["validation"].idxmin()]
    return table.iloc[-1]


def find_faults(run: Run, model: VAEConfig, mean_picture: float) -> list[str]:
    """Return what is wrong with the model of a finished training, in a line each; nothing for one that has learned.

    Args:
        run: the training.
        model: what was trained.
        mean_picture: -ELBO of the test images under a model that gives the mean picture for all.
    """
    kept, faults = kept_epoch(run), []
    if not -kept["test_elbo"] < mean_picture:
        found, blind = format_number(-kept["test_elbo"]), format_number(mean_picture)
        worse = f"test -ELBO {found} nats, where the mean picture for all has {blind}"
        faults.append(f"it has learned nothing ({worse}): train it for longer, or on more images")
    if model.variational and kept["active_units"] == 0:
        faults.append("no latent variable is active: every genome decodes to the same image; try a smaller --beta")
    return faults


def read_examples(run: Run, data_shape: tuple[int, ...]) -> Tensor:
    """Return the test images that a training keeps to show reconstructions of: uint8 (B, *data_shape).

    Raises:
        InputError: if they cannot be read, or have another shape.
    """
    path = run.folder / EXAMPLES
    tensors, _ = files.load_tensors(path, "examples")
    letters = "CHW" if len(data_shape) == 3 else "V"
    files.check_tensors(
        path, tensors, {"images": f"uint8 B {' '.join(letters)}"}, **dict(zip(letters, data_shape, strict=True))
    )
    return tensors["images"]


def settings_of(run: Run) -> EvolutionSettings:
    """Return the settings of an evolution.

    Raises:
        InputError: if they cannot be read, or the run is of another kind.
    """
    settings = run.settings
    if not isinstance(settings, EvolutionSettings):
        raise InputError(f"{run.folder} is a training: expected an evolution")
    return settings


def read_history(run: Run, label: str) -> pd.DataFrame:
    """Return the history of the search `label` of `SEARCHES`, ordered by replicate and generation.

    Columns: replicate, generation, evaluations (whole numbers); min and max of a single objective, the hypervolume of
    several; others (floats) as the search wrote them.

    Raises:
        InputError: if it cannot be read, lacks one of these, or has not one row for each replicate and generation.
    """
    name, counts = SEARCHES[label].history, ("replicate", "generation", "evaluations")
    reached = ("hypervolume",) if len(settings_of(run).names) > 1 else ("min", "max")
    table = run.read_table(name, dict.fromkeys(counts, int), (*counts, *reached))
    moments = table[["replicate", "generation"]]
    whole = len(table) == moments["replicate"].nunique() * moments["generation"].nunique() > 0
    if not whole or moments.duplicated().any():
        raise InputError(f"{run.folder / name} is incomplete: expected one row for each replicate and generation")
    return table.sort_values(["replicate", "generation"], ignore_index=True)


def read_hall(run: Run) -> pd.DataFrame:
    """Return the table of the best images of an evolution's searches, with their realism.

    Columns: search (of `SEARCHES`), replicate, rank (whole numbers); predicted, the class that the judge sees (its
    name; in a run older than names its number, as text); others (floats) as the searches wrote them.

    Raises:
        InputError: if it cannot be read, or names a search, a replicate or a class that is none.
    """
    settings, path = settings_of(run), run.folder / HALL_OF_FAME
    types = {"search": str, "replicate": int, "rank": int, "predicted": str}
    fitness = settings.names if len(settings.names) > 1 else ("fitness",)
    table = run.read_table(HALL_OF_FAME, types, ("search", "replicate", "rank", *fitness, "log_prior"))
    if "held_out" in table and "predicted" not in table:
        raise InputError(f"{path} has held_out without predicted: expected both columns")
    if "predicted" in table:
        known = table["predicted"].isin(settings.classes) | table["predicted"].str.fullmatch("[0-9]{1,9}")
        if not known.all():
            odd = shown(table["predicted"][~known].iloc[0])
            raise InputError(f"{path} has {odd} under predicted: expected classes that {run.folder} knows")
    if not table["search"].isin(list(SEARCHES)).all():
        raise InputError(f"{path} names an unknown search: expected {', '.join(SEARCHES)}")
    if not (table["replicate"].between(0, settings.evolution.replicates - 1) & (table["rank"] >= 0)).all():
        raise InputError(f"{path} names an unknown replicate or rank: expected replicates as {run.folder} has them")
    return table


@dataclass(frozen=True)
class JudgeAsked(Reliability):
    """What a run says of a judge that it asked."""

    architecture: str = ""
    objective: bool = False
    """Whether the objective asked it, too."""


def read_judges(run: Run) -> dict[str, JudgeAsked]:
    """Return by role how well the judges that an evolution asked read images; nothing of a run that asked none.

    Raises:
        InputError: if it cannot be read, or names a role that is none.
    """
    path = run.folder / JUDGES
    found = files.read_json(path) if path.exists() else {}
    if unknown := sorted(found.keys() - ROLES.keys()):
        raise InputError(f"{path} names {shown(unknown[0])}: expected {' and '.join(ROLES)}")
    return {role: from_json(JudgeAsked, found[role], path) for role in ROLES if role in found}


def doubt_objective(run: Run) -> str:
    """Return why the judge that the objective of a run asks counts for little, in parentheses; empty if it does not.

    Raises:
        InputError: as `read_judges`.
    """
    doubted = doubts({role: judge for role, judge in read_judges(run).items() if judge.objective})
    return f"({doubted})" if doubted else ""


def read_population(run: Run, **sizes: int) -> dict[str, Tensor]:
    """Return the tensors of an evolution's searches, under the names that `write_searches` gives them.

    Args:
        run: the evolution.
        sizes: what is known of their dimensions beside replicates and objectives: D, the number of genes.

    Raises:
        InputError: if they cannot be read, or their shapes do not fit.
    """
    path, settings = run.folder / POPULATION, settings_of(run)
    tensors, _ = files.load_tensors(path, "population")
    for method in SEARCHES.values():
        expected = {method.prefix + name: shape for name, shape in _SHAPES.items()}
        if method is EVOLUTION or expected.keys() & tensors.keys():
            sizes |= {"R": settings.evolution.replicates, "M": len(settings.names)}
            files.check_tensors(path, tensors, expected, **sizes)
    if not all(tensor.isfinite().all() for name, tensor in tensors.items() if name.endswith("genomes")):
        raise InputError(f"{path} holds genes that are not finite: expected a file that evovae wrote")
    return tensors


def read_reference(run: Run) -> tuple[float, ...] | None:
    """Return the point that an evolution's hypervolumes are measured from; None with a single objective.

    Raises:
        InputError: if it cannot be read, or is not of as many objectives as the run.
    """
    path, names = run.folder / POPULATION, settings_of(run).names
    reference = from_json(_PopulationSettings, files.load_tensors(path, "population")[1], path).reference
    if (len(reference or ()) or 1) != len(names):
        raise InputError(f"{path} has a hypervolume reference of {len(reference or ())} objectives, not {len(names)}")
    return reference


def members(run: Run, found: dict[str, Tensor], rows: pd.DataFrame) -> tuple[Tensor, Tensor]:
    """Return genomes (K, D) and fitness (K, M) of evolution's `rows` of the hall of fame, of a population `found`.

    Raises:
        InputError: if the population holds none in their places.
    """
    ranks = torch.tensor(rows["rank"].to_list(), dtype=torch.int64)
    replicates = torch.tensor(rows["replicate"].to_list(), dtype=torch.int64)
    within = bool((ranks < found["hall_genomes"].shape[1]).all())
    if not within or not found["hall_fitness"][replicates, ranks].isfinite().all():
        raise InputError(
            f"{run.folder / HALL_OF_FAME} has images that {POPULATION} has not: they do not belong together"
        )
    return found["hall_genomes"][replicates, ranks], found["hall_fitness"][replicates, ranks]


def write_histories(run: Run, searches: dict[str, Search]) -> None:
    """Write the histories of those `searches`, by their names in `SEARCHES`, that have begun."""
    for label, search in searches.items():
        if content := search.history.content:
            files.write_bytes(run.folder / SEARCHES[label].history, content)


def write_searches(
    run: Run, searches: dict[str, Search], encoding: Encoding, judges: Judges | None, classes: Sequence[str]
) -> None:
    """Write all that those `searches` found that have begun, if any, into `run`; `classes` name what judges see."""
    searches = {label: search for label, search in searches.items() if search.frames}
    if not searches:
        return
    write_histories(run, searches)
    tensors: dict[str, Tensor] = {}
    halls = []
    for label, search in searches.items():
        prefix = SEARCHES[label].prefix
        generations, genomes, fitness = zip(*search.frames, strict=True)
        found = search.found()
        tensors |= {
            f"{prefix}hall_genomes": found.genomes,
            f"{prefix}hall_fitness": found.fitness,
            f"{prefix}frame_generations": torch.tensor(generations),
            f"{prefix}frame_genomes": torch.stack(genomes, 1),  # R T D
            f"{prefix}frame_fitness": torch.stack(fitness, 1),  # R T M
        }
        believed = measure_realism(encoding, found.genomes.flatten(0, 1), judges)
        if judges is not None:
            believed["predicted"] = [classes[label] for label in believed["predicted"]]
        halls.append(_hall_table(label, search.names, found, believed))
        if label == EVOLUTION.label:
            population = cast(Population, search.population)
            tensors |= {"genomes": population.genomes, "fitness": population.fitness}
    reference = searches[EVOLUTION.label].reference
    files.save_tensors(run.folder / POPULATION, "population", tensors, {"reference": reference and list(reference)})
    run.write_table(HALL_OF_FAME, pd.concat(halls, ignore_index=True))


def _hall_table(label: str, names: tuple[str, ...], found: Population, believed: pd.DataFrame) -> pd.DataFrame:
    fitness = found.fitness
    replicates, size = fitness.shape[:2]
    table = pd.DataFrame(
        {
            "search": label,
            "replicate": np.repeat(np.arange(replicates), size),
            "rank": np.tile(np.arange(size), replicates),
        }
    )
    names = names if len(names) > 1 else ("fitness",)
    table[list(names)] = fitness.flatten(0, 1).cpu().numpy()
    table = pd.concat([table, believed], axis=1)
    return table[table[names[0]].notna()]  # a replicate may have met fewer individuals than the archive holds
