"""Bring images to one size and to the channels asked for."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from evovae.data.images import Images
from evovae.data.limits import check_bytes, check_sides
from evovae.data.names import COLOURS, Colour, Fit

_CHUNK = 1024


@dataclass(frozen=True)
class Look:
    """What images are brought to.

    Attributes:
        size: Side of the square images wanted; None leaves the size.
        grey: Whether to turn three channels into one.
        fit: How an image becomes a square: its largest centred one is cut out, the whole is padded to one, or
            stretched.
        background: Under transparent parts, and around what is padded.
    """

    size: int | None = None
    grey: bool = False
    fit: Fit = "crop"
    background: Colour = COLOURS["white"]


def bring(images: Images, look: Look, where: str) -> Images:
    """Bring images to one size and to grey, as asked.

    Args:
        images: Any images.
        look: What is asked for.
        where: What the images are called in an error message.

    Raises:
        InputError: The images would be too small, too large or too many.
    """
    pixels, size = images.images, look.size
    if look.grey and images.shape[0] == 3:
        pixels = _in_chunks(luma, pixels)
    if size is not None and pixels.shape[2:] != (size, size):
        check_bytes(pixels.shape[0] * pixels.shape[1] * size**2, where)
        pixels = _in_chunks(lambda chunk: square(chunk, size, look), pixels)
    check_sides(pixels.shape[2], pixels.shape[3], where)
    return Images(pixels, images.labels)


def luma(images: Tensor) -> Tensor:
    """Grey from colour, by ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B.

    Args:
        images: uint8 `(B, 3, H, W)`.

    Returns:
        uint8 `(B, 1, H, W)`.
    """
    # The weights in 1/65536, rounded as Pillow rounds them: they sum to one, so that grey stays as it is.
    red, green, blue = images.to(torch.int32).split(1, dim=1)
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).to(torch.uint8)


def square(images: Tensor, size: int, look: Look) -> Tensor:
    """Make squares of images, as `look.fit` says, bilinear and antialiased.

    Args:
        images: uint8 `(B, C, H, W)`.
        size: Side of the squares.
        look: How. Its own size is not asked.

    Returns:
        uint8 `(B, C, size, size)`; of three channels where grey images are padded with a colour.
    """
    if look.fit == "crop":
        return resize(images, size, size)
    if look.fit == "stretch":
        return _scale(images, size, size)
    high, wide = images.shape[2:]
    longest = max(high, wide)
    scaled = _scale(images, max(1, round(high * size / longest)), max(1, round(wide * size / longest)))
    padding = torch.tensor(look.background, dtype=torch.uint8).reshape(1, 3, 1, 1)
    if look.grey or len(set(look.background)) == 1:
        padding = luma(padding) if scaled.shape[1] == 1 else padding
    canvas = padding.expand(len(images), max(padding.shape[1], scaled.shape[1]), size, size).clone()
    rows, columns = scaled.shape[2:]
    top, left = (size - rows) // 2, (size - columns) // 2
    canvas[:, :, top : top + rows, left : left + columns] = scaled
    return canvas


def resize(images: Tensor, height: int, width: int) -> Tensor:
    """Cut the largest centred part of the wanted proportions out of images and resize it, bilinear and antialiased.

    Args:
        images: uint8 `(B, C, H, W)`.
        height: Pixels from top to bottom afterwards.
        width: Pixels from left to right afterwards.

    Returns:
        uint8 `(B, C, height, width)`.
    """
    high, wide = images.shape[2:]
    rows, columns = max(1, min(high, wide * height // width)), max(1, min(wide, high * width // height))
    # Cut first: scaling first would turn a picture of 1 x 1,000,000 pixels into a huge one.
    top, left = (high - rows) // 2, (wide - columns) // 2
    cut = images[:, :, top : top + rows, left : left + columns]
    return functional.interpolate(cut, size=(height, width), mode="bilinear", antialias=True)


def _scale(images: Tensor, height: int, width: int) -> Tensor:
    # Smaller first, larger then: a picture of 1 x 1,000,000 pixels must not become a huge one in between.
    for size in ((min(height, images.shape[2]), min(width, images.shape[3])), (height, width)):
        if images.shape[2:] != size:
            images = functional.interpolate(images, size=size, mode="bilinear", antialias=True)
    return images


def _in_chunks(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return torch.cat([function(chunk) for chunk in images.split(_CHUNK)])
