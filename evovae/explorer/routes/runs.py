"""What the page asks of runs: which there are, how they went, and what the best of an evolution looked like."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from torch import Tensor

from evovae.base import InputError
from evovae.explorer import run_watcher
from evovae.explorer.archive_watcher import read_archive
from evovae.explorer.cards import Card, Index, bare_cards
from evovae.explorer.drawing import Drawing
from evovae.explorer.routes import archives
from evovae.explorer.routes.archives import Key
from evovae.explorer.watched_runs import WatchedRuns
from evovae.explorer.workspace import Explored
from evovae.runs import POPULATION, EvolutionResults, Phenotypes, Run, stamp_of

FOREIGN = "Evolved in another model's latent space: its images are shown, its genomes have no meaning here."
PENDING = "Made by another generator than the one explored: its images are shown when the run is finished."
BARE = "Made by another generator than the one explored: of its elites those are seen whose pictures the run keeps."
UNKNOWN = "Made by another generator than the one explored, and the run keeps no images of it that can be shown."


class RunView(BaseModel):
    """An evolution or illumination, and how far it is."""

    key: str
    name: str
    kind: str
    status: str
    objective: list[str]
    measures: list[str]
    """That an archive lies along; of an evolution, those that are reported."""
    generation: int
    generations: int
    replicates: int
    compatible: bool
    """Whether its genomes are of the VAE or generator that is explored."""
    started_here: bool


class Runs(BaseModel):
    """Evolutions and illuminations, by name."""

    runs: list[RunView]


class CurveView(BaseModel):
    """A metric of the run so far, of each replicate (R, T)."""

    label: str
    minimise: bool
    generation: list[int]
    best: list[list[float | None]]


class RunDetails(RunView):
    """A run with its curves, and what there is to see of it."""

    curves: list[CurveView]
    frames: list[int]
    """Generations of an evolution whose best images are kept."""
    archive: bool
    """Whether there is one: an illumination begins without."""
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
    router, watched = APIRouter(prefix="/runs"), WatchedRuns(explored)
    router.include_router(archives.make_router(watched))
    kept_at = functools.lru_cache(maxsize=4)(lambda run, stamp: _Kept(run))

    def kept_of(run: FilePath) -> _Kept | None:
        """Return the images that a run keeps where they are all that can be shown; None if there are none."""
        with contextlib.suppress(InputError):
            return kept_at(run, stamp_of(run / POPULATION))
        return None

    def frames_of(run: FilePath) -> tuple[list[int], str]:
        """Return the generations of which images are shown, and what there is to say of them."""
        if watched.has_model(run):
            return run_watcher.frames(run), "" if watched.is_compatible(run) else FOREIGN
        found = run_watcher.describe(run)
        if found.kind == "illumination":
            return [], BARE
        if (kept := kept_of(run)) is not None:
            return kept.generations, FOREIGN
        return [], UNKNOWN if found.status == "finished" else PENDING

    def has_archive(run: FilePath) -> bool:
        with contextlib.suppress(InputError):
            return bool(read_archive(run).axes)
        return False

    def view(key: str, run: FilePath) -> dict[str, Any]:
        name = os.fsencode(run.relative_to(explored.runs)).decode(errors="backslashreplace")
        here = {"compatible": watched.is_compatible(run), "started_here": run in explored.evolver.started}
        return {"key": key, "name": name} | asdict(run_watcher.describe(run)) | here

    @router.get("")
    def find() -> Runs:
        return Runs(runs=[RunView(**view(key, run)) for key, run in run_watcher.find_runs(explored.runs).items()])

    @router.get("/{key}")
    def describe(key: Key) -> RunDetails:
        run = watched.get(key)
        curves = [CurveView(**asdict(curve)) for curve in run_watcher.curves(run)]
        frames, note = frames_of(run)
        return RunDetails(**view(key, run), curves=curves, frames=frames, archive=has_archive(run), note=note)

    @router.get("/{key}/frames/{index}")
    def show_frame(key: Key, index: Index) -> FrameView:
        run = watched.get(key)
        if watched.has_model(run):
            generation, found, shown = run_watcher.frame(run, index)
            cards = watched.model_of(run).cards(found)
        elif (kept := kept_of(run)) is not None:
            generation, shown, cards = kept.frame(index)
        else:
            raise InputError(f"{key} has no image {index}: none of it are known")
        fitness = [[value if math.isfinite(value) else None for value in row] for row in shown.tolist()]
        return FrameView(generation=generation, fitness=fitness, cards=cards)

    @router.post("/{key}/stop")
    def stop(key: Key) -> Nothing:
        if watched.get(key) != explored.evolver.running:
            raise InputError(f"{key} is not running, or was started elsewhere: stop it where it was started")
        explored.evolver.stop()
        return Nothing()

    return router
