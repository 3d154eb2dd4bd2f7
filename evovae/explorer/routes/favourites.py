"""What the page asks of a session's favourites: to keep them, to save them as files, to evolve from them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from torch import Tensor

from evovae.explorer import run_watcher
from evovae.explorer.cards import Asked, Index
from evovae.explorer.gene_space import Genome
from evovae.explorer.routes.downloads import FILE, SCALE, Format, download, to_png, to_sheet
from evovae.explorer.routes.session_views import SessionView, show_session
from evovae.explorer.routes.sessions import Identity, Numbers
from evovae.explorer.session_record import Origin
from evovae.explorer.workspace import Explored
from evovae.runs import EvolveConfig, genomes


class Kept(Asked):
    """A genome to keep."""

    genome: Genome
    origin: Origin


class Evolved(Asked):
    """An evolution to start from favourites."""

    favourites: Numbers
    use: Literal["initial", "target"]
    objective: Annotated[str, Field(max_length=1000)] = "digit:8"
    generations: Annotated[int, Field(ge=0, le=100_000)] = 100
    population: Annotated[int, Field(ge=2, le=100_000)] = 200
    replicates: Annotated[int, Field(ge=1, le=100)] = 5
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0


class EvolutionStarted(BaseModel):
    """Where it can be watched, and the command that does the same in a terminal."""

    key: str
    command: str


def make_router(explored: Explored) -> APIRouter:
    """Return the routes."""
    router, model, shelf = APIRouter(prefix="/sessions"), explored.model, explored.shelf

    @router.post("/{identity}/favourites")
    def keep(identity: Identity, body: Kept) -> SessionView:
        (genome,) = model.space.read([body.genome])
        with shelf.change(identity) as session:
            session.keep(genome, body.origin)
            return show_session(identity, session, model)

    @router.delete("/{identity}/favourites/{number}")
    def forget(identity: Identity, number: Index) -> SessionView:
        with shelf.change(identity) as session:
            session.forget(number)
            return show_session(identity, session, model)

    @router.get("/{identity}/favourites/file", response_class=Response, responses=FILE)
    def export_all(identity: Identity, format: Format) -> Response:
        with shelf.borrow(identity) as session:
            return _export(session.favourite_genomes(), "favourites", format, explored)

    @router.get("/{identity}/favourites/{number}/file", response_class=Response, responses=FILE)
    def export(identity: Identity, number: Index, format: Format) -> Response:
        with shelf.borrow(identity) as session:
            return _export(session.favourite_genomes([number]), f"favourite-{number}", format, explored)

    @router.post("/{identity}/evolve")
    def evolve(identity: Identity, body: Evolved) -> EvolutionStarted:
        with shelf.borrow(identity) as session:
            brought = session.favourite_genomes(body.favourites)
        config = EvolveConfig(
            generations=body.generations,
            population=body.population,
            replicates=body.replicates,
            seed=body.seed,
        )
        folder, command = explored.evolver.start(brought, body.use, body.objective, config)
        return EvolutionStarted(key=run_watcher.key_of(folder, explored.runs), command=command)

    return router


def _export(found: Tensor, name: str, format: Format, explored: Explored) -> Response:
    if format == "png":
        images = explored.model.images(found)
        scale = 1 if explored.model.drawing.curves else SCALE
        content = to_png(images[0], scale) if len(images) == 1 else to_sheet(images, scale)
    else:
        write = genomes.to_json if format == "json" else genomes.to_safetensors
        content = write(found, explored.digest)
    return download(content, f"{name}.{format}", format)
