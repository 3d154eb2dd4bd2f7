"""Which images, by the words that a user may write. Imports no torch: the command line shows them at once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from evovae.base import InputError, require_types, shown


@dataclass(frozen=True)
class DataConfig:
    """Which images, and where they come from."""

    dataset: str = "mnist"
    """mnist (ships with evovae), fashion-mnist, kmnist, cifar10, ..., a folder of pictures (of each class, or not; in
    train/ and test/, or not) or of idx files, or an .npz file like MedMNIST's."""
    data_dir: str | None = None
    """Where torchvision's image sets are, or are put; None: the user's cache folder."""
    image_size: int | None = None
    """Bring pictures to squares with this number of pixels a side, 8 to 256."""
    grey: bool = False
    """Turn colour into grey."""
    fit: Fit = "crop"
    """How pictures become square: crop cuts out the largest centred square, pad puts background around the whole,
    stretch changes its proportions."""
    background: str = "white"
    """Around padded pictures and under transparent ones: white, black, grey, or hexadecimal digits such as ff8800."""
    unreadable: Unreadable = "stop"
    """What to do about a picture that cannot be read: stop with an error, or skip it and say so."""

    def __post_init__(self) -> None:
        """Refuse what names no images."""
        require_types(self)
        parse_colour(self.background)
        if self.fit != "crop" and self.image_size is None:
            raise InputError(f"fit is {self.fit}: it makes squares of --image-size pixels a side; give that, too")


Colour = tuple[int, int, int]
Fit = Literal["crop", "pad", "stretch"]
Unreadable = Literal["stop", "skip"]
Binarisation = Literal["grey", "dynamic", "static"]
Corruption = Literal["none", "gaussian", "masking", "salt-and-pepper"]

COLOURS: dict[str, Colour] = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (128, 128, 128)}


def parse_colour(name: str) -> Colour:
    """Red, green and blue in 0..255 of a colour: white, black, grey, or six hexadecimal digits such as ff8800.

    Raises:
        InputError: if it is none of these.
    """
    if name in COLOURS:
        return COLOURS[name]
    if not re.fullmatch("#?[0-9a-fA-F]{6}", name):
        raise InputError(
            f"background is {shown(name)}: expected {', '.join(COLOURS)} or six hexadecimal digits such as ff8800"
        )
    red, green, blue = bytes.fromhex(name.removeprefix("#"))
    return red, green, blue


@dataclass(frozen=True)
class TorchvisionSet:
    """An image set that torchvision reads.

    Attributes:
        class_name: the class in `torchvision.datasets`.
        files: what torchvision looks for below the data directory, in words for an error message.
        train: arguments that ask the class for the training split.
        test: arguments that ask the class for the test split.
        transposed: whether the published images have rows and columns exchanged.
    """

    class_name: str
    files: str
    train: dict[str, Any] = field(default_factory=lambda: {"train": True})
    test: dict[str, Any] = field(default_factory=lambda: {"train": False})
    transposed: bool = False


_BY_SPLIT = ({"split": "train"}, {"split": "test"})

# Only sets with a test split whose images are all of one size, up to 96 x 96, and fit in memory.
TORCHVISION_SETS = {
    "fashion-mnist": TorchvisionSet("FashionMNIST", "FashionMNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz"),
    "kmnist": TorchvisionSet("KMNIST", "KMNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz"),
    "qmnist": TorchvisionSet("QMNIST", "QMNIST/raw/qmnist-{train,test}-{images-idx3-ubyte,labels-idx2-int}.gz"),
    "emnist": TorchvisionSet(
        "EMNIST",
        "EMNIST/raw/gzip.zip",
        train={"split": "balanced", "train": True},
        test={"split": "balanced", "train": False},
        transposed=True,
    ),
    "usps": TorchvisionSet("USPS", "usps.bz2 and usps.t.bz2"),
    "cifar10": TorchvisionSet("CIFAR10", "cifar-10-python.tar.gz"),
    "cifar100": TorchvisionSet("CIFAR100", "cifar-100-python.tar.gz"),
    "svhn": TorchvisionSet("SVHN", "train_32x32.mat and test_32x32.mat", *_BY_SPLIT),
    "stl10": TorchvisionSet("STL10", "stl10_binary.tar.gz", *_BY_SPLIT),
}


def known_sets() -> tuple[str, ...]:
    """The image sets that `load_images` knows by name: the one that ships with evovae, then torchvision's."""
    return ("mnist", *TORCHVISION_SETS)


def find_known_set(name: str) -> str | None:
    """The known set meant by `name`, whatever its case, hyphens and underscores, or None."""
    return {_plain(known): known for known in known_sets()}.get(_plain(name))


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
