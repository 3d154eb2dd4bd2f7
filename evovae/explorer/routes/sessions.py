"""What the page asks of a session: generations, ancestors, and its file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import Field

from evovae.explorer.breeding import Crossover
from evovae.explorer.cards import Asked, Index
from evovae.explorer.gene_space import Genome
from evovae.explorer.routes.downloads import FILE, download
from evovae.explorer.routes.latent import Binary
from evovae.explorer.routes.session_views import (
    GenerationView,
    Individuals,
    SessionView,
    show_generation,
    show_individuals,
    show_session,
)
from evovae.explorer.session import Session
from evovae.explorer.session_record import SIZE, Number, Origin, Sigma
from evovae.explorer.workspace import Explored

Identity = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{22}$")]
MOST_SHOWN = 4_000_000
"""Genes of all ancestors that are shown at once."""
Numbers = Annotated[list[Number], Field(min_length=1, max_length=SIZE)]


class Seed(Asked):
    """Of a session's draws; without, one is chosen."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None


class Bred(Asked):
    """Who was chosen in a generation, and how to breed from them."""

    generation: Number
    selected: Numbers
    sigma: Sigma
    crossover: Crossover


class Started(Asked):
    """Genomes to begin a generation with."""

    genomes: Annotated[list[Genome], Field(min_length=1, max_length=SIZE)]
    origin: Origin
    sigma: Sigma


def make_router(explored: Explored) -> APIRouter:
    """Return the routes."""
    router, model, shelf = APIRouter(prefix="/sessions"), explored.model, explored.shelf
    most = max(SIZE, min(400, MOST_SHOWN // model.encoding.dim))

    def grown(identity: str, grow: Callable[[Session], int]) -> GenerationView:
        with shelf.change(identity) as session:
            return show_generation(session, grow(session), model)

    @router.post("")
    def begin(body: Seed) -> SessionView:
        return get(shelf.new(body.seed))

    @router.post("/open")
    def open_file(body: Binary) -> SessionView:
        return get(shelf.open(body))

    @router.get("/{identity}")
    def get(identity: Identity) -> SessionView:
        with shelf.borrow(identity) as session:
            return show_session(identity, session, model)

    @router.post("/{identity}/copy")
    def copy(identity: Identity) -> SessionView:
        return get(shelf.copy(identity))

    @router.get("/{identity}/file", response_class=Response, responses=FILE)
    def save(identity: Identity) -> Response:
        return download(shelf.content(identity), "session.safetensors", "safetensors")

    @router.get("/{identity}/generations/{generation}")
    def get_generation(identity: Identity, generation: Index) -> GenerationView:
        with shelf.borrow(identity) as session:
            return show_generation(session, generation, model)

    @router.post("/{identity}/breed")
    def breed(identity: Identity, body: Bred) -> GenerationView:
        return grown(identity, lambda s: s.breed(body.generation, body.selected, body.sigma, body.crossover))

    @router.post("/{identity}/draw")
    def draw(identity: Identity) -> GenerationView:
        return grown(identity, lambda session: session.draw())

    @router.post("/{identity}/start")
    def start(identity: Identity, body: Started) -> GenerationView:
        brought = model.space.read(body.genomes)
        return grown(identity, lambda session: session.start(brought, body.origin, body.sigma))

    @router.get("/{identity}/lineage/{number}")
    def get_lineage(identity: Identity, number: Index) -> Individuals:
        with shelf.borrow(identity) as session:
            return Individuals(individuals=show_individuals(session, session.ancestry(number, most), model))

    return router
