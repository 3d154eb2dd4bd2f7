"""Evolutions that are started from favourites: `evovae evolve` in a process of its own."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Literal

from torch import Tensor

from evovae import objectives
from evovae.base import InputError, files
from evovae.encodings import Encoding
from evovae.runs import EvolveConfig, genomes, resolve_auto

PATIENCE = 20.0
"""Seconds that an evolution gets to write its state when it is asked to stop."""


class BusyError(InputError):
    """An evolution that was started here is still running."""


class Evolver:
    """Starts evolutions, one at a time, as the run folders `explored-1`, `explored-2`, ... in `root`.

    Args:
        encoding: of the genomes.
        context: what objectives are found in.
        model: options of the command that say what decodes, and `data`, those that say which images belong to it.
        root: where the run folders go.
    """

    def __init__(
        self, encoding: Encoding, context: objectives.Context, model: list[str], data: list[str], root: Path
    ) -> None:
        self._encoding, self._context = encoding, context
        self._model, self._data, self._root = model, data, root
        self._digest = genomes.owner_of(encoding)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._kept = tempfile.TemporaryDirectory(prefix="evovae-")
        self.started: set[Path] = set()
        """Run folders of the evolutions that were started here."""

    def start(
        self, favourites: Tensor, use: Literal["initial", "target"], objective: str, config: EvolveConfig
    ) -> tuple[Path, str]:
        """Start an evolution with `favourites` (K, D), and return its run folder and the command.

        Args:
            favourites: the first individuals of each replicate, or the one whose image is the target.
            use: as what they serve; as a target they are the objective themselves.
            objective: what for, otherwise.
            config: the rest.

        Raises:
            InputError: if the settings describe no evolution.
            BusyError: if one is running.
        """
        if use == "target":
            objective = "target:genome/0"
            if len(favourites) != 1:
                raise InputError(f"{len(favourites)} favourites as the target: choose one")
            target = favourites.to(self._encoding.device)
            objectives.parse(objective, replace(self._context, genomes=target, decode=self._encoding.decode))
        else:
            resolve_auto(config, objectives.parse(objective, self._context), self._encoding)
            if len(favourites) > config.population:
                raise InputError(f"{len(favourites)} favourites in a population of {config.population}: choose fewer")
        with self._lock:
            if self.running is not None:
                raise BusyError("an evolution is running already: wait for its end, or stop it")
            number = 1 + sum(1 for _ in self._root.glob("explored-*"))
            while (out := self._root / f"explored-{number}").exists():
                number += 1
            brought = Path(self._kept.name) / f"favourites-{number}.safetensors"
            files.write_bytes(brought, genomes.to_safetensors(favourites, self._digest))
            options = {
                "--genomes": brought,
                "--objective": objective,
                "--population": config.population,
                "--generations": config.generations,
                "--replicates": config.replicates,
                "--seed": config.seed,
                "--checkpoint-seconds": 1,
                "--out": out,
            }
            words = self._model + [str(word) for pair in options.items() for word in pair] + self._data
            words += ["--seeded"] if use == "initial" else []
            self._process = subprocess.Popen(
                [sys.executable, "-m", "evovae", "evolve", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"OMP_NUM_THREADS": "1"},  # a core is left for the page
                start_new_session=True,
            )
            self._folder = out
            self.started.add(out)
        return out, shlex.join(["evovae", "evolve", *words])

    @property
    def running(self) -> Path | None:
        """The run folder of the evolution that is running; None without."""
        return self._folder if self._process is not None and self._process.poll() is None else None

    def stop(self) -> None:
        """Ask the evolution that is running, if any, to write its state and end; `evovae resume` continues it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Stop the evolution that is running, and wait for its end."""
        self.stop()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
        self._kept.cleanup()
