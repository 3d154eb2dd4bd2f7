"""Archives of illuminations, read from their run folders while they grow and afterwards; nothing there is changed."""

from __future__ import annotations

import contextlib
import functools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from evovae.base import InputError
from evovae.explorer.drawing import Drawing
from evovae.runs import (
    ARCHIVE,
    CHECKPOINT,
    CONFIG,
    ENVIRONMENT,
    PREVIOUS,
    IlluminationResults,
    Run,
    Stamp,
    Tiles,
    best_in_blocks,
    stamp_of,
)

MOST_ALONG = 1000
"""Places along a measure at most: cells of a finer grid share one."""
FILES = (CONFIG, ENVIRONMENT, ARCHIVE, CHECKPOINT, PREVIOUS)


@dataclass(frozen=True)
class Axis:
    """A measure that the map lies along."""

    name: str
    low: float
    high: float
    places: int
    cells: tuple[str, ...]
    """What the cells are called; nothing for those without names."""


@dataclass(frozen=True)
class ArchiveMap:
    """The archive of one replicate over its first two measures: at each place the best elite.

    A place is x * B + y, x of A places along the first measure and y of B along the second, or 0.
    """

    filled: int
    """Cells that have an elite, over all measures."""
    places: NDArray[np.int64]
    """(L,), ascending."""
    objective: NDArray[np.float64]
    """(L,), the larger the better."""
    measures: NDArray[np.float64]
    """(L, K)."""
    genomes: Tensor
    """(L, D)."""
    kept: dict[int, Tensor]
    """By place, images (C, H, W) of elites that the run keeps: of some of its first replicate, when it is finished."""

    def rows(self, places: list[int]) -> NDArray[np.int64]:
        """Return the rows (K,) of the elites at `places`.

        Raises:
            InputError: if there is none at one of them.
        """
        wanted = np.array(places)
        found = np.searchsorted(self.places, wanted)
        there = np.isin(wanted, self.places)
        if not there.all():
            raise InputError(f"place {wanted[~there][0]} has no elite")
        return found


@dataclass(frozen=True)
class ArchiveMaps:
    """The archives of all replicates of an illumination."""

    axes: tuple[Axis, ...]
    """One or two."""
    measures: tuple[str, ...]
    """Names of all K."""
    cells: int
    """Of an archive, over all measures."""
    label: str
    """Of the objective, larger the better."""
    replicates: tuple[ArchiveMap, ...]

    def replicate(self, number: int) -> ArchiveMap:
        """Return the map of a replicate.

        Raises:
            InputError: if there is none of this number.
        """
        if not 0 <= number < len(self.replicates):
            raise InputError(f"no replicate {number}: expected 0 to {len(self.replicates) - 1}")
        return self.replicates[number]


def read_archive(run: Path) -> ArchiveMaps:
    """Return the archives in the folder `run` as far as they are written.

    Raises:
        InputError: if there are none yet, or they cannot be read.
    """
    return _read(run, tuple(stamp_of(run / name) for name in FILES))


@functools.lru_cache(maxsize=4)
def _read(run: Path, _: tuple[Stamp | None, ...]) -> ArchiveMaps:
    results = IlluminationResults(Run(run))
    found, grid = results.elites_so_far(), results.grid
    names, spans = results.settings.measures, results.config.spans
    axes = tuple(
        Axis(name, *span, min(cells, MOST_ALONG), called)
        for name, span, cells, called in list(zip(names, spans, grid, results.cell_names, strict=True))[:2]
    )
    maps = []
    for replicate, (cells, objective) in enumerate(zip(found.cells, found.objective, strict=True)):
        known = np.flatnonzero(cells >= 0)
        tiles = best_in_blocks(cells[known], objective[known], grid, MOST_ALONG)
        rows, places = known[tiles.rows], _numbered(tiles)
        kept = _kept_images(results, cells[known], objective[known]) if replicate == 0 else {}
        measures, genomes = found.measures[replicate, rows], found.genomes[replicate, rows]
        maps.append(ArchiveMap(len(known), places, objective[rows], measures, genomes, kept))
    return ArchiveMaps(axes, names, math.prod(grid), f"{results.objective_label} {results.doubt}".rstrip(), tuple(maps))


def _numbered(tiles: Tiles) -> NDArray[np.int64]:
    return tiles.places[:, 0] * tiles.blocks[1] + tiles.places[:, 1]


def _kept_images(
    results: IlluminationResults, cells: NDArray[np.int64], objective: NDArray[np.float64]
) -> dict[int, Tensor]:
    """Return by place the images of elites that are kept for the map of pictures."""
    with contextlib.suppress(InputError):
        if results.run.finished and (shown := results.shown) is not None:
            tiles = best_in_blocks(cells, objective, results.grid, max(shown.blocks))
            if np.array_equal(tiles.places, shown.places):
                of = best_in_blocks(cells[tiles.rows], objective[tiles.rows], results.grid, MOST_ALONG)
                images = Drawing(shown.phenotypes).draw(shown.phenotypes)
                return dict(zip(_numbered(of).tolist(), images[of.rows], strict=True))
    return {}
