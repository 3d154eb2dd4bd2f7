"""Pictures and folders of them, made here."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def save(path: Path, colour: Any = 0, mode: str = "RGB", size: tuple[int, int] = (8, 8)) -> Path:
    """A picture of one colour; size is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path


def save_all(folder: Path, colours: Iterable[Any], mode: str = "RGB", size: tuple[int, int] = (8, 8)) -> None:
    for index, colour in enumerate(colours):
        save(folder / f"{index:03}.png", colour, mode, size)


def noise(path: Path, seed: int = 0, mode: str = "RGB", size: tuple[int, int] = (20, 14)) -> Path:
    """A picture whose pixels all differ, and differ from those of other seeds; size is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def draw_pictures(folder: Path, colour: bool = True) -> Path:
    """Pictures of two classes, bars that stand or lie."""
    rng = np.random.default_rng(0)
    for name in ("lying", "standing"):
        (folder / name).mkdir(parents=True)
        for number in range(40):
            pixels = rng.integers(0, 60, (16, 16, 3))
            place = rng.integers(4, 10)
            (pixels if name == "lying" else pixels.transpose(1, 0, 2))[place : place + 3, 2:14] += 180
            picture = Image.fromarray(pixels.astype(np.uint8))
            (picture if colour else picture.convert("L")).save(folder / name / f"{number}.png")
    return folder
