"""A DEAP toolbox whose roles are filled with operators on whole populations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from deap import base, tools
from torch import Tensor

from evovae.base import Draws, InputError, Streams, require_whole
from evovae.evolution.operators.crossover import cxBlend
from evovae.evolution.operators.mutation import mutGaussian
from evovae.evolution.operators.selection import selTournament
from evovae.evolution.population import Population
from evovae.evolution.protocols import Encoding
from evovae.evolution.roles import Evaluation, all_finite, check_fitness, check_measures, describe, errors_from

CHUNK = 1024
"""Individuals that are decoded and scored together, so that what is between stays in the processor's caches."""


def toolbox(
    encoding: Encoding,
    objective: Callable[..., Tensor],
    weights: Sequence[float] | None = None,
    *,
    constraints: Callable[[Tensor], Tensor] | None = None,
    measures: Callable[[Tensor], Tensor] | None = None,
    population: bool | None = None,
    random: bool | None = None,
    reevaluate: bool | None = None,
) -> Toolbox:
    """Return a toolbox that evolves genomes of `encoding` for `objective`.

    Roles: `population(n, replicates=1, seed=0)`; `sample(n, streams)`; `evaluate(genomes (B, D)) -> fitness (B, M)`, or
    an `Evaluation` where there are constraints or measures; `gradient(genomes)`, for a single objective, to the fitness
    and the gradient (B, D) of weight * fitness; `gradients(genomes)` to fitness, measures and the gradients (B, 1 + K,
    D) of weight * fitness and of each measure; `project`, the encoding's; `mate` (`cxBlend`, alpha 0.5), `mutate`
    (`mutGaussian` with the encoding's sigma, indpb 0.2) and `select` (`selTournament`, tournsize 3). Register another
    operator under a role to replace it, as in DEAP; it gets and returns whole populations, or genomes.

    An objective is asked for the individuals that changed, up to 1,024 of all replicates mixed, without knowing whose
    they are, and a fitness counts until the genome changes. For one that needs more there are the last three arguments;
    left out, they are what the objective's own attributes of these names say, else False.

    Args:
        encoding: how genomes become phenotypes.
        objective: phenotypes (B, ...) -> fitness (B, M), float32 or float64; (B,) will do for a single objective.
        weights: one for each of the M objectives, positive to maximise; the objective's own `weights` when left out,
            or (1.0,).
        constraints: phenotypes (B, ...) -> violations (B, C) or (B,), 0 or less where a constraint is kept, else how
            far it is from that; their sum goes into `Population.violation`, and selection goes by Deb's rules.
        measures: phenotypes (B, ...) -> (B, K), what tells kinds of phenotypes apart: they go into
            `Population.measures`, and are the axes of an archive.
        population: the objective needs the whole population (novelty, sharing, duels): phenotypes (R, N, ...) ->
            (R, N, M), all individuals of a generation, changed or not; for constraints the same.
        random: the objective is random: it gets, as `random`, what draws from the streams of those it is asked for,
            such as `random.normal(B, ...)`, or (R, ...) with `population`.
        reevaluate: fitness does not last, for it drifts: every individual is evaluated in every generation. So are
            those of the two above.

    Raises:
        InputError: if weights are no finite numbers other than 0.
    """
    weights = _check_weights(getattr(objective, "weights", (1.0,)) if weights is None else weights)
    asked = {"population": population, "random": random, "reevaluate": reevaluate}
    needs = {name: bool(getattr(objective, name, False)) if need is None else need for name, need in asked.items()}
    return Toolbox(encoding, objective, weights, constraints, measures, **needs)


