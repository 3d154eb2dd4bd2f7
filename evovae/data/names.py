"""The words a user may write: image sets, shapes and colours, binarisations and corruptions. Imports no torch."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from evovae.errors import InputError, shown

Colour = tuple[int, int, int]
Fit = Literal["crop", "pad", "stretch"]
Unreadable = Literal["stop", "skip"]
Binarisation = Literal["grey", "dynamic", "static"]
Corruption = Literal["none", "gaussian", "masking", "salt-and-pepper"]

COLOURS: dict[str, Colour] = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (128, 128, 128)}


def parse_colour(name: str) -> Colour:
    """Red, green and blue in 0..255 of a colour: white, black, grey, or six hexadecimal digits such as ff8800.

    Raises:
        InputError: It is none of these.
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
        class_name: The class in `torchvision.datasets`.
        files: What torchvision looks for below the data directory, in words for an error message.
        train: Arguments that ask the class for the training split.
        test: Arguments that ask the class for the test split.
        transposed: Whether the published images have rows and columns exchanged.
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
