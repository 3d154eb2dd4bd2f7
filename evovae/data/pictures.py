"""Read picture files into one tensor."""

import contextlib
import io
import logging
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from evovae import files
from evovae.data import limits
from evovae.data.fit import resize
from evovae.data.limits import check_bytes, check_sides
from evovae.errors import InputError

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it remarks comes in the message, or not at all

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Named to Pillow as well: left to guess, it would hand a PostScript file called .png to an interpreter."""
_EXTENSIONS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
_ONE_AT_A_TIME = threading.Lock()
"""Python's list of warnings and standard error belong to the whole process, and are changed while one is read."""


def find_pictures(folder: Path) -> list[Path]:
    """The picture files in `folder`, by name; hidden files and other kinds of file are passed over."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _EXTENSIONS and not path.name.startswith(".") and path.is_file()
    )


def read_pictures(paths: Sequence[Path], image_size: int | None, grey: bool) -> Tensor:
    """Read pictures, turned as their EXIF orientation says, the first frame of an animation.

    Transparent parts are laid over white, as a viewer shows them. Of 16 bits, the upper 8 are kept.

    Args:
        paths: At least one picture file.
        image_size: Side to resize to, as `resize` does; None requires all to have one size.
        grey: Whether to read one channel (ITU-R BT.601 luma); False reads three, unless every picture is stored as
            grey.

    Returns:
        uint8 `(N, C, H, W)`.

    Raises:
        InputError: A file cannot be read, has more than `MAX_PIXELS`, or has pixels of 32 bits; sizes differ, or are
            too small or too large; or there is too much for memory.
    """
    pictures: list[Tensor] = []
    for path in paths:
        picture = _read(path, grey)
        if image_size is not None:
            picture = resize(picture[None], image_size, image_size)[0]
        height, width = picture.shape[1:]
        if not pictures:
            check_sides(height, width, repr(str(path)))
            check_bytes(len(paths) * (1 if grey else 3) * height * width, f"{len(paths)} pictures as {str(path)!r}")
        elif picture.shape[1:] != pictures[0].shape[1:]:
            first_height, first_width = pictures[0].shape[1:]
            raise InputError(
                f"{str(path)!r} has {height} x {width} pixels and {str(paths[0])!r} {first_height} x {first_width}; "
                "expected one size; resize them, as with --image-size 28"
            )
        pictures.append(picture)
    channels = max(len(picture) for picture in pictures)
    return torch.stack([picture.expand(channels, -1, -1) for picture in pictures])


def read_picture(content: bytes, name: str, shape: tuple[int, int, int]) -> Tensor:
    """Read one picture as `read_pictures` does, from the `content` of its file, in any thread.

    Args:
        content: At most `MAX_PICTURE_BYTES`.
        name: What the picture is called in an error message.
        shape: (C, H, W) that it is brought to: grey or of three channels, and cut and resized as `resize` does.

    Returns:
        uint8 `(C, H, W)`.

    Raises:
        InputError: It cannot be read, is too large or has pixels of 32 bits; or C is neither 1 nor 3.
    """
    channels, height, width = shape
    if channels not in (1, 3):
        raise InputError(f"{name!r} is to have {channels} channels; expected 1 or 3; pictures have no others")
    if len(content) > limits.MAX_PICTURE_BYTES:
        raise InputError(
            f"{name!r} holds {len(content)} bytes; expected at most {limits.MAX_PICTURE_BYTES}; make it smaller"
        )
    picture = resize(_decode(content, name, grey=channels == 1)[None], height, width)[0]
    return picture.repeat(channels // len(picture), 1, 1)


def _read(path: Path, grey: bool) -> Tensor:
    # From memory: of a file, Pillow would take as much as a length in it claims.
    return _decode(files.read_bytes(path, limits.MAX_PICTURE_BYTES), str(path), grey)


def _decode(content: bytes, name: str, grey: bool) -> Tensor:
    try:
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            # What Pillow remarks on metadata is no concern here; what it says about size is.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
                if picture.width * picture.height > limits.MAX_PIXELS:  # not unpacked yet
                    raise Image.DecompressionBombError
                with _hushed() if picture.format == "TIFF" else contextlib.nullcontext():
                    return _to_tensor(picture, grey)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(
            f"{name!r} unpacks to more than {limits.MAX_PIXELS} pixels; expected an ordinary picture; "
            "make it smaller or remove it"
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


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep standard error to ourselves: libtiff writes there by itself what it thinks of a damaged file."""
    with open(os.devnull, "wb") as nowhere, contextlib.ExitStack() as stack:
        error = os.dup(2)
        stack.callback(os.close, error)
        stack.callback(os.dup2, error, 2)
        os.dup2(nowhere.fileno(), 2)
        yield


def _to_tensor(picture: Image.Image, grey: bool) -> Tensor:
    if picture.mode in ("I", "F"):
        raise ValueError("its pixels have 32 bits, expected 8 or 16")
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode.startswith("I;16"):
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    mode = "L" if grey or picture.mode in ("1", "L", "LA") else "RGB"
    if picture.has_transparency_data:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    pixels = torch.from_numpy(np.array(picture.convert(mode)))
    return pixels.reshape(picture.height, picture.width, -1).permute(2, 0, 1)