class Toolbox(base.Toolbox):
    """DEAP's toolbox, whose roles take whole populations; `toolbox` makes it."""

    def __init__(
        self,
        encoding: Encoding,
        objective: Callable[..., Tensor],
        weights: tuple[float, ...],
        constraints: Callable[[Tensor], Tensor] | None,
        measures: Callable[[Tensor], Tensor] | None,
        population: bool,
        random: bool,
        reevaluate: bool,
    ) -> None:
        super().__init__()
        self.encoding, self.weights = encoding, weights
        self.needs_population, self.draws, self.reevaluates = population, random, reevaluate or population or random
        self._objective, self._constraints, self._measures = objective, constraints, measures
        self._name = " ".join(("the objective", ", ".join(getattr(objective, "names", ())))).strip()
        self.register("population", self._population)
        self.register("sample", self._sample)
        self.register("evaluate", self._evaluate)
        self.register("gradient", self._gradient)
        self.register("gradients", self._gradients)
        self.register("project", encoding.project)
        self.register("mate", cxBlend, alpha=0.5)
        self.register("mutate", mutGaussian, mu=0.0, sigma=encoding.sigma, indpb=0.2)
        self.register("select", selTournament, tournsize=3)

    def register(self, alias: str, function: Callable[..., Any], *args: Any, **kargs: Any) -> None:
        """Fill the role `alias`, as in DEAP.

        Raises:
            InputError: for `map`, which would be ignored: a population is evaluated as a whole.
        """
        if alias == "map" and function is not map:
            raise InputError("map is no role of whole populations: with DEAP's own algorithms use evolution.Bridge")
        super().register(alias, function, *args, **kargs)

    def decorate(self, alias: str, *decorators: Callable[..., Any]) -> None:
        """Decorate the function of a role, as in DEAP.

        Raises:
            InputError: for DEAP's own decorators, which take single individuals.
        """
        for decorator in decorators:
            kind = decorator if hasattr(decorator, "__qualname__") else type(decorator)
            if kind.__module__.partition(".")[0] == "deap":
                name = kind.__qualname__.partition(".")[0]
                instead = (
                    "Population.traced" if name == tools.History.__name__ else "constraints or objectives.penalised"
                )
                raise InputError(
                    f"DEAP's {name} decorates functions of single individuals: use {instead}, or the Bridge"
                )
        super().decorate(alias, *decorators)

    def _population(self, n: int, replicates: int | range = 1, seed: int = 0) -> Population:
        require_whole("population", n, least=1)
        streams = Streams(seed, replicates, self.encoding.device)
        return Population.unevaluated(self.sample(n, streams), self.weights, streams)

    def _sample(self, n: int, streams: Streams) -> Tensor:
        return self.project(torch.stack([self.encoding.sample(n, stream) for stream in streams]))

    def _evaluate(self, genomes: Tensor, random: Draws | None = None) -> Tensor | Evaluation:
        with torch.no_grad():  # not as a decorator: what DEAP registers could not be pickled
            found = self._judge_in_chunks(genomes, random)
        return found.fitness if self._constraints is None and self._measures is None else found

    def _judge_in_chunks(self, genomes: Tensor, random: Draws | None) -> Evaluation:
        if self.needs_population or self.draws or len(genomes) <= CHUNK:
            return self._judge(genomes, random)
        # All results go into one tensor: kept one by one between large buffers, they would hinder their reuse.
        part, *rest = genomes.split(CHUNK)
        first = self._judge(part)
        found = first._replace(
            **{
                name: values.new_empty(len(genomes), *values.shape[1:])
                for name, values in first._asdict().items()
                if values is not None
            }
        )
        for i, values in enumerate(itertools.chain([first], map(self._judge, rest))):
            for whole, some in zip(found, values, strict=True):
                if whole is not None and some is not None:
                    whole[i * CHUNK : (i + 1) * CHUNK] = some
        return found

    def _judge(self, genomes: Tensor, random: Draws | None = None) -> Evaluation:
        """Return fitness (..., M), and violation (...) and measures (..., K) if there are, of genomes (..., D)."""
        phenotypes, shape = self._decode(genomes), genomes.shape[:-1]
        fitness = self._score(genomes, phenotypes, random)
        violation = None if self._constraints is None else self._violation(phenotypes, shape)
        return Evaluation(fitness, violation, self._measure(phenotypes, shape))

    def _decode(self, genomes: Tensor) -> Tensor:
        with errors_from("the decoder"):
            return self.encoding.decode(genomes.flatten(0, -2)).unflatten(0, genomes.shape[:-1])

    def _score(self, genomes: Tensor, phenotypes: Tensor, random: Draws | None) -> Tensor:
        with errors_from(self._name):
            fitness = self._objective(phenotypes) if random is None else self._objective(phenotypes, random)
        fitness = check_fitness(fitness, genomes.shape[:-1], self.weights, self._name)
        return torch.where(all_finite(phenotypes.detach().flatten(genomes.ndim - 1)).unsqueeze(-1), fitness, math.nan)

    def _violation(self, phenotypes: Tensor, shape: torch.Size) -> Tensor:
        with errors_from("the constraints"):
            found = self._constraints(phenotypes) if self._constraints else None
        if not isinstance(found, Tensor) or found.shape[: len(shape)] != shape or found.ndim > len(shape) + 1:
            raise InputError(f"the constraints gave {describe(found)}: expected violations of shape {tuple(shape)}")
        violations = found.double().nan_to_num(nan=math.inf).clamp_min(0.0)
        return violations.sum(-1) if found.ndim > len(shape) else violations

    def _measure(self, phenotypes: Tensor, shape: torch.Size) -> Tensor | None:
        """Return the measures (..., K) of phenotypes (..., ...); each phenotype has its own, whoever else there is."""
        if self._measures is None:
            return None
        with errors_from("the measures"):
            found = self._measures(phenotypes.flatten(0, len(shape) - 1))
        return check_measures(found, torch.Size([shape.numel()]), "the measures").unflatten(0, shape)

    def _gradient(self, genomes: Tensor) -> tuple[Tensor, Tensor]:
        self._require_gradients()
        found = [self._differentiate(chunk, climbs=True) for chunk in genomes.split(CHUNK)]
        return torch.cat([fitness for fitness, *_ in found]), torch.cat([slopes[:, 0] for *_, slopes in found])

    def _gradients(self, genomes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self._measures is None:
            raise InputError("there are no measures: make the toolbox with toolbox(..., measures=...)")
        self._require_gradients()
        found = [self._differentiate(chunk) for chunk in genomes.split(CHUNK)]
        fitness, measures, gradients = (torch.cat(parts) for parts in zip(*found, strict=True))
        return fitness, measures, gradients

    def _require_gradients(self) -> None:
        if self.needs_population or self.draws:
            raise InputError("the objective needs the whole population, or is random: a gradient climbs a plain one")
        if self._constraints is not None:
            raise InputError("a gradient knows no constraints: climb with objectives.penalised")
        if len(self.weights) > 1:
            raise InputError(f"{len(self.weights)} objectives: a gradient climbs one; join them in a weighted sum")
        if not getattr(self.encoding, "differentiable", True):
            raise InputError(
                "the decoder passes no gradient to the genomes, as in an .onnx file: climb with a .pt2 of it"
            )

    @torch.enable_grad()
    def _differentiate(self, genomes: Tensor, climbs: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Return fitness (B, 1), measures (B, K) and gradients (B, 1 + K, D); K is 0 where it only `climbs`."""
        genomes = genomes.detach().requires_grad_()
        phenotypes = self._decode(genomes)
        fitness = self._score(genomes, phenotypes, None)
        found = None if climbs else self._measure(phenotypes, genomes.shape[:1])
        measures = fitness[:, :0] if found is None else found
        columns = [("objective", self.weights[0] * fitness[:, 0]), *(("measures", column) for column in measures.T)]
        gradients = []
        for number, (name, column) in enumerate(columns):
            if not column.requires_grad:
                article = "passes" if name == "objective" else "pass"
                raise InputError(
                    f"the {name} {article} no gradient to the genomes: they count or compare; take smooth ones"
                )
            keeps = number + 1 < len(columns)  # one forward pass serves all
            (gradient,) = torch.autograd.grad(column.sum(), genomes, retain_graph=keeps)
            known = column.detach().isfinite().unsqueeze(1) & gradient.isfinite()  # elsewhere there is no way up
            gradients.append(torch.where(known, gradient, 0.0))
        return fitness.detach(), measures.detach(), torch.stack(gradients, 1)


def _check_weights(weights: Sequence[float]) -> tuple[float, ...]:
    try:
        numbers = tuple(float(weight) for weight in weights)
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or not all(weight != 0 and math.isfinite(weight) for weight in numbers):
        raise InputError(f"weights are {weights}: expected a finite number other than 0 for each objective")
    return numbers
