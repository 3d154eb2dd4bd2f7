"""What the page asks of an illumination's archive: its map, the pictures that are seen of it, and single elites."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import numpy as np
import torch
from fastapi import APIRouter, Path
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor

from evovae.base import InputError
from evovae.data import to_unit
from evovae.explorer.archive_watcher import ArchiveMap, read_archive
from evovae.explorer.cards import Asked, Card, Index, Pixels, bare_cards, pixels_of
from evovae.explorer.watched_runs import WatchedRuns

Key = Annotated[str, Path(max_length=100)]
MOST_PICTURES = 64
"""That are asked for at once."""
MOST_SIDE = 96
"""Pixels of a picture on the map, each way: of what is larger a smaller one is shown."""


class AxisView(BaseModel):
    """A measure that the map lies along."""

    name: str
    low: float
    high: float
    places: int
    cells: list[str]
    """What the cells are called; nothing for those without names."""


class ArchiveView(BaseModel):
    """The archive of a replicate: at each place the best elite.

    A place is x * B + y, x of A places along the first axis, and y of B along the second.
    """

    axes: list[AxisView]
    """One or two."""
    measures: list[str]
    label: str
    """Of the objective, larger the better."""
    cells: int
    filled: int
    places: str
    """Base64 of int32 (L,)."""
    objective: str
    """Base64 of float32 (L,)."""
    pictured: str | None
    """Base64 of int32, the places whose elites have pictures; None: all have."""


class Places(Asked):
    """Whose elites are to be seen."""

    places: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1, max_length=MOST_PICTURES)]


class Picture(BaseModel):
    """An elite as it is seen on the map."""

    pixels: Pixels
    shape: tuple[int, int, int]
    """(C, H, W) of the pixels."""


class Pictures(BaseModel):
    """In the order in which they were asked for."""

    pictures: list[Picture]


class EliteView(BaseModel):
    """The elite at a place."""

    objective: float
    measures: list[float]
    card: Card | None
    """None where no picture of it is known."""


def make_router(watched: WatchedRuns) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/{key}/archives/{replicate}")

    def get(key: str, replicate: int) -> ArchiveMap:
        return read_archive(watched.get(key)).replicate(replicate)

    @router.get("")
    def show(key: Key, replicate: Index) -> ArchiveView:
        run = watched.get(key)
        maps = read_archive(run)
        found = maps.replicate(replicate)
        return ArchiveView(
            axes=[AxisView(**vars(axis) | {"cells": list(axis.cells)}) for axis in maps.axes],
            measures=list(maps.measures),
            label=maps.label,
            cells=maps.cells,
            filled=found.filled,
            places=_packed(found.places, "<i4"),
            objective=_packed(found.objective, "<f4"),
            pictured=None if watched.has_model(run) else _packed(np.array(list(found.kept)), "<i4"),
        )

    @router.post("/pictures")
    def show_pictures(key: Key, replicate: Index, body: Places) -> Pictures:
        found, run = get(key, replicate), watched.get(key)
        rows = found.rows(body.places)
        if watched.has_model(run):
            images = _as_seen(watched.model_of(run).images(found.genomes[rows]))
        elif unknown := [place for place in body.places if place not in found.kept]:
            raise InputError(f"{key} keeps no picture of the elite at place {unknown[0]}")
        else:
            images = _as_seen(torch.stack([found.kept[place] for place in body.places]))
        _, channels, height, width = images.shape
        return Pictures(
            pictures=[Picture(pixels=pixels_of(image), shape=(channels, height, width)) for image in images]
        )

    @router.get("/elites/{place}")
    def show_elite(key: Key, replicate: Index, place: Index) -> EliteView:
        found, run = get(key, replicate), watched.get(key)
        (row,) = found.rows([place])
        card = None
        if watched.has_model(run):
            card = watched.model_of(run).card(found.genomes[row])
        elif place in found.kept:
            (card,) = bare_cards(found.kept[place].unsqueeze(0))
        return EliteView(objective=found.objective[row], measures=found.measures[row].tolist(), card=card)

    return router


def _packed(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(values.astype(kind).tobytes()).decode()


def _as_seen(images: Tensor) -> Tensor:
    """Return images (K, C, H, W), uint8 or in [0, 1], in [0, 1] and no larger than a map shows them."""
    images = to_unit(images) if images.dtype == torch.uint8 else images
    side = max(images.shape[2:])
    if side <= MOST_SIDE:
        return images
    size = [max(1, round(length * MOST_SIDE / side)) for length in images.shape[2:]]
    return torch.nn.functional.interpolate(images, size, mode="area")
