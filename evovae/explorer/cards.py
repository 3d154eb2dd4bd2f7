"""What the explorer shows of a genome: its image, and beneath it what the prior and the judges say."""

from __future__ import annotations

import base64
import math
from typing import Annotated

import numpy as np
import torch
from fastapi import Path
from numpy.typing import ArrayLike
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from torch import Tensor

from evovae.analysis.plots import to_pixels
from evovae.base import make_generator
from evovae.data import to_unit
from evovae.encodings import Encoding
from evovae.explorer.drawing import Drawing
from evovae.explorer.gene_space import GeneSpace
from evovae.explorer.jury import Jury
from evovae.objectives import Judges, RealImages, measure_realism


def _require_digits(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("expected digits alone")
    return text


Index = Annotated[int, BeforeValidator(_require_digits), Path(lt=2**31)]
"""A number in an address."""
Pixels = Annotated[str, Field(description="base64 of bytes, H * W * C")]
EXAMPLES = 20
"""Draws from the prior that tell the scale of curves."""


class Asked(BaseModel):
    """What the page asks for; what is not known, or of another type, is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Card(BaseModel):
    """A genome, its image, and its realism."""

    genome: list[float] | str
    """Base64 of float32 where its genes are many; none where the encoding is not known."""
    pixels: Pixels
    shape: tuple[int, int, int]
    """(C, H, W) of the pixels."""
    log_prior: float | None
    """Nats per gene; None out of the prior's bounds, or where it is not known."""
    predicted: int | None
    """The class that the judge sees."""
    held_out: float | None
    """Probability that the held-out judge gives this class."""
    typicality: float | None
    """Share of the test images, 0 to 1, that are no more typical."""


class Model:
    """What decodes genomes, with the images and judges that belong to it.

    Args:
        encoding: of the genomes.
        jury: the judges of images such as these, or None.
        real: images such as these, or None.

    Attributes:
        space: the genomes, as the page has them.
        drawing: how phenotypes are shown.

    Raises:
        InputError: if phenotypes cannot be shown, or there are too many genes.
    """

    def __init__(self, encoding: Encoding, jury: Jury | None, real: RealImages | None) -> None:
        self.encoding, self._jury, self._real = encoding, jury, real
        self.space = GeneSpace(encoding)
        with torch.no_grad():
            self.drawing = Drawing(encoding.decode(encoding.sample(EXAMPLES, make_generator(0))))

    @property
    def judges(self) -> Judges | None:
        """The judges, as soon as there are some."""
        return None if self._jury is None else self._jury.judges

    def cards(self, genomes: Tensor) -> list[Card]:
        """Return what there is to show of `genomes` (K, D), K of 1 or more."""
        genomes = genomes.to(self.encoding.device)
        images: list[Tensor] = []

        def take(phenotypes: Tensor) -> dict[str, Tensor]:
            images.append(self.drawing.draw(phenotypes))
            return {}

        believed = measure_realism(self.encoding, genomes, self.judges, self._real, measures=take)
        rows = zip(self.space.write(genomes), torch.cat(images), believed.to_dict("records"), strict=True)
        return [_card(genome, image, row) for genome, image, row in rows]

    def card(self, genome: Tensor) -> Card:
        """Return what there is to show of a `genome` (D,)."""
        return self.cards(genome.unsqueeze(0))[0]

    @torch.no_grad()
    def images(self, genomes: Tensor) -> Tensor:
        """Return what is shown of `genomes` (K, D): images (K, C, H, W), uint8 or in [0, 1]."""
        return self.drawing.draw(self.encoding.decode(genomes.to(self.encoding.device)))

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Return the genomes (B, D) of `images` uint8 (B, C, H, W): posterior means.

        Raises:
            InputError: if there is no encoder.
        """
        device = self.encoding.device
        return torch.cat([self.encoding.encode(to_unit(batch).to(device)) for batch in images.split(1000)])


def bare_cards(images: Tensor) -> list[Card]:
    """Return what there is to show of images (K, C, H, W) of which no more is known."""
    return [_card([], image, {}) for image in images]


def pixels_of(image: ArrayLike) -> Pixels:
    """Return an image (C, H, W), uint8 or in [0, 1], as it goes to the page."""
    channels = len(np.asarray(image))
    return base64.b64encode(to_pixels(np.asarray(image)[None])[0, :, :, :channels].tobytes()).decode()


def _card(genome: list[float] | str, image: Tensor, row: dict[str, float]) -> Card:
    channels, height, width = image.shape
    return Card(
        genome=genome,
        pixels=pixels_of(image),
        shape=(channels, height, width),
        log_prior=_finite(row.get("log_prior")),
        predicted=None if "predicted" not in row else int(row["predicted"]),
        held_out=_finite(row.get("held_out")),
        typicality=_finite(row.get("typicality")),
    )


def _finite(value: float | None) -> float | None:
    """JSON knows no other numbers."""
    return value if value is not None and math.isfinite(value) else None
