"""What experiment scripts share: settings, command line, a folder of results and where they came from, cells, a VAE."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype

from evovae import analysis
from evovae.base import files, format_table, read_options, require_counts, run_program
from evovae.data import ImageSet, load_images
from evovae.models import VAE, VAE_FILE, TrainConfig, VAEConfig, fit
from evovae.runs import Run, describe_environment
from evovae.studies.cells import Spec, run_all
from evovae.studies.executors import Workers, refuse_rerun

if TYPE_CHECKING:  # every worker process of a study imports this file
    from matplotlib.axes import Axes


def results_folder(root: Path) -> Path:
    """Return where studies leave results: in a source checkout `root` there, else below the current folder."""
    return (root if (root / "experiments").is_dir() else Path()) / "results"


RESULTS = results_folder(Path(__file__).parents[2])
CELLS = Path("runs")
A = TypeVar("A")


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    seeds: int = 5
    """Independent repetitions, with seeds from 0 up."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_counts(self, "seeds")


class Results:
    """The results of one study.

    Args:
        folder: where they go; made when missing.
        cells: where the run folders of its cells are.
    """

    def __init__(self, folder: Path, cells: Path) -> None:
        self.folder, self.cells = folder, cells
        self._runs: list[Run] = []
        folder.mkdir(parents=True, exist_ok=True)

    def run_all(self, specs: Iterable[Spec], executor: Executor) -> list[Run]:
        """Run cells as `evovae.cells.run_all` does, and remember them for the provenance."""
        runs = run_all(specs, executor)
        self._runs += runs
        return runs

    def provenance(self) -> dict[str, Any]:
        """What the cells came from, be it another start of the study or other code than this process's.

        The minutes are those in which cells were at work.
        """
        made = [run.environment for run in self._runs]
        if not made:
            return {}
        entered = [[environment, *environment.get("resumed", [])] for environment in made]
        commits = sorted({str(again["commit"]) for cell in entered for again in cell if again.get("commit")})
        first = min(environment["start"] for environment in made)
        last = max(environment["end"] for environment in made)
        cells = {"number": len(made), "start": first, "end": last, "commits": commits}
        return {"minutes": round(_covered(span for run in self._runs for span in run.spans) / 60, 1), "cells": cells}

    def table(self, name: str, table: pd.DataFrame, show: bool = True) -> None:
        """Write a table as `name`.csv, and print it."""
        if show:
            print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
        files.write_bytes(self.folder / f"{name}.csv", format_table(table))

    def intervals(self, table: pd.DataFrame, by: list[str], columns: list[str], name: str = "summary") -> pd.DataFrame:
        """Write what `name`.csv is to say the intervals of, and return these: `intervals` of what was written.

        The rows, one a replicate, are in replicates.csv for the summary, and else in `name`_replicates.csv.
        """
        kept = table[[*by, *(column for column in ("seed", "replicate") if column in table), *columns]]
        return intervals(self.rows("replicates" if name == "summary" else f"{name}_replicates", kept), by, columns)

    def rows(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """Write the rows that another table is computed from as `name`.csv, and return them as they were written.

        Numbers have six digits there: so anybody can compute the table again, and the file stays small.
        """
        kept = table.copy()
        for column in kept.select_dtypes("floating"):
            kept[column] = [float(f"{value:.6g}") for value in kept[column]]
        self.table(name, kept, show=False)
        return pd.read_csv(self.folder / f"{name}.csv")

    def figure(self, name: str, axes: Axes) -> None:
        """Write a figure as `name`.png."""
        analysis.plots.save(axes, self.folder / f"{name}.png")


def _covered(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """Return the seconds that lie in any of some spans of time."""
    seconds, until = 0.0, datetime.min.replace(tzinfo=UTC)
    for start, end in sorted(spans):
        seconds += max(0.0, (end - max(start, until)).total_seconds())
        until = max(end, until)
    return seconds


def start(main: Callable[[A], None], arguments: type[A], description: str | None) -> None:
    """Run a study from the command line; ends the process as `run_program` does.

    In a worker process, in which a script without a guard would run once more, it ends that (`refuse_rerun`).
    """
    refuse_rerun()
    name = Path(sys.argv[0]).name
    interrupted = "interrupted: the same command resumes it"
    run_program(name, lambda: main(read_options(arguments, sys.argv[1:], name, description)), interrupted)


def gather(runs: Iterable[Run], name: str) -> pd.DataFrame:
    """Return the rows of a table of several runs, in their order."""
    return pd.concat([run.read_table(name) for run in runs], ignore_index=True)


def intervals(table: pd.DataFrame, by: list[str], columns: list[str]) -> pd.DataFrame:
    """Return a row for each group of `table`'s rows, one row a replicate, that agree in the columns `by`.

    Beside `by` it has `replicates`, their number, and for each of `columns` the mean over them and the ends of its 95%
    interval, as NAME, NAME_low and NAME_high; of a column of false and true, the share. Groups keep their order.
    """
    rows = []
    for key, group in table.groupby(by, sort=False):
        row = dict(zip(by, key, strict=True)) | {"replicates": len(group)}
        for name in columns:
            find = analysis.share_interval if is_bool_dtype(group[name]) else analysis.mean_interval
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), find(group[name]), strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def curves(table: pd.DataFrame, label: str, x: str, y: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return what `plots.trend` draws: by `label`, the values of `x` (K,) and of `y` (R, K), a row for each seed.

    Args:
        table: a row for each label, x and `seed`.
        label: column that distinguishes the curves.
        x: column that runs along the axis.
        y: column that is drawn.
    """
    drawn = {}
    for name, group in table.groupby(label, sort=False):
        values = group.pivot(index="seed", columns=x, values=y)
        drawn[str(name)] = (values.columns.to_numpy(), values.to_numpy())
    return drawn


def train_vae(images: ImageSet, config: VAEConfig, seed: int, smoke: bool) -> VAE:
    """Return a VAE trained with the default settings, on 2,000 images in a smoke run; prints its progress."""
    vae = VAE(config, seed=seed)
    for record in fit(vae, images.train, TrainConfig(seed=seed, train_images=2000 if smoke else None)):
        print(f"epoch {record.epoch}: training -ELBO {-record.elbo:.2f} nats")
    return vae


def train_cell(run: Run, seed: int, smoke: bool, **config: Any) -> None:
    """Fill a cell with a VAE of MNIST, the default one but for the fields of `VAEConfig` that are given."""
    train_vae(load_images("mnist"), VAEConfig(**config), seed, smoke).save(run.folder / VAE_FILE)


@contextlib.contextmanager
def study(name: str, smoke: bool, provenance: str = "provenance.json") -> Iterator[Results]:
    """Yield the results folder of a study, `results/NAME`, and write where they came from into it at the end.

    It lies in the source checkout, or below the current folder where evovae is installed without one.

    Its cells are in `runs/NAME` below the current folder, and stay there: the study started again resumes them. A
    smoke run writes to a temporary folder that it removes: only full runs leave results. Studies that share a folder
    name their `provenance` apart.
    """
    refuse_rerun()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        results = Results(work / name, work / CELLS) if smoke else Results(RESULTS / name, CELLS / name)
        yield results
        minutes = {"minutes": round((time.perf_counter() - start) / 60, 1)}
        files.write_json(results.folder / provenance, describe_environment() | minutes | results.provenance())
        if not smoke:
            print(results.folder)
