"""What the page asks of the latent space: images of genomes, genomes of images, the map, and paths."""

from __future__ import annotations

import base64
import io
import re
from typing import Annotated, Literal

import torch
from fastapi import APIRouter, Body, Response
from PIL import Image
from pydantic import BaseModel, Field
from torch import Tensor

from evovae import objectives
from evovae.analysis.plots import to_pixels
from evovae.base import InputError
from evovae.data import legible, read_picture
from evovae.evolution import slerp
from evovae.explorer.breeding import CROSSOVERS
from evovae.explorer.cards import Asked, Card, Gene, Index, Pixels, pixels_of
from evovae.explorer.jury import JuryState
from evovae.explorer.latent_maps import MapState
from evovae.explorer.session_record import LARGEST_SIGMA, SIZE
from evovae.explorer.workspace import Explored
from evovae.models import active_units
from evovae.objectives import CLASS, quoted

LIMIT = 4.0
"""Sliders reach from -4 to 4."""
SIGMA = 0.3
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
PICTURE_BYTES = 32 << 20

Genome = Annotated[list[Gene], Field(min_length=1, max_length=4096)]
Method = Literal["tsne", "pca"]
Binary = Annotated[bytes, Body(media_type="application/octet-stream")]


class BusyMapError(InputError):
    """t-SNE is still computing the map."""


class Unit(BaseModel):
    """A latent variable: the variance of its posterior mean over the test images."""

    unit: int
    activity: float
    active: bool


class Quantile(BaseModel):
    """Of the prior of each latent value, N(0, 1)."""

    p: float
    value: float


class Choice(BaseModel):
    """A crossover, and what people are shown."""

    name: str
    label: str


class ModelView(BaseModel):
    """What the page has to know of the model."""

    name: str
    dim: int
    shape: tuple[int, int, int]
    classes: list[str]
    judges: JuryState
    judges_word: str
    """Their state and reliability."""
    judges_doubts: str
    """Why their word counts for little; empty where nothing speaks against them."""
    units: list[Unit]
    quantiles: list[Quantile]
    limit: float
    test_images: int
    size: int
    sigma: float
    largest_sigma: float
    crossovers: list[Choice]
    crossover: str
    objectives: list[str]


class Genomes(Asked):
    """Genomes to decode."""

    genomes: Annotated[list[Genome], Field(min_length=1, max_length=64)]


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


def to_tensor(genomes: list[list[float]], dim: int) -> Tensor:
    """Return `genomes` as a tensor (K, dim).

    Raises:
        InputError: if one has another number of genes.
    """
    for genome in genomes:
        if len(genome) != dim:
            raise InputError(f"a genome has {len(genome)} values: expected {dim}")
    return torch.tensor(genomes, dtype=torch.float32)


def make_router(explored: Explored) -> APIRouter:
    """Return the routes."""
    router, model, test, atlas = APIRouter(), explored.model, explored.test, explored.atlas
    dim = model.encoding.dim
    jury, view = explored.jury, _describe(explored)

    def encoded(image: Tensor, genome: Tensor, index: int | None = None) -> Encoded:
        label = None if index is None else int(test.labels[index])
        return Encoded(original=pixels_of(image), label=label, index=index, card=model.card(genome))

    def test_image(index: int) -> Tensor:
        if index >= len(test):
            raise InputError(f"no test image {index}: expected 0 to {len(test) - 1}")
        return test.images[index]

    @router.get("/model")
    def describe() -> ModelView:
        return view.model_copy(update={"judges": jury.state, "judges_word": jury.word, "judges_doubts": jury.doubts})

    @router.post("/images")
    def decode(body: Genomes) -> Cards:
        return Cards(cards=model.cards(to_tensor(body.genomes, dim)))

    @router.post("/encode")
    def encode(body: Binary) -> Encoded:
        image = read_picture(body, "the picture", explored.images.shape)
        return encoded(image, model.encode(image.unsqueeze(0))[0])

    @router.get("/test/{index}")
    def show_test_image(index: Index) -> Encoded:
        return encoded(test_image(index), explored.codes[index], index)

    @router.get("/test/{index}/picture", response_class=Response, responses={200: {"content": {"image/png": {}}}})
    def picture(index: Index) -> Response:
        content = to_png(test_image(index), 1)
        return Response(content, media_type="image/png", headers={"cache-control": "private, max-age=3600"})

    @router.get("/map")
    def show_map(method: Method) -> MapView:
        points = _points(method).numpy().astype("<f4").tobytes()
        labels = test.labels.numpy().astype("<i4").tobytes()
        return MapView(
            method=method,
            points=base64.b64encode(points).decode(),
            labels=base64.b64encode(labels).decode(),
            tsne=atlas.state,
        )

    @router.post("/map/decode")
    def decode_place(body: Point) -> Place:
        _points(body.method)
        genome, neighbours = atlas.genome_at(body.method, body.x, body.y)
        return Place(neighbours=neighbours.tolist(), card=model.card(genome))

    @router.post("/path")
    def walk(body: Ends) -> Cards:
        first, last = to_tensor([body.first, body.last], dim)
        weights = torch.linspace(0, 1, body.steps, dtype=torch.float32).unsqueeze(1)
        return Cards(
            cards=model.cards(slerp(first, last)(weights) if body.kind == "spherical" else first.lerp(last, weights))
        )

    def _points(method: Method) -> Tensor:
        if method == "tsne" and atlas.state != "ready":
            raise BusyMapError(f"the map by t-SNE is not there: it is {atlas.state}; take pca")
        return atlas.points(method)

    return router


def to_png(image: Tensor, scale: int) -> bytes:
    """Return an image (C, H, W), uint8 or in [0, 1], as a PNG file, `scale` times as large."""
    pixels = to_pixels(image.unsqueeze(0))[0]
    content = io.BytesIO()
    _, height, width = image.shape
    Image.fromarray(pixels).resize((scale * width, scale * height), Image.Resampling.NEAREST).save(content, "PNG")
    return content.getvalue()


def _describe(explored: Explored) -> ModelView:
    model, codes = explored.model, explored.codes
    activity, active = codes.var(0, correction=0), active_units(codes)
    classes = explored.images.classes
    asked = [f"digit:{name}" if re.fullmatch("[0-9]+", name) else f"{CLASS}:{quoted(name)}" for name in classes]
    others = [name for name in objectives.REGISTRY if name not in (CLASS, "digit", "target", "ssim")]
    return ModelView(
        name=explored.name,
        dim=model.encoding.dim,
        shape=explored.images.shape,
        classes=[legible(name) for name in classes],
        judges=explored.jury.state,
        judges_word=explored.jury.word,
        judges_doubts=explored.jury.doubts,
        units=[
            Unit(unit=unit, activity=float(activity[unit]), active=bool(active[unit]))
            for unit in activity.argsort(descending=True, stable=True).tolist()
        ],
        quantiles=[Quantile(p=p, value=float(torch.special.ndtri(torch.tensor(p)))) for p in QUANTILES],
        limit=LIMIT,
        test_images=len(explored.test),
        size=SIZE,
        sigma=SIGMA,
        largest_sigma=LARGEST_SIGMA,
        crossovers=[Choice(name=name, label=label) for name, (label, _) in CROSSOVERS.items()],
        crossover="cxBlend",
        objectives=[name for name in asked if len(classes) > 1 and legible(name) == name] + others,
    )
