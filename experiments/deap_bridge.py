"""What does batched decoding give a program that was written for DEAP alone? Three of DEAP's own examples tell.

`examples/es/fctmin.py` (an evolution strategy, 30 genes), `examples/es/cma_minfct.py` (CMA-ES) and `examples/ga/nsga2.py`
(NSGA-II, a loop of its own) run as they are in DEAP's source distribution, not a character changed. Instead of the
sphere, Rastrigin's function and ZDT1 they minimise the distance of a decoded digit to one, or to two, of the test set:
once with an `evaluate` that decodes one individual at a time, once with the bridge's `evaluate` and `map`. Both runs
start from the same random numbers and must find the same; the second should take a fraction of the time.

    python experiments/deap_bridge.py            some minutes on two cores
    python experiments/deap_bridge.py --smoke    seconds, leaving no results
"""

import contextlib
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

import numpy as np
import pandas as pd
import torch
import tyro

import evovae
from evovae import evolution, objectives, plots
from evovae.studies import study

GENES = 30  # in all three programs
TARGETS = {"es/fctmin": (42,), "es/cma_minfct": (42,), "ga/nsga2": (42, 12)}


@dataclass(frozen=True)
class Arguments:
    """Settings of the experiment."""

    deap: Path | None = None
    """Folder of DEAP's source distribution; None fetches that of the installed version with pip."""
    seed: int = 0
    """Seed of everything."""
    smoke: bool = False
    """Run in seconds, leaving no results."""


class Watched(evovae.LatentEncoding):
    """A VAE's latent space that keeps the batches that it decoded."""

    def __init__(self, vae: evovae.VAE) -> None:
        super().__init__(vae)
        self.batches: list[torch.Tensor] = []

    def decode(self, genomes: torch.Tensor) -> torch.Tensor:
        self.batches.append(genomes)
        return super().decode(genomes)


def main(arguments: Arguments) -> None:
    digits = evovae.load_images("mnist")
    vae = evovae.VAE(evovae.VAEConfig(latent_dim=GENES), seed=arguments.seed)
    config = evovae.TrainConfig(seed=arguments.seed, train_images=2000 if arguments.smoke else None)
    for record in evovae.fit(vae, digits.train, config):
        print(f"epoch {record.epoch}: training -ELBO {-record.elbo:.2f} nats")
    with tempfile.TemporaryDirectory() as temporary, study("deap_bridge", arguments.smoke) as results:
        examples = (arguments.deap or fetch_deap(Path(temporary))) / "examples"
        for name, targets in TARGETS.items():
            objective = objectives.several([objectives.target(digits.test.images[i], f"target:test/{i}") for i in targets])
            source = (examples / f"{name}.py").read_text()
            if arguments.smoke:
                source = re.sub(r"(?i)(ngen ?= ?)\d+", r"\g<1>3", source)
            watched = {bridged: Watched(vae) for bridged in (False, True)}
            for bridged, encoding in watched.items():
                bridge = evolution.Bridge(encoding, objective)
                start = time.perf_counter()
                output = run(source, bridge.evaluate, bridge.map if bridged else map, arguments.seed)
                seconds = time.perf_counter() - start
                genomes = torch.cat(encoding.batches)
                print(name, bridged, len(encoding.batches), len(genomes), seconds, output[-200:])
                if not bridged: first = genomes
                else: print((first==genomes).all(1).float().mean() if first.shape==genomes.shape else "differ", [(i) for i in range(min(len(first),len(genomes))) if not torch.equal(first[i],genomes[i])][:1])


def fetch_deap(folder: Path) -> Path:
    """Download the source distribution of the DEAP that is installed, and return its folder."""
    version = importlib.metadata.version("deap")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "deap", f"deap=={version}"]
    subprocess.run(command, cwd=folder, check=True)
    with tarfile.open(folder / f"deap-{version}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / f"deap-{version}"


def run(source: str, evaluate: Any, mapping: Any, seed: int) -> str:
    """Run a program of DEAP's with these two functions registered, and return what it prints."""
    program: dict[str, Any] = {"__name__": "program"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # each program creates classes of the same names
        exec(source, program)
    program["toolbox"].register("evaluate", evaluate)
    program["toolbox"].register("map", mapping)
    random.seed(seed)
    # The programs seed themselves, one of them from the clock: the two runs would differ.
    with mock.patch.object(random, "seed"), contextlib.redirect_stdout(io.StringIO()) as output:
        program["main"]()
    return output.getvalue()


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
