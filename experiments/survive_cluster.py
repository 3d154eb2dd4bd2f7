"""Does a study end with the same bits when one of its workers is killed in the middle?

The same cells, small evolutions of six genes, run one after another; in two worker processes; and on a Dask cluster of
two worker processes, all of it on 127.0.0.1. Of the latter two, the first worker to be half done with a cell is killed
(SIGKILL). Expect one cell to be tried again, and every file but the environments to be the same, byte for byte.

    python experiments/survive_cluster.py            about half a minute on two cores
    python experiments/survive_cluster.py --smoke    the same, leaving no results
"""

import contextlib
import hashlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import evovae
from evovae import evolution
from evovae.base import files
from evovae.runs import ENVIRONMENT, HISTORY, POPULATION, Run
from evovae.studies import Spec, Workers, run_all, start, study

GENERATIONS = 60
VICTIM = "victim"


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    cells: int = 6
    """Cells, each with a seed of its own."""
    workers: int = 2
    """Worker processes, and workers of the Dask cluster."""
    smoke: bool = False
    """Leave no results."""


def main(arguments: Arguments) -> None:
    with study("survive_cluster", arguments.smoke) as results:
        results.table("summary", pd.DataFrame(survive(arguments.cells, arguments.workers)))


def survive(cells: int, workers: int) -> list[dict[str, object]]:
    """Run the cells on each executor; return what was killed and tried again, and whether the bits are the same.

    A row has: executor, cells, workers, killed, tried_again, sha256 (of all files of all cells), identical (to the
    serial ones).
    """
    places: dict[str, AbstractContextManager[Workers]] = {
        "serial": contextlib.nullcontext(Workers()),
        "processes": contextlib.nullcontext(Workers(workers)),
        "Dask": local_cluster(workers),
    }
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, place in places.items():
            folder = Path(temporary) / name
            folder.mkdir()
            specs = [Spec(folder / str(seed), evolve, {"seed": seed}) for seed in range(cells)]
            with place as where, where.executor() as executor, killing(folder, name != "serial") as killed:
                runs = run_all(specs, executor)
            again = sum(len(run.environment.get("resumed", [])) for run in runs)
            row = {"executor": name, "cells": cells, "workers": 1 if name == "serial" else workers}
            rows.append(row | {"killed": len(killed), "tried_again": again, "sha256": checksum(runs)})
            rows[-1]["identical"] = rows[-1]["sha256"] == rows[0]["sha256"]
    return rows


def evolve(run: Run, seed: int) -> None:
    """Fill a cell with a small evolution; half done, it keeps what it has and offers itself to the killer."""
    encoding = evovae.VectorEncoding(6)
    toolbox = evolution.toolbox(encoding, lambda x: -(x * x).sum(-1, keepdim=True), weights=(1.0,))
    first = toolbox.population(n=50, replicates=4, seed=seed)
    rows = []
    for generation in evolution.eaSimple_iter(first, toolbox, 0.5, 0.2, GENERATIONS):
        statistics = generation.statistics()
        rows.append(pd.DataFrame({"generation": generation.gen, "best": statistics["max"]}))
        if generation.gen == GENERATIONS // 2:
            run.write_table(HISTORY, pd.concat(rows))
            wait_for_death(run.folder.parent / VICTIM)
    run.write_table(HISTORY, pd.concat(rows))
    population = generation.population
    tensors = {"genomes": population.genomes, "fitness": population.fitness}
    files.save_tensors(run.folder / POPULATION, "population", tensors, {})


def wait_for_death(victim: Path) -> None:
    """Let this process be the victim, if there is none yet."""
    with contextlib.suppress(FileExistsError), victim.open("x") as file:
        file.write(str(os.getpid()))
        file.flush()
        time.sleep(60)


@contextlib.contextmanager
def killing(folder: Path, wanted: bool) -> Iterator[list[int]]:
    """Kill the first process that offers itself in `folder`, if that is `wanted`; yields a list for its number."""
    victim, killed, over = folder / VICTIM, list[int](), threading.Event()
    if not wanted:
        victim.touch()

    def kill() -> None:
        while not over.wait(0.02):
            if victim.exists() and (process := victim.read_text()):
                os.kill(int(process), signal.SIGKILL)
                killed.append(int(process))
                return

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        over.set()
        killer.join()


@contextlib.contextmanager
def local_cluster(workers: int) -> Iterator[Workers]:
    """Start a Dask cluster that can be reached from this machine alone."""
    from distributed import LocalCluster

    with LocalCluster(host="127.0.0.1", n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster:
        yield Workers(scheduler=cluster.scheduler_address)


def checksum(runs: list[Run]) -> str:
    """Return the SHA-256 of all files of the runs, the environments excepted."""
    digest = hashlib.sha256()
    for run in runs:
        for path in sorted(run.folder.iterdir()):
            if path.name != ENVIRONMENT:
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    start(main, Arguments, __doc__)
