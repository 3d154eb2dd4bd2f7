"""The elites of cells: for each replicate the rows of a growing table, found by their cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from evovae.base import InputError, State, Streams, counts_are_free, join


@dataclass(frozen=True)
class Competition:
    """Candidates of one batch that are let in, sorted by replicate and cell, the best of a cell first."""

    rows: Tensor
    """int64 (m,): which of the R * N candidates; all of them, those not let in last, where counting would wait."""
    replicate: Tensor
    """int64 (m,)."""
    cell: Tensor
    """int64 (m,)."""
    wins: Tensor
    """bool (m,): the best of its cell; of equals the first."""

    @classmethod
    def of(cls, cell: Tensor, accepted: Tensor, objective: Tensor, cells: int) -> Competition:
        """Sort the `accepted` bool (R, N) candidates by `cell` int64 (R, N) and `objective` (R, N)."""
        replicates = len(cell)
        place = torch.arange(replicates, device=cell.device).unsqueeze(1) * cells + cell
        place = torch.where(accepted, place, replicates * cells).flatten()  # those not let in come last
        rows = accepted.flatten().nonzero().squeeze(1) if counts_are_free(cell) else torch.arange(place.numel())
        rows = rows.to(cell.device)
        rows = rows[objective.flatten()[rows].argsort(descending=True, stable=True)]
        rows = rows[place[rows].argsort(stable=True)]
        place = place[rows]
        wins = torch.ones_like(place, dtype=torch.bool)
        wins[1:] = place[1:] != place[:-1]
        wins &= place < replicates * cells
        return cls(rows, place // cells, place % cells, wins)

    def winners(self) -> Competition:
        """Return the winners alone, where counting them is free; else all."""
        if not counts_are_free(self.rows):
            return self
        kept = self.wins.nonzero().squeeze(1)
        return Competition(self.rows[kept], self.replicate[kept], self.cell[kept], self.wins[kept])

    def sums(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return float64 (m,) for each row: how many its cell has let in, and the sum of their `values` (R * N,)."""
        group = self.wins.cumsum(0) - 1
        group = torch.where(group < 0, len(group), group)  # before the first winner there is nobody
        counts, sums = (torch.zeros(len(group) + 1, dtype=torch.float64, device=group.device) for _ in range(2))
        values = values[self.rows].double()
        counts.index_add_(0, group, torch.ones_like(values))
        sums.index_add_(0, group, values)
        return counts[group], sums[group]


