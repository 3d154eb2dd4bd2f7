"""What the page asks of evolutions: which there are, how they went, and what the best looked like."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any

import torch
from fastapi import APIRouter
from fastapi import Path as InPath
from pydantic import BaseModel

from evovae import genomes
from evovae.checks import require
from evovae.encodings import LatentEncoding
from evovae.explorer.explored import Explored
from evovae.explorer.model import Card, Model
from evovae.explorer.session import Number
from evovae.runs import Run
from evovae.vae import FILE_NAME, VAE

Key = Annotated[str, InPath(max_length=100)]


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
    """Best fitness so far, or hypervolume, of each replicate (R, T)."""

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
    router, evolutions = APIRouter(prefix="/runs"), explored.evolutions
    digest_at = functools.lru_cache(maxsize=64)(lambda path, stamp: genomes.digest_of(VAE.load(path)))
    model_at = functools.lru_cache(maxsize=4)(lambda path, stamp: Model(LatentEncoding(VAE.load(path)), None))

    def vae_of(run: Run) -> tuple[Path, int]:
        path = run.folder / FILE_NAME
        return path, path.stat().st_mtime_ns if path.is_file() else 0

    def is_compatible(run: Run) -> bool:
        path, stamp = vae_of(run)
        return stamp > 0 and digest_at(path, stamp) == explored.digest

    def view(key: str, run: Run) -> dict[str, Any]:
        settings, history = evolutions.settings(run), evolutions.history(run)
        return {
            "key": key,
            "name": run.folder.relative_to(evolutions.root).as_posix(),
            "status": evolutions.status(run),
            "objective": list(settings.names),
            "generation": int(history["generation"].max()) if len(history) else 0,
            "generations": settings.evolution.generations,
            "replicates": settings.evolution.replicates,
            "compatible": is_compatible(run),
            "started_here": run.folder in explored.evolver.started,
        }

    @router.get("")
    def find() -> Runs:
        return Runs(runs=[RunView(**view(key, run)) for key, run in evolutions.find().items()])

    @router.get("/{key}")
    def describe(key: Key) -> RunDetails:
        run = evolutions.get(key)
        curve, frames = evolutions.curve(run), evolutions.frames(run)
        shown = CurveView(label=curve.label, minimise=curve.minimise, generation=curve.generation, best=curve.best)
        return RunDetails(**view(key, run), curve=shown, frames=frames.generations if frames else [])

    @router.get("/{key}/frames/{index}")
    def show_frame(key: Key, index: Number) -> FrameView:
        run = evolutions.get(key)
        frames = evolutions.frames(run)
        count = len(frames.generations) if frames else 0
        require(index < count, f"no moment {index}: expected one of the {count} that are kept")
        assert frames is not None
        model = explored.model if is_compatible(run) else model_at(*vae_of(run))
        fitness = [
            [value if torch.tensor(value).isfinite() else None for value in row]
            for row in frames.fitness[index].tolist()
        ]
        return FrameView(
            generation=frames.generations[index], fitness=fitness, cards=model.cards(frames.genomes[index])
        )

    @router.post("/{key}/stop")
    def stop(key: Key) -> Nothing:
        run = evolutions.get(key)
        require(
            run.folder == explored.evolver.running, f"{key} is not running, or was started elsewhere: stop it there"
        )
        explored.evolver.stop()
        return Nothing()

    return router
