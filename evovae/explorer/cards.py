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
from evovae.data import to_unit
from evovae.encodings import LatentEncoding
from evovae.explorer.jury import Jury
from evovae.objectives import Judges, RealImages, measure_realism


def _require_digits(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("expected digits alone")
    return text


Index = Annotated[int, BeforeValidator(_require_digits), Path(lt=2**31)]
"""A number in an address."""
Gene = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Pixels = Annotated[str, Field(description="base64 of bytes, H * W * C, of the shape that /api/model tells")]


class Asked(BaseModel):
    """What the page asks for; what is not known, or of another type, is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Card(BaseModel):
    """A genome, its image, and its realism."""

    genome: list[float]
    pixels: Pixels
    log_prior: float
    """Nats per gene; about -1.42 for a draw from the prior."""
    predicted: int | None
    """The class that the judge sees."""
    held_out: float | None
    """Probability that the held-out judge gives this class."""
    typicality: float | None
    """Share of the test images, 0 to 1, that are no more typical."""


class Model:
    """A VAE, with the images and judges that belong to it.

    Args:
        encoding: latent vectors of the VAE.
        jury: the judges of images such as these, or None.
        real: images such as these, or None.
    """

    def __init__(self, encoding: LatentEncoding, jury: Jury | None, real: RealImages | None) -> None:
        self.encoding, self._jury, self._real = encoding, jury, real

    @property
    def judges(self) -> Judges | None:
        """The judges, as soon as there are some."""
        return None if self._jury is None else self._jury.judges

    def cards(self, genomes: Tensor) -> list[Card]:
        """Return what there is to show of `genomes` (K, D), K of 1 or more."""
        genomes = genomes.to(self.encoding.device)
        with torch.no_grad():
            images = self.encoding.decode(genomes)
        believed = measure_realism(self.encoding, genomes, self.judges, self._real)
        rows = zip(genomes.tolist(), images.cpu(), believed.to_dict("records"), strict=True)
        return [_card(genome, image, row) for genome, image, row in rows]

    def card(self, genome: Tensor) -> Card:
        """Return what there is to show of a `genome` (D,)."""
        return self.cards(genome.unsqueeze(0))[0]

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Return the genomes (B, D) of `images` uint8 (B, C, H, W): posterior means."""
        return torch.cat([self.encoding.encode(to_unit(batch)) for batch in images.split(1000)])


def pixels_of(image: ArrayLike) -> Pixels:
    """Return an image (C, H, W), uint8 or in [0, 1], as it goes to the page."""
    channels = len(np.asarray(image))
    return base64.b64encode(to_pixels(np.asarray(image)[None])[0, :, :, :channels].tobytes()).decode()


def _card(genome: list[float], image: Tensor, row: dict[str, float]) -> Card:
    return Card(
        genome=genome,
        pixels=pixels_of(image),
        log_prior=row["log_prior"],
        predicted=None if "predicted" not in row else int(row["predicted"]),
        held_out=_finite(row.get("held_out")),
        typicality=_finite(row.get("typicality")),
    )


def _finite(value: float | None) -> float | None:
    """JSON knows no other numbers."""
    return value if value is not None and math.isfinite(value) else None
