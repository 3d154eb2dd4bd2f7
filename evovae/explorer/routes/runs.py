"""What the page asks of evolutions: which there are, how they went, and what the best looked like."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel
from torch import Tensor

from evovae.base import InputError
from evovae.encodings import LatentEncoding
from evovae.explorer import run_watcher
from evovae.explorer.cards import Card, Index, Model, bare_cards
from evovae.explorer.drawing import Drawing
from evovae.explorer.workspace import Explored
from evovae.models import VAE, VAE_FILE
from evovae.runs import POPULATION, PROBE_FILE, EvolutionResults, Phenotypes, Run, decodes_as, genomes, stamp_of

Key = Annotated[str, Path(max_length=100)]
FOREIGN = "Evolved in another model's latent space: its images are shown, its genomes have no meaning here."
PENDING = "Made by another generator than the one explored: its images are shown when the run is finished."
UNKNOWN = "Made by another generator than the one explored, and the run keeps no images of it that can be shown."


class UnknownRunError(InputError):
    """There is no run of this key."""


class RunView(BaseModel):
    """An evolution, and how far it is."""

    key: str
    name: str
    status: str
    objective: list[str]
    generation: int
    generations: int
    replicates: int
    compatible: bool
    """Whether its genomes are of the VAE or generator that is explored."""
    started_here: bool


class Runs(BaseModel):
    """Evolutions, by name."""

    runs: list[RunView]


class CurveView(BaseModel):
    """The metric of the evolution so far, of each replicate (R, T)."""

    label: str
    minimise: bool
    generation: list[int]
    best: list[list[float | None]]


class RunDetails(RunView):
    """An evolution with its curve, and the generations of which the best images are kept."""

    curve: CurveView
    frames: list[int]
    note: str
    """Whose genomes they are, where they are not of what is explored."""


class FrameView(BaseModel):
    """The best image of each replicate at a generation."""

    generation: int
    fitness: list[list[float | None]]
    cards: list[Card]


class Nothing(BaseModel):
    """Done."""


class _Kept:
    """What a finished run keeps of its best, where no model of it is known: images, and no code of it is run.

    Attributes:
        generations: of which there are images.
    """

    def __init__(self, run: FilePath) -> None:
        phenotypes = Phenotypes(EvolutionResults(Run(run)))
        found = phenotypes.found
        self.generations = found["frame_generations"][phenotypes.moments].tolist()
        self._fitness = found["frame_fitness"].transpose(0, 1)[phenotypes.moments]  # T R M
        self._shown = phenotypes.at(phenotypes.moments, len(found["frame_fitness"]))  # R T ...
        self._drawing = Drawing(self._shown.flatten(0, 1))

    def frame(self, index: int) -> tuple[int, Tensor, list[Card]]:
        """Return generation, fitness (R, M) and images of one of `generations`."""
        if index >= len(self.generations):
            raise InputError(f"no frame {index}: expected 0 to {len(self.generations) - 1}")
        cards = bare_cards(self._drawing.draw(self._shown[:, index]))
        return self.generations[index], self._fitness[index], cards


def make_router(explored: Explored) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/runs")
    digest_at = functools.lru_cache(maxsize=256)(lambda path, stamp: genomes.digest_of(VAE.load(path)))
    same_at = functools.lru_cache(maxsize=256)(lambda run, stamp: decodes_as(run, explored.model.encoding))
    model_at = functools.lru_cache(maxsize=4)(lambda path, stamp: Model(LatentEncoding(VAE.load(path)), None, None))
    kept_at = functools.lru_cache(maxsize=4)(lambda run, stamp: _Kept(run))

    def get(key: str) -> FilePath:
        runs = run_watcher.find_runs(explored.runs)
        if key not in runs:
            raise UnknownRunError("there is no such run: choose one of the list")
        return runs[key]

    def vae_of(run: FilePath) -> tuple[FilePath, int]:
        path = run / VAE_FILE
        return path, path.stat().st_mtime_ns if path.is_file() else 0

    def is_compatible(run: FilePath) -> bool:
        path, stamp = vae_of(run)
        if stamp > 0:
            return bool(digest_at(path, stamp) == explored.digest)
        probe = stamp_of(run / PROBE_FILE)
        return probe is not None and same_at(run, probe)

    def kept_of(run: FilePath) -> _Kept | None:
        """Return the images that a run keeps where they are all that can be shown; None if there are none."""
        with contextlib.suppress(InputError):
            return kept_at(run, stamp_of(run / POPULATION))
        return None

    def has_model(run: FilePath) -> bool:
        return is_compatible(run) or vae_of(run)[1] > 0

    def frames_of(run: FilePath) -> tuple[list[int], str]:
        """Return the generations of which images are shown, and what there is to say of them."""
        if has_model(run):
            return run_watcher.frames(run), "" if is_compatible(run) else FOREIGN
        if (kept := kept_of(run)) is not None:
            return kept.generations, FOREIGN
        return [], UNKNOWN if run_watcher.describe(run).status == "finished" else PENDING

    def view(key: str, run: FilePath) -> dict[str, Any]:
        name = os.fsencode(run.relative_to(explored.runs)).decode(errors="backslashreplace")
        here = {"compatible": is_compatible(run), "started_here": run in explored.evolver.started}
        return {"key": key, "name": name} | asdict(run_watcher.describe(run)) | here

    @router.get("")
    def find() -> Runs:
        return Runs(runs=[RunView(**view(key, run)) for key, run in run_watcher.find_runs(explored.runs).items()])

    @router.get("/{key}")
    def describe(key: Key) -> RunDetails:
        run = get(key)
        curve = CurveView(**asdict(run_watcher.curve(run)))
        frames, note = frames_of(run)
        return RunDetails(**view(key, run), curve=curve, frames=frames, note=note)

    @router.get("/{key}/frames/{index}")
    def show_frame(key: Key, index: Index) -> FrameView:
        run = get(key)
        if has_model(run):
            generation, found, shown = run_watcher.frame(run, index)
            model = explored.model if is_compatible(run) else model_at(*vae_of(run))
            cards = model.cards(found)
        elif (kept := kept_of(run)) is not None:
            generation, shown, cards = kept.frame(index)
        else:
            raise InputError(f"{key} has no image {index}: none of it are known")
        fitness = [[value if math.isfinite(value) else None for value in row] for row in shown.tolist()]
        return FrameView(generation=generation, fitness=fitness, cards=cards)

    @router.post("/{key}/stop")
    def stop(key: Key) -> Nothing:
        if get(key) != explored.evolver.running:
            raise InputError(f"{key} is not running, or was started elsewhere: stop it where it was started")
        explored.evolver.stop()
        return Nothing()

    return router
