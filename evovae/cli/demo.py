"""The demo: the whole way through the house once, on MNIST, with everything at its default."""

from __future__ import annotations

import time
from pathlib import Path

from evovae import runs
from evovae.base import format_number
from evovae.cli import report
from evovae.data import DataConfig
from evovae.models import TrainConfig, VAEConfig
from evovae.runs import CONFIG, EvolveConfig, ProblemConfig, Run, check_out, figures, kept_epoch

FOLDER = Path("runs/demo")
OBJECTIVE = "digit:3"
"""Not an eight: classifiers take noise for one."""


def find_vae(folder: Path = FOLDER) -> Path:
    """Return the run folder of the demo's VAE, trained now if there is none that is finished."""
    path = folder / "vae"
    if not ((path / CONFIG).is_file() and Run.open(path).finished):
        check_out(path, "training", overwrite=True)
        runs.train(DataConfig(), VAEConfig(), TrainConfig(), path, overwrite=True)
    return path


def run(out: Path, seed: int = 0) -> None:
    """Train the default VAE, evolve a three against both baselines, print the table and the paths of the figures.

    Args:
        out: folder for the runs `vae` and `three`; an earlier demo's are replaced.
        seed: seed of both.
    """
    for name, kind in (("vae", "training"), ("three", "evolution")):
        check_out(out / name, kind, overwrite=True)
    start = time.perf_counter()
    vae = runs.train(DataConfig(), VAEConfig(), TrainConfig(seed=seed), out / "vae", overwrite=True)
    trained = time.perf_counter()
    three = runs.evolve_named(
        ProblemConfig(vae=str(vae.folder), objective=OBJECTIVE),
        EvolveConfig(seed=seed, baselines=("random-search", "gradient-ascent")),
        out / "three",
        overwrite=True,
    )
    evolved = time.perf_counter()
    paths = [*figures.draw(vae), *figures.draw(three)]
    drawn = time.perf_counter()
    kept = kept_epoch(vae)
    print(f"VAE: test -ELBO {format_number(-kept.test_elbo)} nats, {kept.active_units:.0f} active units")
    report.report(three)
    for path in paths:
        print(path)
    print(
        f"training {trained - start:.1f} s, evolution and baselines {evolved - trained:.1f} s, "
        f"figures {drawn - evolved:.1f} s"
    )