class Elites:
    """One row for each cell that has an elite, in the order in which cells were filled; each replicate has its own.

    Rows are never removed, only replaced. The table grows by doubling, up to the number of cells.

    Args:
        cells: in each replicate.
        columns: what a row holds: name to the shape and type of one value.
        replicates: R.
        device: where they lie.

    Attributes:
        count: int64 (R,), cells that have an elite.
        best: float64 (R,), the highest objective that won a cell; minus infinity where none did.
    """

    def __init__(
        self,
        cells: int,
        columns: Mapping[str, tuple[tuple[int, ...], torch.dtype]],
        replicates: int,
        device: torch.device,
    ) -> None:
        self.cells, self._columns, self.device = cells, dict(columns), device
        self._slot = torch.full((replicates * cells + 1,), -1, device=device)  # the last is nobody's
        self.count = torch.zeros(replicates, dtype=torch.int64, device=device)
        self.best = torch.full((replicates,), -torch.inf, dtype=torch.float64, device=device)
        self._most = self._capacity = 0  # no replicate has more rows than `_most`
        self._rows: dict[str, Tensor] = {}
        self._grow(min(cells, 128))

    def __getitem__(self, name: str) -> Tensor:
        """Return a column (R, L, ...), of the L rows that the fullest replicate has; what others lack is undefined."""
        return self._rows[name][:, : int(self.count.max())]

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of one value of a column."""
        return self._columns[name][0]

    def find(self, cell: Tensor) -> Tensor:
        """Return the rows int64 (R, N) of `cell` (R, N), -1 where there is none."""
        start = torch.arange(len(cell), device=cell.device).unsqueeze(1) * self.cells
        return self._slot[start + cell]

    def take(self, name: str, rows: Tensor) -> Tensor:
        """Return a column's values (R, N, ...) at `rows` int64 (R, N); of row -1 they are undefined."""
        column = self._rows[name]
        start = torch.arange(len(rows), device=rows.device).unsqueeze(1) * column.shape[1]
        return column.flatten(0, 1).index_select(0, (start + rows.clamp_min(0)).flatten()).unflatten(0, rows.shape)

    def sample(self, n: int, streams: Streams) -> Tensor:
        """Draw the rows int64 (R, n) of elites, evenly and with replacement; 0 where a replicate has none."""
        return (streams.fine_uniform(len(streams), n) * self.count.unsqueeze(1)).long()

    def insert(self, competition: Competition, values: Mapping[str, Tensor]) -> None:
        """Write the winners of a `competition` into their cells; `values` are the columns (R * N, ...) of everybody."""
        won = competition.winners()
        self._make_room(len(won.rows))
        replicate = torch.where(won.wins, won.replicate, 0)
        place = torch.where(won.wins, replicate * self.cells + won.cell, len(self._slot) - 1)
        row = self._slot[place]
        new = won.wins & (row < 0)
        added = torch.zeros_like(self.count).index_add_(0, replicate, new.long())
        before = added.cumsum(0) - added  # by replicates of smaller numbers
        row = torch.where(new, self.count[replicate] + new.cumsum(0) - 1 - before[replicate], row)
        self._slot[place] = torch.where(won.wins, row, -1)
        self.count = self.count + added
        objective = torch.where(won.wins, values["objective"].index_select(0, won.rows), -torch.inf)
        self.best = self.best.scatter_reduce(0, replicate, objective, "amax")
        # Each replicate has a row more than it uses: whoever has not won is written there.
        into = torch.where(won.wins, replicate * (self._capacity + 1) + row, self._capacity)
        self._rows["index"].flatten(0, 1).index_copy_(0, into, won.cell)
        for name in self._columns:
            column = self._rows[name].flatten(0, 1)
            column.index_copy_(0, into, values[name].index_select(0, won.rows).to(column.dtype))

    def state(self) -> State:
        """Return the rows, and how many of them each replicate has."""
        return join(
            count=self.count, best=self.best, **{name: self[name].clone() for name in ("index", *self._columns)}
        )

    def restore(self, state: State) -> None:
        """Take up what `state` gave.

        Raises:
            InputError: if it is that of other elites.
        """
        count, index = state.like("count", self.count), state["index"].to(self.device)
        length = index.shape[1] if index.ndim == 2 else -1
        rows = torch.arange(max(length, 0), device=self.device)
        filled = rows < count.unsqueeze(1)  # R L
        if (
            index.shape != filled.shape
            or index.dtype != torch.int64
            or not 0 <= int(count.min()) <= int(count.max()) <= length
        ):
            raise InputError(f"the state has rows {tuple(index.shape)} for {count.tolist()} elites")
        cell = index[filled]
        replicate = filled.nonzero()[:, 0]
        place = replicate * self.cells + cell
        if not bool(((cell >= 0) & (cell < self.cells)).all()) or len(place.unique()) < len(place):
            raise InputError(f"the state has elites in other cells than one in each of {self.cells}")
        self._most = 0
        self._make_room(length)
        self._slot.fill_(-1)
        self._slot[place] = rows.expand_as(filled)[filled]
        self.count, self.best = count, state.like("best", self.best)
        for name in ("index", *self._columns):
            column = self._rows[name][:, :length]
            column.copy_(state.like(name, column))

    def _make_room(self, rows: int) -> None:
        """Have room for so many rows more in every replicate."""
        self._most = min(self.cells, self._most + rows)
        if self._most > self._capacity:  # only now is it worth asking the device
            self._most = min(self.cells, int(self.count.max()) + rows)
        if self._most > self._capacity:
            self._grow(min(self.cells, max(2 * self._capacity, self._most)))

    def _grow(self, capacity: int) -> None:
        for name, (shape, kind) in {"index": ((), torch.int64), **self._columns}.items():
            grown = torch.zeros(len(self.count), capacity + 1, *shape, dtype=kind, device=self.device)
            if self._capacity:
                grown[:, : self._capacity] = self._rows[name][:, : self._capacity]
            self._rows[name] = grown
        self._capacity = capacity
