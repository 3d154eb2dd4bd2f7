"""What does batched decoding give a program that was written for DEAP alone? Three of DEAP's own examples tell.

`examples/es/fctmin.py` (an evolution strategy), `examples/es/cma_minfct.py` (CMA-ES) and `examples/ga/nsga2.py`
(NSGA-II, with a loop of its own) run as they lie in DEAP's source distribution, not a character changed. All have 30
genes, and so has the VAE here: instead of a test function they minimise the distance between a decoded image and one
digit of the test set, or two. Once `evaluate` decodes one individual at a time; once the bridge is registered. Both
runs start from the same random numbers: they should print the same, the second with one decode a generation.

    python experiments/deap_bridge.py            about two minutes
    python experiments/deap_bridge.py --smoke    seconds, leaving no results
"""

import contextlib
import copy
import importlib.metadata
import io
import random
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd

import evovae
from evovae import evolution, objectives
from evovae.analysis import plots
from evovae.base import files
from evovae.objectives import RealImages, measure_realism
from evovae.studies import start, study, train_vae

import torch

GENES = 30
TARGETS = {"es/fctmin": [42], "es/cma_minfct": [42], "ga/nsga2": [42, 12]}  # places in the test set


@dataclass(frozen=True)
class Arguments:
    """Settings of the experiment."""

    deap: Path | None = None
    """Folder of DEAP's source distribution; None downloads that of the installed version with pip."""
    seed: int = 0
    """Seed of everything."""
    smoke: bool = False
    """Run in seconds, leaving no results."""


class Watched(evovae.LatentEncoding):
    """A VAE's latent space that keeps the batches that it decodes.

    In double precision: a batch rounds otherwise than its rows do alone, and a search makes another search of one
    different bit. The fitness is rounded to single precision, and that hides it.
    """

    def __init__(self, vae: evovae.VAE) -> None:
        super().__init__(vae)
        self.batches: list[torch.Tensor] = []

    def decode(self, genomes: torch.Tensor) -> torch.Tensor:
        """Return the images (B, C, H, W) of `genomes` (B, D)."""
        self.batches.append(genomes)
        return super().decode(genomes.double())


@dataclass(frozen=True)
class Run:
    """What one run of a program did."""

    output: str
    seconds: float
    decodes: int
    genomes: torch.Tensor
    """(K, D), all that were evaluated, in order."""
    fitness: torch.Tensor
    """(K, M)."""


def main(arguments: Arguments) -> None:
    digits = evovae.load_images("mnist")
    vae = train_vae(digits, evovae.VAEConfig(latent_dim=GENES), arguments.seed, arguments.smoke)
    rows, captions, winners = [], [], []
    with tempfile.TemporaryDirectory() as temporary, study("deap_bridge", arguments.smoke) as results:
        examples = (arguments.deap or download_deap(Path(temporary))) / "examples"
        for name, places in TARGETS.items():
            source = (examples / f"{name}.py").read_text()
            if arguments.smoke:
                source = re.sub(r"(?i)(ngen ?= ?)\d+", r"\g<1>3", source)
            targets = [objectives.target(digits.test.images[place], f"test/{place}") for place in places]
            objective = objectives.several(targets)
            single, batched = (run(source, vae, objective, bridged, arguments.seed) for bridged in (False, True))
            rows.append({"program": name, **compare(single, batched)})
            files.write_bytes(results.folder / f"{Path(name).name}.txt", batched.output.encode())
            for fitness, target in zip(batched.fitness.T, targets, strict=True):
                captions.append(f"{name}\n{target.names[0]}: {float(fitness.min()):.4g}")
                winners.append(batched.genomes[fitness.argmin()])

        encoding = evovae.LatentEncoding(vae)
        seen = measure_realism(encoding, torch.stack(winners), evovae.judges_for(digits), RealImages(digits))
        seen.insert(0, "best", [caption.replace("\n", " ") for caption in captions])
        results.table("summary", pd.DataFrame(rows))
        results.table("best", seen)
        images = torch.cat([encoding.decode(torch.stack(winners)), digits.test.images[TARGETS["ga/nsga2"]] / 255])
        captions += [f"target\ntest/{place}" for place in TARGETS["ga/nsga2"]]
        results.figure("images", plots.image_grid(images, len(images), captions))


def download_deap(folder: Path) -> Path:
    """Download the source distribution of the DEAP that is installed into `folder`, and return where it lies."""
    release = f"deap-{importlib.metadata.version('deap')}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=deap"]
    if subprocess.run([*pip, release.replace("-", "==")], cwd=folder, check=False).returncode:
        sys.exit(f"the source of {release} could not be downloaded: give the folder where it lies with --deap")
    with tarfile.open(folder / f"{release}.tar.gz") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)  # new in 3.11.4
        archive.extractall(folder)
    return folder / release


def run(source: str, vae: evovae.VAE, objective: objectives.Objective, bridged: bool, seed: int) -> Run:
    """Run a program with its individuals decoded by `vae`, one at a time or `bridged`."""
    program: dict[str, Any] = {"__name__": "program"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the programs create classes of the same names
        exec(source, program)
    encoding = Watched(copy.deepcopy(vae).double())
    bridge = evolution.Bridge(encoding, objective)
    program["toolbox"].register("evaluate", bridge.evaluate)
    program["toolbox"].register("map", bridge.map if bridged else map)

    random.seed(seed)
    output, start = io.StringIO(), time.perf_counter()
    # The programs seed the random numbers themselves, one of them by the clock.
    with mock.patch.object(random, "seed"), contextlib.redirect_stdout(output):
        program["main"]()
    seconds, genomes = time.perf_counter() - start, torch.cat(encoding.batches)
    decodes = len(encoding.batches)
    fitness = torch.tensor(list(bridge.map(bridge.evaluate, genomes.tolist())))
    return Run(output.getvalue(), seconds, decodes, genomes, fitness)


def compare(single: Run, batched: Run) -> dict[str, Any]:
    """Return a row of the table."""
    return {
        "generations": sum(line[:1].isdigit() for line in batched.output.splitlines()),  # of which each prints one
        "evaluated": len(batched.genomes),
        "decodes_single": single.decodes,
        "decodes_bridge": batched.decodes,
        "seconds_single": single.seconds,
        "seconds_bridge": batched.seconds,
        "ratio": single.seconds / batched.seconds,
        "best_single": best(single),
        "best_bridge": best(batched),
        "same_output": single.output == batched.output,
        "same_genomes": torch.equal(single.genomes, batched.genomes),
    }


def best(run: Run) -> str:
    """Return the smallest value found of each objective."""
    return " ".join(f"{value:.7g}" for value in run.fitness.amin(0).tolist())


if __name__ == "__main__":
    start(main, Arguments, __doc__)
