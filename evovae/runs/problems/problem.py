"""A problem: what is evolved, and for what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evovae.base import InputError, files, make_generator
from evovae.encodings import Encoding
from evovae.objectives import Measures, Objective, Realism, custom, own_measures

PROBES = 2
"""Genomes that are decoded to tell one problem from another."""
PROBE_FILE, KIND = "problem.safetensors", "problem"
TOLERANCE = 1e-3
"""Part of the range of phenotypes or fitness by which two machines may differ."""


class Problem:
    """What is evolved, for what, and what is reported beside: the subject of a recorded run.

        problem = Problem(DecoderEncoding(generator, 100, (3, 64, 64)), lambda images: images[:, 0].mean((1, 2)))
        run = evovae.evolve(problem, evovae.EvolveConfig(population=50), out="runs/red")

    Args:
        encoding: how genomes become phenotypes.
        objective: phenotypes (B, ...) -> fitness (B, M), or (B,); it may have the attributes that `objectives.custom`
            names. It sees the individuals that changed, of all replicates, in any order.
        weights: one for each of the M objectives, positive to maximise; the objective's own when left out, or 1.
        measures: phenotypes (B, ...) -> (B, K), or (B,), reported of the best: what else is to be known of them. They
            are the axes of an archive, too. It may have the attributes that `objectives.own_measures` names.
        realism: what the best are compared with; nothing when left out.
        population, random, reevaluate: what the objective needs, as `evolution.toolbox` has it; the objective's own
            attributes when left out.
        name: of the objective, in tables and figures; the function's own when left out.

    Attributes:
        objective: with names, weights and what it needs.
        measures: with names and ranges; None without.
        shape: of a phenotype.

    Raises:
        InputError: if objective or measures, asked for two draws from the prior, give what does not fit.
    """

    def __init__(
        self,
        encoding: Encoding,
        objective: Callable[..., Any],
        weights: Sequence[float] | None = None,
        *,
        measures: Callable[[Tensor], Tensor] | None = None,
        realism: Realism | None = None,
        population: bool | None = None,
        random: bool | None = None,
        reevaluate: bool | None = None,
        name: str = "",
    ) -> None:
        self.encoding = encoding
        self._genomes = encoding.sample(PROBES, make_generator(0))
        with torch.no_grad():
            self._phenotypes = encoding.decode(self._genomes)
        self.shape = tuple(self._phenotypes.shape[1:])
        needs = {"population": population, "random": random, "reevaluate": reevaluate}
        asked = custom(objective, self._phenotypes, name, weights, **needs)
        self.objective: Objective = replace(asked, smooth=asked.smooth and _passes_gradients(encoding, self._genomes))
        self.measures: Measures | None = None if measures is None else own_measures(measures, self._phenotypes)
        self.realism = replace(realism or Realism(), device=encoding.device)
        self.realism.missing(self.shape)  # refuses what does not fit

    @property
    def measure_names(self) -> tuple[str, ...]:
        """Of the K measures: the function's own `names`, or measure_0, measure_1, ..."""
        return () if self.measures is None else self.measures.names

    @torch.no_grad()
    def measured(self, phenotypes: Tensor) -> dict[str, Tensor]:
        """Return the measures of `phenotypes` (B, ...) by name, each (B,)."""
        return {} if self.measures is None else dict(zip(self.measure_names, self.measures(phenotypes).T, strict=True))

    def keep(self, folder: Path) -> None:
        """Write into a run folder what tells this problem from another: phenotypes and fitness of two genomes."""
        files.save_tensors(folder / PROBE_FILE, KIND, self._probe(), {})

    def require_same(self, folder: Path) -> None:
        """Refuse to be another problem than the one that a run began with; where it kept nothing, any will do.

        Raises:
            InputError: if genomes decode to other phenotypes, or those have another fitness.
        """
        if not (folder / PROBE_FILE).is_file():
            return
        kept, _ = files.load_tensors(folder / PROBE_FILE, KIND)
        files.check_tensors(folder / PROBE_FILE, kept, {"genomes": "float32 K D"})
        for name, now in self._probe().items():
            before = kept.get(name)
            if before is None and name == "measures":
                continue  # of a run that is older than they are kept
            if before is None or before.shape != now.shape or not _close(before, now):
                raise InputError(f"the problem has other {name} than that which {folder} began with")

    def _probe(self) -> dict[str, Tensor]:
        tensors = {"genomes": self._genomes, "phenotypes": self._phenotypes, "fitness": self._fitness()}
        if self.measures is not None and not self.measures.judged:
            with torch.no_grad():
                tensors["measures"] = self.measures(self._phenotypes)
        return {name: tensor.cpu() for name, tensor in tensors.items()}

    def _fitness(self) -> Tensor:
        """Fitness of the probes; none where it depends on more than the phenotypes."""
        objective = self.objective
        if objective.population or objective.random or objective.reevaluate or objective.judged:
            return torch.empty(0)
        with torch.no_grad():
            return objective(self._phenotypes)


@torch.no_grad()
def decodes_as(folder: Path, encoding: Encoding) -> bool:
    """Whether `encoding` makes of genomes what the problem of a run folder made of them; False where it kept none."""
    try:
        kept, _ = files.load_tensors(folder / PROBE_FILE, KIND)
        files.check_tensors(folder / PROBE_FILE, kept, {"genomes": "float32 K D"}, D=encoding.dim)
    except InputError:
        return False
    before, genomes = kept.get("phenotypes"), kept["genomes"]
    if before is None or len(genomes) != PROBES:
        return False
    now = encoding.decode(genomes.to(encoding.device)).cpu()
    return before.shape == now.shape and _close(before, now)


def _passes_gradients(encoding: Encoding, genomes: Tensor) -> bool:
    """Whether phenotypes have a gradient that leads to their genes."""
    if not encoding.differentiable:
        return False
    with torch.enable_grad():
        try:
            return encoding.decode(genomes.clone().requires_grad_()).requires_grad
        except (RuntimeError, TypeError):  # of a function that takes no tensor that asks for gradients
            return False


def _close(one: Tensor, other: Tensor) -> bool:
    known = one.isfinite()
    if not torch.equal(known, other.isfinite()):
        return False
    values = one[known]
    spread = float(values.max() - values.min()) if len(values) else 0.0
    return bool(((values - other[known]).abs() <= TOLERANCE * (spread or 1.0)).all())
