"""What the page asks of the latent space: images of genomes, genomes of images, the map, and paths."""

from __future__ import annotations

import base64
import math
import re
from typing import Annotated, Literal

import torch
from fastapi import APIRouter, Body, Response
from pydantic import BaseModel, Field
from torch import Tensor

from evovae import objectives
from evovae.base import InputError, make_generator
from evovae.data import legible, read_picture
from evovae.encodings import StandardNormal
from evovae.evolution import slerp
from evovae.explorer.breeding import CROSSOVERS
from evovae.explorer.cards import Asked, Card, Index, Pixels, pixels_of
from evovae.explorer.gene_space import DIRECTIONS, SHARES, Gene, Genome
from evovae.explorer.jury import JuryState
from evovae.explorer.latent_maps import MapState
from evovae.explorer.routes.downloads import to_png
from evovae.explorer.session_record import LARGEST_SIGMA, SIZE
from evovae.explorer.workspace import Explored
from evovae.models import active_units
from evovae.objectives import CLASS, quoted

SIGMA = 0.3
NORMAL = -0.5 * (1 + math.log(2 * math.pi))
"""Mean log-density of N(0, 1) at its own draws, in nats."""
PICTURE_BYTES = 32 << 20

Method = Literal["tsne", "pca"]
Binary = Annotated[bytes, Body(media_type="application/octet-stream")]


class BusyMapError(InputError):
    """t-SNE is still computing the map."""


class Unit(BaseModel):
    """A slider: of a gene, or along a direction."""

    unit: int
    activity: float | None
    """Variance of its posterior mean over the test images; None where it is not known."""
    active: bool
    low: float
    high: float
    even: bool
    """Whether the prior is even between `low` and `high`; else it is normal about the median, with deviation 1."""
    quantiles: list[float]
    """Of the prior, at the model's `shares`."""


class Choice(BaseModel):
    """A crossover, and what people are shown."""

    name: str
    label: str


class ModelView(BaseModel):
    """What the page has to know of the model."""

    name: str
    dim: int
    directions: bool
    """Whether sliders move along directions, as there are too many genes for a slider each."""
    curves: bool
    """Whether phenotypes are curves, not images."""
    classes: list[str]
    judges: JuryState
    judges_word: str
    """Their state and reliability."""
    judges_doubts: str
    """Why their word counts for little; empty where nothing speaks against them."""
    not_typical: str
    """Why typicality is not measured; empty where it is."""
    usual_log_prior: float
    """Nats per gene, of draws from the prior."""
    units: list[Unit]
    shares: list[float]
    """Of the prior, at whose quantiles a strip of images is shown."""
    encodes: bool
    """Whether genomes of pictures can be found."""
    no_map: str
    """Why there is no map, in a sentence; empty where there is one."""
    test_images: int
    """That can be begun from."""
    size: int
    sigma: float
    largest_sigma: float
    crossovers: list[Choice]
    crossover: str
    objectives: list[str]


class Genomes(Asked):
    """Genomes to decode."""

    genomes: Annotated[list[Genome], Field(min_length=1, max_length=64)]


class Moved(Asked):
    """A genome, None for the prior's centre, to move along the directions: how far, for each image."""

    genome: Genome | None
    moves: Annotated[
        list[Annotated[list[Gene], Field(min_length=DIRECTIONS, max_length=DIRECTIONS)]],
        Field(min_length=1, max_length=64),
    ]


class Cards(BaseModel):
    """Images in the order of their genomes."""

    cards: list[Card]


class Encoded(BaseModel):
    """A picture as the model reads it, and its reconstruction."""

    original: Pixels
    label: int | None
    index: int | None
    card: Card


class MapView(BaseModel):
    """Where the test images lie: points base64 of float32 (N, 2) in 0..1, labels base64 of int32 (N,)."""

    method: Method
    points: str
    labels: str
    tsne: MapState


class Point(Asked):
    """A place on the map."""

    method: Method
    x: Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)]
    y: Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)]


class Place(BaseModel):
    """What a place on the map decodes to, and the test images next to it."""

    neighbours: list[int]
    card: Card


class Ends(Asked):
    """A path between two genomes."""

    first: Genome
    last: Genome
    kind: Literal["linear", "spherical"]
    steps: Annotated[int, Field(ge=2, le=32)]


