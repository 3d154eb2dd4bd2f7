"""What the page asks of evolutions: which there are, how they went, and what the best looked like."""

from __future__ import annotations

import functools
import math
import os
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel

from evovae.base import InputError
from evovae.encodings import LatentEncoding
from evovae.explorer import run_watcher
from evovae.explorer.cards import Card, Index, Model
from evovae.explorer.workspace import Explored
from evovae.models import VAE, VAE_FILE
from evovae.runs import genomes

Key = Annotated[str, Path(max_length=100)]


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
    """Whether its genomes are of the VAE that is explored."""
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


class FrameView(BaseModel):
    """The best image of each replicate at a generation."""

    generation: int
    fitness: list[list[float | None]]
    cards: list[Card]


class Nothing(BaseModel):
    """Done."""


def make_router(explored: Explored) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/runs")
    digest_at = functools.lru_cache(maxsize=256)(lambda path, stamp: genomes.digest_of(VAE.load(path)))
    model_at = functools.lru_cache(maxsize=4)(lambda path, stamp: Model(LatentEncoding(VAE.load(path)), None, None))

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
        return stamp > 0 and digest_at(path, stamp) == explored.digest

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
        return RunDetails(**view(key, run), curve=curve, frames=run_watcher.frames(run))

    @router.get("/{key}/frames/{index}")
    def show_frame(key: Key, index: Index) -> FrameView:
        run = get(key)
        frame = run_watcher.frame(run, index)
        model = explored.model if is_compatible(run) else model_at(*vae_of(run))
        fitness = [[value if math.isfinite(value) else None for value in row] for row in frame.fitness.tolist()]
        return FrameView(generation=frame.generation, fitness=fitness, cards=model.cards(frame.genomes))

    @router.post("/{key}/stop")
    def stop(key: Key) -> Nothing:
        if get(key) != explored.evolver.running:
            raise InputError(f"{key} is not running, or was started elsewhere: stop it where it was started")
        explored.evolver.stop()
        return Nothing()

    return router
