"""What an illumination leaves in a run folder, written."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evovae.analysis import plots
from evovae.base import files, track
from evovae.evolution import GridArchive
from evovae.objectives import Judges
from evovae.runs.folders.folder import ARCHIVE, ELITES, Run
from evovae.runs.folders.phenotypes import MAX_BYTES, compact
from evovae.runs.illuminations.tiles import MOST_TILES, best_in_blocks
from evovae.runs.problems.problem import Problem
from evovae.runs.problems.reported import report_on
from evovae.runs.recorder import Search
from evovae.runs.searches import ILLUMINATION, ILLUMINATION_SEARCHES

MOST_GENES = 200_000
"""In the table of elites; of more, the genes are in the file of the archive alone."""
CHUNK = 1000


def write_archives(run: Run, searches: dict[str, Search], *, problem: Problem, judges: Judges | None) -> None:
    """Write the elites of all that those `searches` found, which have begun, into `run`.

    `archive.safetensors` has of each search, under its prefix, those of its R replicates by cell, L of the one that has
    most: genomes (R, L, D), objective float64 (R, L), measures float64 (R, L, K) and index int64 (R, L), the cell;
    zero, NaN and -1 where another has fewer. Of the first replicate it has besides what the best elites of some blocks
    of cells decode to. `archive.csv` has a row for each elite, with its realism.
    """
    tensors: dict[str, Tensor] = {}
    tables = []
    for label, search in searches.items():
        method, archive = ILLUMINATION_SEARCHES[label], cast(GridArchive, search.archive)
        elites = _elites(archive)
        tensors |= {method.prefix + name: values for name, values in elites.items()}
        if method is ILLUMINATION:
            tensors |= _tiles(problem, archive, elites)
        tables.append(_table(label, elites))
    table = pd.concat(tables, ignore_index=True)
    genomes = torch.cat([_known(tensors, ILLUMINATION_SEARCHES[label].prefix) for label in searches])
    believed = []
    with track("realism", len(genomes)) as advance:
        for number, chunk in enumerate(genomes.split(CHUNK)):
            believed.append(report_on(problem, chunk, judges))
            advance(min(len(genomes), (number + 1) * CHUNK), "")
    labels = list(problem.encoding.labels)
    files.save_tensors(run.folder / ARCHIVE, "archive", tensors, {"labels": labels} if labels else {})
    if genomes.numel() <= MOST_GENES:
        genes = pd.DataFrame({f"solution_{d}": gene for d, gene in enumerate(genomes.cpu().numpy().T)})
        table = pd.concat([table.iloc[:, :2], genes, table.iloc[:, 2:]], axis=1)
    run.write_table(ELITES, pd.concat([table, *([pd.concat(believed, ignore_index=True)] if believed else [])], axis=1))


def _elites(archive: GridArchive) -> dict[str, Tensor]:
    """Return the elites of all replicates, ordered by their cells."""
    index = archive.index
    order = torch.where(index < 0, archive.cells, index).argsort(dim=1, stable=True)
    known = index.gather(1, order) >= 0
    columns = {"genomes": archive.genomes, "objective": archive.objective, "measures": archive.measures, "index": index}
    fills = {"genomes": 0.0, "objective": math.nan, "measures": 0.0, "index": -1}
    found = {}
    for name, values in columns.items():
        if not values.shape[1]:  # nobody has found any
            found[name] = values.new_full((len(values), 1, *values.shape[2:]), fills[name])
            continue
        places = order.view(*order.shape, *[1] * (values.ndim - 2)).expand(-1, -1, *values.shape[2:])
        there = known.view(*known.shape, *[1] * (values.ndim - 2))
        found[name] = torch.where(there, values.gather(1, places), torch.tensor(fills[name], dtype=values.dtype))
    return found


def _known(tensors: dict[str, Tensor], prefix: str) -> Tensor:
    """Return the genomes (B, D) of all replicates, one after the other."""
    return tensors[f"{prefix}genomes"][tensors[f"{prefix}index"] >= 0]


def _table(label: str, elites: dict[str, Tensor]) -> pd.DataFrame:
    known = elites["index"] >= 0
    found = {name: values[known].cpu().numpy() for name, values in elites.items() if name != "genomes"}
    replicate = known.nonzero()[:, 0].cpu().numpy()
    columns: dict[str, object] = {"search": label, "replicate": replicate, "objective": found["objective"]}
    columns |= {f"measures_{k}": measure for k, measure in enumerate(found["measures"].T)}
    return pd.DataFrame(columns | {"index": found["index"]}, index=np.arange(len(replicate)))


@torch.no_grad()
def _tiles(problem: Problem, archive: GridArchive, elites: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what the best elites of some blocks of cells in the first replicate decode to; nothing if not drawable.

    Returns:
        tile_phenotypes: (T, ...); images as uint8, else float32.
        tile_places: int64 (T, 2), of the blocks, along the first measure and the second.
        tile_blocks: int64 (2,), how many there are along each.
    """
    known = elites["index"][0] >= 0
    if not plots.drawable(problem.shape) or not bool(known.any()):
        return {}
    most = min(MOST_TILES, math.isqrt(MAX_BYTES // (4 * math.prod(problem.shape))) or 1)
    index, objective = (elites[name][0, known].cpu().numpy() for name in ("index", "objective"))
    tiles = best_in_blocks(index, objective, archive.dims, most)
    genomes = elites["genomes"][0, known][torch.from_numpy(tiles.rows).to(known.device)]
    return {
        "tile_phenotypes": torch.cat([compact(problem.encoding.decode(part)).cpu() for part in genomes.split(CHUNK)]),
        "tile_places": torch.from_numpy(tiles.places),
        "tile_blocks": torch.tensor(tiles.blocks),
    }
