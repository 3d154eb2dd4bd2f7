"""Picture files, read with Pillow: damaged, hostile and odd ones included."""

import contextlib
import io
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin, UnidentifiedImageError
from torch import Tensor

from evovae.base import InputError, files
from evovae.data import limits
from evovae.data.transforms import Look, resize, square

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it remarks comes in the message, or not at all

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Named to Pillow as well: left to guess, it would hand a PostScript file called .png to an interpreter."""
EXTENSIONS = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff"} | {
    f".p{kind}m" for kind in "pgbn"
}
BITS = (8, 10, 12, 14, 16)
"""What cameras and scanners store in 16 bits."""
_ONE_AT_A_TIME = threading.Lock()
"""Python's list of warnings and standard error belong to the whole process, and are changed while one is read."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it was read.

    Attributes:
        pixels: uint8 (C, H, W), C 1 or 3.
        peak: the highest value of one with 16 bits; 0 of any other.
        remarks: what was done to it, as in "3 reduced while decoding".
    """

    pixels: Tensor
    peak: int
    remarks: tuple[str, ...]


def bits_of(peak: int) -> int:
    """How many of 16 bits are used where the highest value is `peak`: 8, 10, 12, 14 or 16."""
    return next(bits for bits in BITS if peak < 1 << bits)


def read_file(path: Path, look: Look, bits: int = 16) -> Picture:
    """Read one picture, turned as its EXIF orientation says, the first frame of an animation.

    Transparent parts are laid over `look.background`, colours brought to sRGB from the profile that a picture
    embeds.

    Args:
        path: the file.
        look: what it is brought to.
        bits: of grey pictures with 16 bits, how many are used; the upper 8 of these are kept.

    Raises:
        InputError: if it cannot be read, has more than `MAX_PIXELS` (of a JPEG that is reduced to `look.size`,
            `MAX_REDUCED_PIXELS`), or has pixels of 32 bits.
    """
    # From memory: of a file, Pillow would take as much as a length in it claims.
    content = files.read_bytes(path, limits.MAX_PICTURE_BYTES)
    picture = _decode(content, str(path), look, bits)
    if look.size is None:
        return picture
    return Picture(square(picture.pixels[None], look.size, look)[0], picture.peak, picture.remarks)


def read_picture(content: bytes, name: str, shape: tuple[int, int, int]) -> Tensor:
    """Read one picture as `read_file` does, from the `content` of its file, in any thread.

    Args:
        content: at most `MAX_PICTURE_BYTES`.
        name: what the picture is called in an error message.
        shape: (C, H, W) that it is brought to: grey or of three channels, and cut and resized as `resize` does.

    Returns:
        uint8 (C, H, W).

    Raises:
        InputError: if it cannot be read, is too large or has pixels of 32 bits; or C is neither 1 nor 3.
    """
    channels, height, width = shape
    if channels not in (1, 3):
        raise InputError(f"{name!r} is to have {channels} channels; expected 1 or 3; pictures have no others")
    if len(content) > limits.MAX_PICTURE_BYTES:
        raise InputError(
            f"{name!r} holds {len(content)} bytes; expected at most {limits.MAX_PICTURE_BYTES}; make it smaller"
        )
    look = Look(max(height, width), grey=channels == 1)
    picture = _decode(content, name, look)
    if picture.peak and bits_of(picture.peak) < 16:
        picture = _decode(content, name, look, bits_of(picture.peak))
    pixels = resize(picture.pixels[None], height, width)[0]
    return pixels.repeat(channels // len(pixels), 1, 1)


def _decode(content: bytes, name: str, look: Look, bits: int = 16) -> Picture:
    try:
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            # What Pillow remarks on metadata is no concern here; what it says about size is.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with _open(content) as picture:
                reduced = _reduce(picture, look.size)
                if picture.width * picture.height > limits.MAX_PIXELS:  # not unpacked yet
                    raise Image.DecompressionBombError
                with _hushed() if picture.format == "TIFF" else contextlib.nullcontext():
                    found = _to_picture(picture, look, bits)
                return Picture(found.pixels, found.peak, (*reduced, *found.remarks))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        hint = ", or give --image-size, to which a JPEG is reduced" if look.size is None and _is_jpeg(content) else ""
        raise InputError(
            f"{name!r} unpacks to more than {limits.MAX_PIXELS} pixels; expected an ordinary picture; "
            f"make it smaller or remove it{hint}"
        ) from error
    except UnidentifiedImageError as error:
        known = ", ".join(_FORMATS)
        raise InputError(
            f"{name!r} cannot be read as a picture (it is none of {known}); repair or remove it"
        ) from error
    # A decoder that trips over a damaged file raises whatever it stumbles on: OSError, SyntaxError, struct.error, ...
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name!r} cannot be read as a picture ({reason}); repair or remove it") from error


def _open(content: bytes) -> Image.Image:
    if _is_jpeg(content):  # Pillow's own limit knows nothing of reducing
        return JpegImagePlugin.JpegImageFile(io.BytesIO(content))
    return Image.open(io.BytesIO(content), formats=_FORMATS)


def _is_jpeg(content: bytes) -> bool:
    return content.startswith(b"\xff\xd8\xff")


def _reduce(picture: Image.Image, size: int | None) -> tuple[str, ...]:
    """Let a large JPEG be unpacked at a half to an eighth of its sides, no smaller than `size`."""
    pixels = picture.width * picture.height
    if size is None or picture.format != "JPEG" or not limits.MAX_PIXELS < pixels <= limits.MAX_REDUCED_PIXELS:
        return ()
    return ("reduced while decoding",) if picture.draft(None, (size, size)) else ()


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep standard error to ourselves: libtiff writes there by itself what it thinks of a damaged file."""
    with open(os.devnull, "wb") as nowhere, contextlib.ExitStack() as stack:
        error = os.dup(2)
        stack.callback(os.close, error)
        stack.callback(os.dup2, error, 2)
        os.dup2(nowhere.fileno(), 2)
        yield


