"""Images with labels, held as uint8 in memory, and the image set made of two of them."""

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from evovae.data.stratified import draw_stratified
from evovae.errors import InputError
from evovae.streams import make_generator


# Compared by identity: == between tensors gives no single truth value.
@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images.

    Attributes:
        images: uint8 `(N, C, H, W)` in 0..255, `C` 1 (grey) or 3 (red, green, blue), at least one image.
        labels: int64 `(N,)`, none negative.

    Raises:
        InputError: A tensor is of another dtype or shape.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        """Refuse what is not images with labels."""
        images, labels = self.images, self.labels
        if images.dtype != torch.uint8:
            raise InputError(f"images of {images.dtype}: expected uint8 in 0..255; scale and convert them first")
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise InputError(
                f"images of shape {tuple(images.shape)}: expected (N, C, H, W) with C 1 or 3; "
                "is the channel axis in place?"
            )
        if images.numel() == 0:
            raise InputError(f"images of shape {tuple(images.shape)}: expected at least one image; give some")
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            raise InputError(
                f"labels of {labels.dtype} and shape {tuple(labels.shape)}: "
                f"expected int64 ({len(images)},); give one label for each image"
            )
        if labels.min() < 0:
            raise InputError(f"label {int(labels.min())}: expected labels from 0 up; renumber the classes")

    def __len__(self) -> int:
        """Number of images, `N`."""
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(C, H, W)` of one image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def to(self, device: torch.device | str) -> "Images":
        """The same images on `device`."""
        return Images(self.images.to(device), self.labels.to(device))

    def subset(self, n: int | None = None, classes: Iterable[int] | None = None, seed: int = 0) -> "Images":
        """Some of the images, in their order here, with their labels unchanged.

        Args:
            n: Number of images, 1 up to all of them, drawn so that class proportions are kept to within
                rounding (largest remainder); None keeps all.
            classes: Labels to keep; None keeps all.
            seed: Decides which images of a class are drawn.

        Raises:
            InputError: `n` is out of range, or no image has one of the `classes`.
        """
        kept = self if classes is None else self._of_classes(sorted(set(classes)))
        if n is None:
            return kept
        if not 1 <= n <= len(kept):
            raise InputError(f"n={n} images: expected 1 to {len(kept)}, as many as there are; choose n in that range")
        return kept._at(draw_stratified(kept.labels, n, seed))

    def binarised(self, seed: int) -> "Images":
        """Every pixel replaced once by a draw of 0 or 255, with probability pixel / 255 of 255.

        This is the *static* convention of `binarise`. Salakhutdinov and Murray (2008) made the fixed set that
        the literature calls statically binarised MNIST; ours is a fixed set of the same kind, drawn by `seed`.
        The draw is the same on every device.
        """
        generator = make_generator(seed, 4)
        # Exact in integers: a uniform draw from 0..254 is below p with probability p / 255.
        threshold = torch.randint(0, 255, self.images.shape, dtype=torch.uint8, generator=generator)
        return Images((threshold.to(self.images.device) < self.images).to(torch.uint8) * 255, self.labels)

    def _of_classes(self, classes: list[int]) -> "Images":
        present = self.labels.unique().tolist()
        unknown = [label for label in classes if label not in present]
        if unknown or not classes:
            raise InputError(f"classes {unknown or classes}: expected labels among {present}; choose from these")
        return self._at(torch.isin(self.labels, torch.tensor(classes, device=self.labels.device)))

    def _at(self, index: Tensor) -> "Images":
        return Images(self.images[index], self.labels[index])


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images split into train and test.

    Attributes:
        name: What gives the same images to `load_images` again: a known name, or the full path of a folder.
        train: Images to learn from.
        test: Images of the same shape, held back.
        classes: The name of each label.

    Raises:
        InputError: The splits differ in shape, or a label has no class name.
    """

    name: str
    train: Images
    test: Images
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse splits that do not belong together."""
        if self.train.shape != self.test.shape:
            raise InputError(
                f"{self.name!r}: train images are {self.train.shape} and test images {self.test.shape} (C, H, W); "
                "expected one shape; give both splits the same size and channels"
            )
        highest = int(max(self.train.labels.max(), self.test.labels.max()))
        if highest >= len(self.classes):
            raise InputError(
                f"{self.name!r}: label {highest} has no name among {len(self.classes)} classes; name them all"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(C, H, W)` of one image."""
        return self.train.shape

    @functools.cached_property
    def digest(self) -> str:
        """What tells it from another: a SHA-256 of images and labels, their shapes and order, whatever their names."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            for tensor in (split.images, split.labels):
                digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()


def hold_out(images: Images) -> tuple[Images, Images]:
    """Split off a tenth as a test set, at least one image, class proportions kept; always the same tenth.

    Args:
        images: At least two.

    Returns:
        What is left to train on, and the test images.
    """
    drawn = draw_stratified(images.labels, max(1, round(len(images) / 10)), seed=0)
    is_test = torch.zeros(len(images), dtype=torch.bool)
    is_test[drawn] = True
    return images._at(~is_test), images._at(is_test)
