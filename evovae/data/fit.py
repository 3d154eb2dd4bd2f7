"""Bring images to one size and to the channels asked for."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from evovae.data.images import Images
from evovae.data.limits import check_bytes, check_sides

_CHUNK = 1024


def fit(images: Images, image_size: int | None, grey: bool, where: str) -> Images:
    """Resize images and make them grey, as asked.

    Args:
        images: Any images.
        image_size: Side of the square images wanted; None leaves the size.
        grey: Whether to turn three channels into one.
        where: What the images are called in an error message.

    Raises:
        InputError: The images would be too small, too large or too many.
    """
    pixels = images.images
    if grey and images.shape[0] == 3:
        pixels = _in_chunks(luma, pixels)
    if image_size is not None and pixels.shape[2:] != (image_size, image_size):
        check_bytes(pixels.shape[0] * pixels.shape[1] * image_size**2, where)
        pixels = _in_chunks(lambda chunk: resize(chunk, image_size, image_size), pixels)
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


def _in_chunks(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return torch.cat([function(chunk) for chunk in images.split(_CHUNK)])