def _to_picture(picture: Image.Image, look: Look, bits: int) -> Picture:
    if picture.mode in ("I", "F"):
        raise ValueError("its pixels have 32 bits, expected 8 or 16")
    ImageOps.exif_transpose(picture, in_place=True)
    peak = 0
    remarks: tuple[str, ...] = ()
    if picture.mode.startswith("I;16"):
        values = np.asarray(picture)
        peak = int(values.max())
        picture = Image.fromarray(np.minimum(values >> (bits - 8), 255).astype(np.uint8))
    else:
        picture, remarks = _to_srgb(picture)
    colourless = picture.mode in ("1", "L", "LA")
    if picture.has_transparency_data:
        colourless = colourless and len(set(look.background)) == 1
        under = Image.new("RGBA", picture.size, look.background)
        picture = Image.alpha_composite(under, picture.convert("RGBA"))
    pixels = torch.from_numpy(np.array(picture.convert("L" if look.grey or colourless else "RGB")))
    return Picture(pixels.reshape(picture.height, picture.width, -1).permute(2, 0, 1), peak, remarks)


def _to_srgb(picture: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Bring a picture from the colour profile that it embeds to sRGB; as it is if that is none, or no good."""
    content = picture.info.get("icc_profile")
    if not content:
        return picture, ()
    try:
        profile = ImageCms.getOpenProfile(io.BytesIO(content))
        if "sRGB" in ImageCms.getProfileDescription(profile):
            return picture, ()
        alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
        grey = picture.mode in ("1", "L", "LA")
        plain = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}[profile.profile.xcolor_space]
        if (plain == "CMYK") != (picture.mode == "CMYK") or (plain == "L" and not grey):
            raise ValueError("the profile is of other colours")
        standard = ImageCms.createProfile("sRGB")
        turned = ImageCms.profileToProfile(picture.convert(plain), profile, standard, outputMode="RGB")
        if turned is None:  # never, of a new picture
            return picture, ()
        turned = turned.convert("L") if grey else turned
        if alpha is not None:
            turned.putalpha(alpha)
        return turned, ("turned to sRGB from an embedded colour profile",)
    except Exception:  # whatever the library stumbles on in a damaged profile
        return picture, ("with an embedded colour profile that cannot be used",)
