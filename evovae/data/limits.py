"""How large image sets and their images may be."""

from evovae.base import InputError

MAX_BYTES = 4 << 30
"""Most bytes of pixels that one tensor may hold: 4 GiB."""

MAX_PIXELS = 32_000_000
"""Most pixels that a picture file is unpacked to, before it is resized: it takes up to 30 bytes for each, 1 GB."""
MAX_REDUCED_PIXELS = 200_000_000
"""Most pixels of a JPEG that is reduced while it is unpacked: it takes up to 6 bytes for each, 1.2 GB."""
MAX_PICTURE_BYTES = 256 << 20
"""Most bytes of a picture file: 256 MiB."""

MIN_SIDE = 8
MAX_SIDE = 256
"""Fewest and most pixels on a side of an image; the models are made for small images."""


def check_sides(height: int, width: int, where: str) -> None:
    """Refuse images that are too small or too large, naming `where` they are."""
    if not (MIN_SIDE <= height <= MAX_SIDE and MIN_SIDE <= width <= MAX_SIDE):
        raise InputError(
            f"{where}: images of {height} x {width} pixels; expected {MIN_SIDE} to {MAX_SIDE} on each side; "
            "resize them, as with --image-size 28"
        )


def check_bytes(needed: int, where: str) -> None:
    """Refuse to hold more than `MAX_BYTES` in one tensor, naming `where` the images are."""
    if needed > MAX_BYTES:
        raise InputError(
            f"{where}: {needed} bytes of pixels; expected at most {MAX_BYTES}; "
            "use fewer images, --grey, or a smaller --image-size"
        )


MAX_CLASSES = 30_000
"""Most classes of an image set: their names are kept in every run's settings."""


def check_classes(number: int, where: str) -> None:
    """Refuse more than `MAX_CLASSES`, naming `where` they are."""
    if number > MAX_CLASSES:
        raise InputError(
            f"{where}: {number} classes; expected at most {MAX_CLASSES}, of several images each; "
            "are these labels of another kind?"
        )
