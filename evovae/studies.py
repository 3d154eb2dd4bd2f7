"""What experiment scripts share: a folder of results with tables, figures and where they came from, and a VAE."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from evovae import files, plots
from evovae.config import TrainConfig, VAEConfig
from evovae.data import ImageSet
from evovae.runs import describe_environment, format_table
from evovae.training import fit
from evovae.vae import VAE

RESULTS = Path(__file__).parents[1] / "results"


class Results:
    """The results of one study.

    Args:
        folder: where they go; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def table(self, name: str, table: pd.DataFrame, show: bool = True) -> None:
        """Write a table as `name`.csv, and print it."""
        if show:
            print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
        files.write_bytes(self.folder / f"{name}.csv", format_table(table))

    def figure(self, name: str, axes: Axes) -> None:
        """Write a figure as `name`.png."""
        plots.save(axes, self.folder / f"{name}.png")


def train_vae(images: ImageSet, config: VAEConfig, seed: int, smoke: bool) -> VAE:
    """Return a VAE trained with the default settings, on 2,000 images in a smoke run; prints its progress."""
    vae = VAE(config, seed=seed)
    for record in fit(vae, images.train, TrainConfig(seed=seed, train_images=2000 if smoke else None)):
        print(f"epoch {record.epoch}: training -ELBO {-record.elbo:.2f} nats")
    return vae


@contextlib.contextmanager
def study(name: str, smoke: bool, provenance: str = "provenance.json") -> Iterator[Results]:
    """Yield the results folder of a study, `results/NAME`, and write where they came from into it at the end.

    A smoke run writes to a temporary folder that it removes: only full runs leave results. Studies that share a folder
    name their `provenance` apart.
    """
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        results = Results(Path(temporary) if smoke else RESULTS / name)
        yield results
        minutes = {"minutes": round((time.perf_counter() - start) / 60, 1)}
        files.write_json(results.folder / provenance, describe_environment() | minutes)
        if not smoke:
            print(results.folder)
