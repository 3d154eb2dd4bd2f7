"""What the page asks of a session: generations, ancestors, favourites, and files."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Annotated, Any, Literal

import torch
from fastapi import APIRouter, Path, Response
from PIL import Image
from pydantic import BaseModel, Field

from evovae.analysis.plots import tile, to_pixels
from evovae.explorer import run_watcher
from evovae.explorer.breeding import Crossover
from evovae.explorer.cards import Asked, Card, Index
from evovae.explorer.routes.latent import Binary, Genome, to_png, to_tensor
from evovae.explorer.session import Session
from evovae.explorer.session_record import SIZE, Number, Origin, Sigma
from evovae.explorer.workspace import Explored
from evovae.runs import EvolveConfig, genomes

SCALE = 8
"""Of the pictures that are saved: each pixel becomes 8 x 8."""
COLUMNS = 10

Identity = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{22}$")]
Numbers = Annotated[list[Number], Field(min_length=1, max_length=SIZE)]
Format = Literal["png", "json", "safetensors"]
TYPES = {"png": "image/png", "json": "application/json", "safetensors": "application/octet-stream"}
FILE: dict[int | str, dict[str, Any]] = {200: {"content": {kind: {} for kind in TYPES.values()}}}


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


class IndividualView(Card):
    """An individual and its image."""

    number: int
    generation: int
    parents: list[int]
    origin: str


class GenerationView(BaseModel):
    """A generation and its images."""

    generation: int
    parent: int | None
    how: str
    selected: list[int]
    sigma: float | None
    crossover: str | None
    individuals: list[IndividualView]


class Individuals(BaseModel):
    """Individuals in the order in which they were made."""

    individuals: list[IndividualView]


class GenerationNote(BaseModel):
    """A generation without its images."""

    parent: int | None
    how: str
    selected: list[int]


class FavouriteView(Card):
    """A favourite and its image."""

    number: int
    origin: str


class SessionView(BaseModel):
    """A session without the images of its generations."""

    id: str
    seed: int
    generations: list[GenerationNote]
    favourites: list[FavouriteView]


def make_router(explored: Explored) -> APIRouter:
    """Return the routes."""
    router, model, shelf = APIRouter(prefix="/sessions"), explored.model, explored.shelf
    dim = model.encoding.dim

    def show(identity: str, session: Session) -> SessionView:
        cards = model.cards(torch.stack(list(session.kept.values()))) if session.kept else []
        named = zip(session.favourites.items(), cards, strict=True)
        return SessionView(
            id=identity,
            seed=session.seed,
            generations=[
                GenerationNote(parent=g.parent, how=g.how, selected=list(g.selected)) for g in session.generations
            ],
            favourites=[FavouriteView(number=n, origin=origin, **dict(card)) for (n, origin), card in named],
        )

    def show_individuals(session: Session, numbers: list[int]) -> list[IndividualView]:
        cards = model.cards(session.genomes[numbers])
        people = [session.individuals[number] for number in numbers]
        return [
            IndividualView(
                number=number, generation=p.generation, parents=list(p.parents), origin=p.origin, **dict(card)
            )
            for number, p, card in zip(numbers, people, cards, strict=True)
        ]

    def show_generation(session: Session, number: int) -> GenerationView:
        generation = session.generation(number)
        return GenerationView(
            generation=number,
            parent=generation.parent,
            how=generation.how,
            selected=list(generation.selected),
            sigma=generation.sigma,
            crossover=generation.crossover,
            individuals=show_individuals(session, list(generation.members)),
        )

    def grown(identity: str, grow: Callable[[Session], int]) -> GenerationView:
        with shelf.change(identity) as session:
            return show_generation(session, grow(session))

    @router.post("")
    def begin(body: Seed) -> SessionView:
        return get(shelf.new(body.seed))

    @router.post("/open")
    def open_file(body: Binary) -> SessionView:
        return get(shelf.open(body))

    @router.get("/{identity}")
    def get(identity: Identity) -> SessionView:
        with shelf.borrow(identity) as session:
            return show(identity, session)

    @router.post("/{identity}/copy")
    def copy(identity: Identity) -> SessionView:
        return get(shelf.copy(identity))

    @router.get("/{identity}/file", response_class=Response, responses=FILE)
    def save(identity: Identity) -> Response:
        return _download(shelf.content(identity), "session.safetensors", "safetensors")

    @router.get("/{identity}/generations/{generation}")
    def get_generation(identity: Identity, generation: Index) -> GenerationView:
        with shelf.borrow(identity) as session:
            return show_generation(session, generation)

    @router.post("/{identity}/breed")
    def breed(identity: Identity, body: Bred) -> GenerationView:
        return grown(identity, lambda s: s.breed(body.generation, body.selected, body.sigma, body.crossover))

    @router.post("/{identity}/draw")
    def draw(identity: Identity) -> GenerationView:
        return grown(identity, lambda session: session.draw())

    @router.post("/{identity}/start")
    def start(identity: Identity, body: Started) -> GenerationView:
        brought = to_tensor(body.genomes, dim)
        return grown(identity, lambda session: session.start(brought, body.origin, body.sigma))

    @router.get("/{identity}/lineage/{number}")
    def get_lineage(identity: Identity, number: Index) -> Individuals:
        with shelf.borrow(identity) as session:
            return Individuals(individuals=show_individuals(session, session.ancestry(number)))

    @router.post("/{identity}/favourites")
    def keep(identity: Identity, body: Kept) -> SessionView:
        (genome,) = to_tensor([body.genome], dim)
        with shelf.change(identity) as session:
            session.keep(genome, body.origin)
            return show(identity, session)

    @router.delete("/{identity}/favourites/{number}")
    def forget(identity: Identity, number: Index) -> SessionView:
        with shelf.change(identity) as session:
            session.forget(number)
            return show(identity, session)

    @router.get("/{identity}/favourites/file", response_class=Response, responses=FILE)
    def export_all(identity: Identity, format: Format) -> Response:
        with shelf.borrow(identity) as session:
            return _export(session.favourite_genomes(), "favourites", format)

    @router.get("/{identity}/favourites/{number}/file", response_class=Response, responses=FILE)
    def export(identity: Identity, number: Index, format: Format) -> Response:
        with shelf.borrow(identity) as session:
            return _export(session.favourite_genomes([number]), f"favourite-{number}", format)

    def _export(found: torch.Tensor, name: str, format: Format) -> Response:
        if format == "png":
            with torch.no_grad():
                images = model.encoding.decode(found)
            content = to_png(images[0], SCALE) if len(images) == 1 else _sheet(images)
        else:
            write = genomes.to_json if format == "json" else genomes.to_safetensors
            content = write(found, explored.digest)
        return _download(content, f"{name}.{format}", format)

    @router.post("/{identity}/evolve")
    def evolve(identity: Identity, body: Evolved) -> EvolutionStarted:
        with shelf.borrow(identity) as session:
            brought = session.favourite_genomes(body.favourites)
        config = EvolveConfig(
            objective=body.objective,
            generations=body.generations,
            population=body.population,
            replicates=body.replicates,
            seed=body.seed,
        )
        folder, command = explored.evolver.start(brought, body.use, config)
        return EvolutionStarted(key=run_watcher.key_of(folder, explored.runs), command=command)

    return router


def _download(content: bytes, name: str, format: Format) -> Response:
    disposition = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(content, media_type=TYPES[format], headers=disposition)


def _sheet(images: torch.Tensor) -> bytes:
    """Return images (K, C, H, W) side by side as a PNG file."""
    canvas = tile(to_pixels(images).repeat(SCALE, 1).repeat(SCALE, 2), min(COLUMNS, len(images)), SCALE, 0)
    content = io.BytesIO()
    Image.fromarray(canvas).save(content, "PNG")
    return content.getvalue()
