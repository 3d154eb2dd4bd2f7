"""Pictures that nobody tuned evovae for: from Debian's packages, from Python's, and made here.

Of each set a tenth is for test, a third of a small one. What Debian's packages
install is looked for where they put it; to have them:

    apt-get install dataset-fashion-mnist adwaita-icon-theme gnome-icon-theme oxygen-icon-theme tango-icon-theme
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import evovae
from evovae.base import InputError
from evovae.data import Images, read_idx

import torch

FASHION = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")
ICONS = Path("/usr/share/icons")
THEMES = ("Adwaita", "gnome", "oxygen", "Tango")
PHOTOS = ("coffee", "astronaut", "chelsea", "rocket", "stereo_motorcycle", "hubble_deep_field")
TEXTURES = ("brick", "grass", "gravel", "coins", "moon")
SHORT_SIDE = 256
"""Pixels that photos are reduced to before they are cut: a crop of 32 then shows something."""

Pixels = NDArray[np.uint8]
"""Pictures (N, C, H, W)."""


def load(name: str) -> tuple[Images, Images]:
    """Return the train and test images of the set called `name`, one of `SETS`; all of one class.

    Raises:
        InputError: if a package that it is in is not installed.
    """
    if name == "mnist":
        digits = evovae.load_images("mnist")
        return digits.train, digits.test
    pixels = torch.from_numpy(np.ascontiguousarray(SETS[name]()))
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(pixels)))
    train, test = (Images(part, torch.zeros(len(part), dtype=torch.int64)) for part in _cut(pixels[order]))
    return (Images(train.images[:30], train.labels[:30]), test) if name == "thirty icons" else (train, test)


def _cut(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    held_out = max(len(pixels) // 10, min(100, len(pixels) // 3))
    return pixels[held_out:], pixels[:held_out]


def _of_mnist() -> Pixels:
    images = evovae.load_images("mnist").train.images
    return images[np.random.default_rng(0).permutation(len(images))[:2000]].numpy()


def _of_fashion() -> Pixels:
    if not FASHION.exists():
        raise InputError(f"{FASHION} is not there: install Debian's dataset-fashion-mnist")
    images = read_idx(FASHION).unsqueeze(1)
    return images[np.random.default_rng(0).permutation(len(images))[:2000]].numpy()


def _icons(size: int) -> Pixels:
    """Icons of one size, each once, laid over white."""
    found: dict[bytes, Path] = {}
    for theme in THEMES:
        for path in sorted((ICONS / theme).glob(f"{size}x{size}/**/*.png")):
            found.setdefault(hashlib.sha256(path.read_bytes()).digest(), path)
    if not found:
        packages = ", ".join(f"{theme.lower()}-icon-theme" for theme in THEMES)
        raise InputError(f"{ICONS} has no icons of {size} pixels: install Debian's {packages}")
    pictures = []
    for path in found.values():
        with Image.open(path) as picture:
            if picture.size == (size, size):
                white = Image.new("RGBA", picture.size, "white")
                pictures.append(Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB"))
    return _stack(pictures)


def _photos(size: int, n: int, grey: bool = False) -> Pixels:
    """Crops of photos that come with scikit-image and scikit-learn, as many of each."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    found = [getattr(data, name)() for name in PHOTOS]
    arrays = [photo[0] if isinstance(photo, tuple) else photo for photo in found] + load_sample_images().images
    photos = []
    for array in arrays:
        photo = Image.fromarray(array).convert("L" if grey else "RGB")
        scale = SHORT_SIDE / min(photo.size)
        photos.append(photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.BICUBIC))
    return _crops(photos, size, n)


def _textures(size: int, n: int) -> Pixels:
    from skimage import data

    return _crops([Image.fromarray(getattr(data, name)()).convert("L") for name in TEXTURES], size, n)


def _lines(size: int, n: int) -> Pixels:
    """Line drawings, black on white: the edges (Canny 1986) in crops of photos."""
    from skimage.feature import canny

    crops = _photos(size, n, grey=True)[:, 0] / 255.0
    return np.stack([np.where(canny(crop), 0, 255) for crop in crops]).astype(np.uint8)[:, None]


def _faces() -> Pixels:
    from skimage import data

    return (data.lfw_subset()[:100, None] * 255).round().astype(np.uint8)  # the other hundred show no faces


def _small_digits() -> Pixels:
    from sklearn.datasets import load_digits

    return (load_digits().images[:, None] * (255 / 16)).round().astype(np.uint8)


def draw_shapes(size: int, n: int) -> Pixels:
    """A disc, a square or a triangle of any colour anywhere on a ground of any colour, drawn at twice the size."""
    random, pictures = np.random.default_rng(0), []
    for i in range(n):
        ground, colour = (tuple(int(value) for value in random.integers(0, 256, 3)) for _ in range(2))
        picture = Image.new("RGB", (2 * size, 2 * size), ground)
        draw = ImageDraw.Draw(picture)
        (x, y), reach = random.uniform(0.25, 0.75, 2) * 2 * size, random.uniform(0.1, 0.35) * 2 * size
        box = [x - reach, y - reach, x + reach, y + reach]
        if i % 3 == 2:
            draw.polygon([(x, box[1]), (box[0], box[3]), (box[2], box[3])], fill=colour)
        else:
            (draw.ellipse if i % 3 else draw.rectangle)(box, fill=colour)
        pictures.append(picture.resize((size, size), Image.Resampling.LANCZOS))
    return _stack(pictures)


def _crops(pictures: list[Image.Image], size: int, n: int) -> Pixels:
    random, crops = np.random.default_rng(0), []
    for i in range(n):
        picture = pictures[i % len(pictures)]
        left, top = (int(random.integers(0, side - size + 1)) for side in picture.size)
        crops.append(picture.crop((left, top, left + size, top + size)))
    return _stack(crops)


def _stack(pictures: list[Image.Image]) -> Pixels:
    arrays = np.stack([np.asarray(picture) for picture in pictures])
    return arrays.reshape(*arrays.shape[:3], -1).transpose(0, 3, 1, 2)


SETS: dict[str, Callable[[], Pixels]] = {
    "mnist": _of_mnist,
    "2,000 of mnist": _of_mnist,
    "fashion": _of_fashion,
    "small digits": _small_digits,
    "faces": _faces,
    "textures": lambda: _textures(28, 2000),
    "line drawings": lambda: _lines(48, 2000),
    "icons": lambda: _icons(32),
    "thirty icons": lambda: _icons(32),
    "photo crops": lambda: _photos(32, 3000),
    "shapes": lambda: draw_shapes(40, 2000),
    "large photo crops": lambda: _photos(64, 2000),
}
"""Names, and what makes the pictures; "mnist" itself is all of MNIST."""
EVERYWHERE = ("2,000 of mnist", "shapes")
"""Sets that need no other package."""