def make_router(explored: Explored) -> APIRouter:
    """Return the routes."""
    router, model, space = APIRouter(), explored.model, explored.model.space
    jury, view = explored.jury, _describe(explored)

    def encoded(image: Tensor, genome: Tensor, label: int | None = None, index: int | None = None) -> Encoded:
        return Encoded(original=pixels_of(image), label=label, index=index, card=model.card(genome))

    def test_image(index: int) -> Tensor:
        test = explored.require_known().test
        if index >= len(test):
            raise InputError(f"no test image {index}: expected 0 to {len(test) - 1}")
        return test.images[index]

    @router.get("/model")
    def describe() -> ModelView:
        return view.model_copy(update={"judges": jury.state, "judges_word": jury.word, "judges_doubts": jury.doubts})

    @router.post("/images")
    def decode(body: Genomes) -> Cards:
        return Cards(cards=model.cards(space.read(body.genomes)))

    @router.post("/moved")
    def move(body: Moved) -> Cards:
        begin = None if body.genome is None else space.read([body.genome])[0]
        return Cards(cards=model.cards(space.move(begin, torch.tensor(body.moves, dtype=torch.float32))))

    @router.post("/encode")
    def encode(body: Binary) -> Encoded:
        if not view.encodes:
            raise InputError("a picture cannot be taken up: the generator has no encoder of images")
        image = read_picture(body, "the picture", model.drawing.shape)
        return encoded(image, model.encode(image.unsqueeze(0))[0])

    @router.get("/test/{index}")
    def show_test_image(index: Index) -> Encoded:
        image, known = test_image(index), explored.require_known()
        return encoded(image, known.codes[index], int(known.test.labels[index]), index)

    @router.get("/test/{index}/picture", response_class=Response, responses={200: {"content": {"image/png": {}}}})
    def picture(index: Index) -> Response:
        content = to_png(test_image(index), 1)
        return Response(content, media_type="image/png", headers={"cache-control": "private, max-age=3600"})

    @router.get("/map")
    def show_map(method: Method) -> MapView:
        known = explored.require_known()
        points = _points(method).numpy().astype("<f4").tobytes()
        labels = known.test.labels.numpy().astype("<i4").tobytes()
        return MapView(
            method=method,
            points=base64.b64encode(points).decode(),
            labels=base64.b64encode(labels).decode(),
            tsne=known.atlas.state,
        )

    @router.post("/map/decode")
    def decode_place(body: Point) -> Place:
        _points(body.method)
        genome, neighbours = explored.require_known().atlas.genome_at(body.method, body.x, body.y)
        return Place(neighbours=neighbours.tolist(), card=model.card(genome))

    @router.post("/path")
    def walk(body: Ends) -> Cards:
        first, last = space.read([body.first, body.last])
        weights = torch.linspace(0, 1, body.steps, dtype=torch.float32).unsqueeze(1)
        return Cards(
            cards=model.cards(slerp(first, last)(weights) if body.kind == "spherical" else first.lerp(last, weights))
        )

    def _points(method: Method) -> Tensor:
        atlas = explored.require_known().atlas
        if method == "tsne" and atlas.state != "ready":
            raise BusyMapError(f"the map by t-SNE is not there: it is {atlas.state}; take pca")
        return atlas.points(method)

    return router


def _describe(explored: Explored) -> ModelView:
    model, jury, curves = explored.model, explored.jury, explored.model.drawing.curves
    prior = model.encoding.prior
    draws = model.encoding.sample(100, make_generator(0))
    usual = NORMAL if isinstance(prior, StandardNormal) else float(model.encoding.log_prior(draws).mean() / prior.dim)
    classes = explored.images.classes if explored.images else ()
    asked = [f"digit:{name}" if re.fullmatch("[0-9]+", name) else f"{CLASS}:{quoted(name)}" for name in classes]
    others = [name for name in objectives.REGISTRY if name not in (CLASS, "digit", "target", "ssim")]
    return ModelView(
        name=explored.name,
        dim=model.encoding.dim,
        directions=model.space.directions is not None,
        curves=curves,
        classes=[legible(name) for name in classes],
        judges=jury.state,
        judges_word=jury.word,
        judges_doubts=jury.doubts,
        not_typical=explored.not_typical,
        usual_log_prior=usual,
        units=_units(explored),
        shares=list(SHARES),
        encodes=model.encoding.encodes and not curves,
        no_map=explored.missing,
        test_images=len(explored.known.test) if explored.known else 0,
        size=SIZE,
        sigma=SIGMA,
        largest_sigma=LARGEST_SIGMA,
        crossovers=[Choice(name=name, label=label) for name, (label, _) in CROSSOVERS.items()],
        crossover="cxBlend",
        objectives=[name for name in asked if len(classes) > 1 and legible(name) == name] + others * (not curves),
    )


def _units(explored: Explored) -> list[Unit]:
    """Return what the sliders do, the most active first where that is known."""
    sliders = explored.model.space.sliders
    order, activity, active = list(range(len(sliders))), None, None
    if explored.known is not None and explored.model.space.directions is None:
        codes = explored.known.codes
        activity, active = codes.var(0, correction=0), active_units(codes)
        order = activity.argsort(descending=True, stable=True).tolist()
    return [
        Unit(
            unit=unit,
            activity=None if activity is None else float(activity[unit]),
            active=active is None or bool(active[unit]),
            low=sliders[unit].low,
            high=sliders[unit].high,
            even=sliders[unit].even,
            quantiles=list(sliders[unit].quantiles),
        )
        for unit in order
    ]
