"""What the page is given as files: pictures, genomes and sessions."""

from __future__ import annotations

import io
from typing import Any, Literal

from fastapi import Response
from PIL import Image
from torch import Tensor

from evovae.analysis.plots import tile, to_pixels

SCALE = 8
"""Of the pictures that are saved: each pixel becomes 8 x 8."""
COLUMNS = 10
Format = Literal["png", "json", "safetensors"]
TYPES = {"png": "image/png", "json": "application/json", "safetensors": "application/octet-stream"}
FILE: dict[int | str, dict[str, Any]] = {200: {"content": {kind: {} for kind in TYPES.values()}}}


def download(content: bytes, name: str, format: Format) -> Response:
    """Return the answer that a browser saves as a file of this name."""
    disposition = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(content, media_type=TYPES[format], headers=disposition)


def to_png(image: Tensor, scale: int) -> bytes:
    """Return an image (C, H, W), uint8 or in [0, 1], as a PNG file, `scale` times as large."""
    pixels = to_pixels(image.unsqueeze(0))[0]
    content = io.BytesIO()
    _, height, width = image.shape
    Image.fromarray(pixels).resize((scale * width, scale * height), Image.Resampling.NEAREST).save(content, "PNG")
    return content.getvalue()


def to_sheet(images: Tensor, scale: int) -> bytes:
    """Return images (K, C, H, W) side by side as a PNG file, each `scale` times as large."""
    canvas = tile(to_pixels(images).repeat(scale, 1).repeat(scale, 2), min(COLUMNS, len(images)), SCALE, 0)
    content = io.BytesIO()
    Image.fromarray(canvas).save(content, "PNG")
    return content.getvalue()
