"""From stored pixels to what a model sees: one size, channels, floats in [0, 1], binarised or corrupted."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor
from torch.nn import functional

from evovae.base import InputError
from evovae.data.config import COLOURS, Binarisation, Colour, Corruption, Fit
from evovae.data.images import Images
from evovae.data.limits import check_bytes, check_sides


def to_unit(images: Tensor) -> Tensor:
    """Pixels 0..255 as floats.

    Args:
        images: uint8, any shape.

    Returns:
        float32 of the same shape in [0, 1].

    Raises:
        InputError: if `images` are not uint8.
    """
    if images.dtype != torch.uint8:
        raise InputError(f"images of {images.dtype}: expected uint8 in 0..255; are they scaled already?")
    return images.to(torch.float32).div_(255)


def as_floats(data: Tensor) -> Tensor:
    """Images of bytes as floats in [0, 1], and data that are floats already as they are: any shape, kept."""
    return data if data.is_floating_point() else to_unit(data)


def binarise(x: Tensor, convention: Binarisation, generator: torch.Generator) -> Tensor:
    """Apply a binarisation convention to a batch.

    - `"grey"`: `x` as it is. Its values are then not Bernoulli outcomes, and a Bernoulli "likelihood" of them is
      a cross-entropy only.
    - `"dynamic"`: a fresh Bernoulli draw with the values as probabilities, each time a batch is used (Burda et
      al. 2016).
    - `"static"`: `x` is already a fixed draw (`Images.binarised`; Salakhutdinov and Murray 2008) and is returned
      as it is.

    Likelihoods under different conventions measure different data and cannot be compared.

    Args:
        x: float (B, ...) in [0, 1], not changed.
        convention: one of the three above.
        generator: source of the dynamic draw, on the device of `x`.

    Returns:
        Same shape and dtype; in {0, 1} for `"dynamic"`.

    Raises:
        InputError: if the convention is unknown.
    """
    if convention not in get_args(Binarisation):
        raise InputError(
            f"binarisation {convention!r}: expected one of {', '.join(get_args(Binarisation))}; choose one"
        )
    if convention != "dynamic":
        return x
    # Three times as fast as torch.bernoulli with a generator on the CPU, and the same distribution.
    return (torch.rand(x.shape, generator=generator, device=x.device, dtype=torch.float32) < x).to(x.dtype)


_CHUNK = 1024


@dataclass(frozen=True)
class Look:
    """What images are brought to.

    Attributes:
        size: side of the square images wanted; None leaves the size.
        grey: whether to turn three channels into one.
        fit: how an image becomes a square: its largest centred one is cut out, the whole is padded to one, or
            stretched.
        background: under transparent parts, and around what is padded.
    """

    size: int | None = None
    grey: bool = False
    fit: Fit = "crop"
    background: Colour = COLOURS["white"]


def bring(images: Images, look: Look, where: str) -> Images:
    """Bring images to one size and to grey, as asked.

    Args:
        images: any images.
        look: what is asked for.
        where: what the images are called in an error message.

    Raises:
        InputError: if the images would be too small, too large or too many.
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
        images: uint8 (B, 3, H, W).

    Returns:
        uint8 (B, 1, H, W).
    """
    # The weights in 1/65536, rounded as Pillow rounds them: they sum to one, so that grey stays as it is.
    red, green, blue = images.to(torch.int32).split(1, dim=1)
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).to(torch.uint8)


def square(images: Tensor, size: int, look: Look) -> Tensor:
    """Make squares of images, as `look.fit` says, bilinear and antialiased.

    Args:
        images: uint8 (B, C, H, W).
        size: side of the squares.
        look: how. Its own size is not asked.

    Returns:
        uint8 (B, C, size, size); of three channels where grey images are padded with a colour.
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
        images: uint8 (B, C, H, W).
        height: pixels from top to bottom afterwards.
        width: pixels from left to right afterwards.

    Returns:
        uint8 (B, C, height, width).
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


def corrupt(x: Tensor, kind: Corruption, level: float, generator: torch.Generator) -> Tensor:
    """Damage images as a denoising autoencoder learns to repair them (Vincent et al. 2010, section 3.3).

    - `"none"`: `x` itself, whatever the level.
    - `"gaussian"`: adds noise of standard deviation `level` and clips to [0, 1].
    - `"masking"`: sets each value to 0 with probability `level`.
    - `"salt-and-pepper"`: sets each value, with probability `level`, to 0 or 1 at even odds.

    Each value is drawn on its own, also among the channels of a pixel.

    Args:
        x: float (B, ...) in [0, 1], not changed.
        kind: one of the four above.
        level: at least 0; at most 1 where it is a probability.
        generator: source of the noise, on the device of `x`.

    Returns:
        Same shape and dtype, in [0, 1].

    Raises:
        InputError: if the kind is unknown or the level out of range.
    """
    if kind not in get_args(Corruption):
        raise InputError(f"corruption {kind!r}: expected one of {', '.join(get_args(Corruption))}; choose one")
    if kind == "none":
        return x
    if kind == "gaussian":
        if not 0 <= level < math.inf:
            raise InputError(
                f"level {level} of gaussian corruption: expected a standard deviation, 0 or more; change it"
            )
        noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return noise.mul_(level).add_(x).clamp_(0, 1)
    if not 0 <= level <= 1:
        raise InputError(f"level {level} of {kind} corruption: expected a probability, 0 to 1; change it")
    uniform = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    if kind == "masking":
        return torch.where(uniform < level, 0, x)
    return torch.where(uniform < level, (uniform < level / 2).to(x.dtype), x)
