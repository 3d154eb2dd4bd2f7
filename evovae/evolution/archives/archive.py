"""Archives of elites: the best of every kind that a search has found, for each replicate."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from evovae.base import InputError, State, Streams, join, require_number
from evovae.evolution.archives.elites import Competition, Elites
from evovae.evolution.archives.insertion import Insertion, Judgement
from evovae.evolution.population import Population

if TYPE_CHECKING:
    import pandas as pd


class EliteArchive(ABC):
    """The best genome of every cell of measure space that each replicate has found (MAP-Elites; Mouret and Clune 2015).

    It takes in populations that were evaluated with measures: as what `illuminate` fills, or as the `halloffame` of any
    other algorithm, which it then watches. A candidate is let in if its objective, weight times fitness, is above the
    threshold of its cell; of a batch the best of each cell becomes its elite, of equals the first. One whose objective
    or measures are not finite, or that violates a constraint, never enters.

    As it is, the threshold of a cell is the objective of its elite, so that a batch does what its candidates would do
    one after the other. With a `threshold_min` it begins there, and each that is let in moves it on by
    `learning_rate` a: t <- (1 - a) t + a f (CMA-MAE; Fontaine and Nikolaidis 2023). Of k that one batch lets into a
    cell the order does not count: t <- (1 - a)^k t + (1 - (1 - a)^k) mean(f), as in the appendix there and in pyribs.
    Elites are then not always the best of their cells; what is reported is a second, passive archive, which keeps
    those. Emitters draw from the first.

    Args:
        cells: how many.
        dimensions: of measure space, K.
        learning_rate: a, 0 to 1.
        threshold_min: where thresholds begin; minus infinity for the plain rule, of learning rate 1.
        qd_score_offset: what an elite of no merit has as its objective; the QD score counts from there.

    Raises:
        InputError: if a setting is out of its range.
    """

    def __init__(
        self,
        cells: int,
        dimensions: int,
        learning_rate: float = 1.0,
        threshold_min: float = -math.inf,
        qd_score_offset: float = 0.0,
    ) -> None:
        require_number("learning_rate", learning_rate, most=1.0)
        if math.isnan(threshold_min) or threshold_min == math.inf:
            raise InputError(f"threshold_min is {threshold_min}: expected a number, or minus infinity")
        if threshold_min == -math.inf and learning_rate != 1.0:
            raise InputError(f"learning_rate is {learning_rate} without a threshold_min: expected 1, or both")
        if not math.isfinite(qd_score_offset):
            raise InputError(f"qd_score_offset is {qd_score_offset}: expected a finite number")
        self.cells, self.dimensions = cells, dimensions
        self.learning_rate, self.threshold_min, self.qd_score_offset = learning_rate, threshold_min, qd_score_offset
        self._elites: Elites | None = None  # those that compete
        self._result: Elites | None = None  # those that are reported: the same, or the best of each cell

    @abstractmethod
    def index_of(self, measures: Tensor) -> Tensor:
        """Return the cells int64 (...) of finite `measures` (..., K); what is out of range counts as on the rim."""

    @property
    def spans(self) -> tuple[float, ...]:
        """How wide measure space is in each of its K dimensions."""
        raise NotImplementedError

    @property
    def _plain(self) -> bool:
        return self.threshold_min == -math.inf

    @property
    def results(self) -> Elites:
        """The elites that are reported, row by row.

        Raises:
            InputError: if it has met no population yet.
        """
        if self._result is None:
            raise InputError("the archive is empty: give it to illuminate, or update it, first")
        return self._result

    @property
    def _known(self) -> Tensor:
        """Which rows of `results` there are, bool (R, L)."""
        rows = torch.arange(self.results["index"].shape[1], device=self.results.device)
        return rows < self.results.count.unsqueeze(1)

    @property
    def objective(self) -> Tensor:
        """Of the elites, float64 (R, L), L of the replicate that has most; NaN where another has fewer."""
        return torch.where(self._known, self.results["objective"], math.nan)

    @property
    def genomes(self) -> Tensor:
        """Of the elites, (R, L, D), in the order of `objective`; undefined where that is NaN."""
        return self.results["genomes"]

    @property
    def measures(self) -> Tensor:
        """Of the elites, float64 (R, L, K), in the order of `objective`; undefined where that is NaN."""
        return self.results["measures"]

    @property
    def index(self) -> Tensor:
        """Cells of the elites, int64 (R, L), in the order of `objective`; -1 where that is NaN."""
        return torch.where(self._known, self.results["index"], -1)

    @property
    def coverage(self) -> Tensor:
        """Share of the cells that have an elite, float64 (R,)."""
        return self.results.count.double() / self.cells

    @property
    def qd_score(self) -> Tensor:
        """Sum of the elites' objectives, each less `qd_score_offset`, float64 (R,)."""
        return self.results["objective"].sum(1) - self.qd_score_offset * self.results.count  # rows not filled are 0

    @property
    def norm_qd_score(self) -> Tensor:
        """QD score over the number of cells, float64 (R,): an empty cell counts as one of no merit."""
        return self.qd_score / self.cells

    @property
    def best(self) -> Tensor:
        """The highest objective, float64 (R,); NaN where there is no elite."""
        return torch.where(self.results.best > -math.inf, self.results.best, math.nan)

    def __len__(self) -> int:
        """Number of elites, of the replicate that has most."""
        return 0 if self._result is None else int(self._result.count.max())

    def __repr__(self) -> str:
        """In a line: how many of how many."""
        return f"<{type(self).__name__}: at most {len(self):,} of {self.cells:,} cells filled in each replicate>"

    def metrics(self, reference: Sequence[float] | None = None) -> dict[str, Tensor]:
        """Return what it has reached, float64 (R,) each: `coverage`, `qd_score`, `norm_qd_score` and `best`."""
        return {name: getattr(self, name) for name in ("coverage", "qd_score", "norm_qd_score", "best")}

    def update(self, population: Population) -> Insertion:
        """Take in those of an evaluated `population` that are let in.

        Raises:
            InputError: if it has no measures, another number of them, or several objectives.
        """
        if population.measures is None:
            raise InputError("the population has no measures: make the toolbox with toolbox(..., measures=...)")
        if len(population.weights) > 1:
            raise InputError(f"{len(population.weights)} objectives: an archive compares by one; sum them")
        objective = torch.where(population.feasible, population.wvalues[..., 0], -math.inf)
        return self.add(population.genomes, objective, population.measures)

    def add(self, genomes: Tensor, objective: Tensor, measures: Tensor) -> Insertion:
        """Take in those that are let in of `genomes` (R, N, D), by `objective` (R, N) and `measures` (R, N, K).

        Raises:
            InputError: if the shapes do not fit, or are of other replicates or genes than before.
        """
        self._require_shapes(genomes, objective, measures)
        if self._elites is None:
            self._begin(genomes)
        elites, result = self._elites, self._result
        assert elites is not None
        assert result is not None
        objective, measures = objective.double(), measures.double()
        usable = objective.isfinite()
        for column in measures.unbind(2):
            usable &= column.isfinite()
        found = self._judge(torch.where(usable.unsqueeze(2), measures, 0.0), objective, usable)
        columns = {"genomes": genomes, "objective": objective, "measures": measures}
        flat = {name: values.flatten(0, 1) for name, values in columns.items()}

        competition = Competition.of(found.cell, found.accepted, objective, self.cells)
        moved = flat["objective"]
        if not self._plain:
            moved = self._moved(found.threshold.flatten(), flat["objective"], competition)
        elites.insert(competition, {**flat, "threshold": moved})
        if result is not elites:
            row = result.find(found.cell)
            better = usable & ((row < 0) | (objective > result.take("threshold", row)))
            competition = Competition.of(found.cell, better, objective, self.cells)
            result.insert(competition, {**flat, "threshold": flat["objective"]})
        status = found.accepted.long() + found.new.long()
        return Insertion(status, torch.where(usable, found.value, -math.inf))

    def sample(self, n: int, streams: Streams) -> Tensor:
        """Draw the genomes (R, n, D) of `n` elites in each replicate, evenly and with replacement.

        Of a replicate that has none they are zero. They are those that compete, not the passive ones.

        Raises:
            InputError: if it has met no population yet.
        """
        if self._elites is None:
            raise InputError("the archive is empty: there are no elites to draw from")
        return self._elites.take("genomes", self._elites.sample(n, streams))

    @property
    def empty(self) -> Tensor | None:
        """Which replicates have no elite to draw from, bool (R,); None before the first population."""
        return None if self._elites is None else self._elites.count == 0

    def table(self, replicate: int = 0) -> pd.DataFrame:
        """Return a row for each elite of a replicate, by cell, with the columns that pyribs gives.

        `solution_0` to `solution_(D - 1)`, `objective`, `measures_0` to `measures_(K - 1)`, `threshold` and `index`.
        This waits for the device.

        Raises:
            InputError: if it is empty, or has no such replicate.
        """
        import pandas as pd

        count = self.results.count.tolist()
        if not 0 <= replicate < len(count):
            raise InputError(f"replicate is {replicate}: expected 0 to {len(count) - 1}")
        found = {
            name: self.results[name][replicate, : count[replicate]].cpu().numpy()
            for name in ("genomes", "objective", "measures", "threshold", "index")
        }
        columns: dict[str, np.ndarray] = {f"solution_{d}": gene for d, gene in enumerate(found["genomes"].T)}
        columns["objective"] = found["objective"]
        columns |= {f"measures_{k}": measure for k, measure in enumerate(found["measures"].T)}
        columns |= {name: found[name] for name in ("threshold", "index")}
        return pd.DataFrame(columns).sort_values("index", ignore_index=True)

    def state(self) -> State:
        """Return the elites, those that are reported besides."""
        if self._elites is None or self._result is None:
            return State()
        result = State() if self._result is self._elites else self._result.state()
        return join(elites=self._elites.state(), result=result)

    def restore(self, state: Mapping[str, Tensor], population: Population) -> None:
        """Take up the elites of `state`; `population` says of how many replicates and genes.

        Raises:
            InputError: if these are others, or the state is that of another archive.
        """
        state = State(state)
        self._elites = self._result = None
        if not state:
            return
        self._begin(population.genomes)
        assert self._elites is not None
        assert self._result is not None
        self._elites.restore(state.part("elites"))
        if self._result is not self._elites:
            self._result.restore(state.part("result"))

    def _begin(self, genomes: Tensor) -> None:
        columns = {
            "genomes": (tuple(genomes.shape[2:]), genomes.dtype),
            "objective": ((), torch.float64),
            "measures": ((self.dimensions,), torch.float64),
            "threshold": ((), torch.float64),
        }
        self._elites = Elites(self.cells, columns, len(genomes), genomes.device)
        self._result = self._elites if self._plain else Elites(self.cells, columns, len(genomes), genomes.device)

    def _judge(self, measures: Tensor, objective: Tensor, usable: Tensor) -> Judgement:
        """Hold the `usable` bool (R, N) candidates against the elites; their `measures` (R, N, K) are finite."""
        elites, cell = self._elites, self.index_of(measures)
        assert elites is not None
        row = elites.find(cell)
        known = row >= 0
        threshold = torch.where(known, elites.take("threshold", row), self.threshold_min)
        accepted = usable & (objective > threshold)
        value = objective - (torch.where(known, threshold, 0.0) if self._plain else threshold)
        return Judgement(cell, accepted, accepted & ~known, value, threshold)

    def _moved(self, threshold: Tensor, objective: Tensor, competition: Competition) -> Tensor:
        """Return the thresholds (R * N,) of the cells of those that a batch has let in."""
        count, total = competition.sums(objective)
        kept = (1.0 - self.learning_rate) ** count
        moved = kept * threshold[competition.rows] + (1.0 - kept) * total / count
        return threshold.index_copy(0, competition.rows, moved)

    def _require_shapes(self, genomes: Tensor, objective: Tensor, measures: Tensor) -> None:
        replicates, n = genomes.shape[:2]
        expected = {"objective": (replicates, n), "measures": (replicates, n, self.dimensions)}
        for name, values in (("objective", objective), ("measures", measures)):
            if tuple(values.shape) != expected[name]:
                given = f"{name} has shape {tuple(values.shape)}"
                raise InputError(
                    f"{given}: expected {expected[name]} for {n} genomes in each of {replicates} replicates"
                )
        self.require(replicates, genomes.shape[2])

    def require(self, replicates: int, genes: int) -> None:
        """Raise `InputError` if it holds elites of another number of replicates or genes."""
        if self._elites is not None:
            before = (len(self._elites.count), *self._elites.shape("genomes"))
            if (replicates, genes) != before:
                given = f"{replicates} replicates of {genes} genes"
                raise InputError(f"{given}: expected {before[0]} of {before[1]}, as the archive has them")
