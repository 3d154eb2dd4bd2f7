"""Images with labels, held as uint8 in memory, the image set made of two of them, and draws from them."""

import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evovae.base import InputError, make_generator

UNLABELLED = "all"
"""The class of images that have none."""


# Compared by identity: == between tensors gives no single truth value.
@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images.

    Attributes:
        images: uint8 (N, C, H, W) in 0..255, C 1 (grey) or 3 (red, green, blue), at least one image.
        labels: int64 (N,), none negative.

    Raises:
        InputError: if a tensor is of another dtype or shape.
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
        """(C, H, W) of one image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def to(self, device: torch.device | str) -> "Images":
        """The same images on `device`."""
        return Images(self.images.to(device), self.labels.to(device))

    def subset(self, n: int | None = None, classes: Iterable[int] | None = None, seed: int = 0) -> "Images":
        """Some of the images, in their order here, with their labels unchanged.

        Args:
            n: number of images, 1 up to all of them, drawn so that class proportions are kept to within
                rounding (largest remainder); None keeps all.
            classes: labels to keep; None keeps all.
            seed: decides which images of a class are drawn.

        Raises:
            InputError: if `n` is out of range, or no image has one of the `classes`.
        """
        kept = self if classes is None else self._of_classes(sorted(set(classes)))
        if n is None:
            return kept
        if not 1 <= n <= len(kept):
            raise InputError(f"n={n} images: expected 1 to {len(kept)}, the number there is; choose n in that range")
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
        name: what gives the same images to `load_images` again: a known name, or the full path of a folder.
        train: images to learn from.
        test: images of the same shape, held back.
        classes: the name of each label; only `UNLABELLED` where the images have none.
        notes: what the user should know of how it was read: what was left out, what was converted.

    Raises:
        InputError: if the splits differ in shape, or a label has no class name.
    """

    name: str
    train: Images
    test: Images
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

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
        """(C, H, W) of one image."""
        return self.train.shape

    @property
    def summary(self) -> str:
        """What was read, in a line: "27 train and 3 test pictures in 3 classes (a, b, c); left out: 300 .avif"."""
        counts = f"{len(self.train):,} train and {len(self.test):,} test pictures"
        if self.classes == (UNLABELLED,):
            kinds = "without classes"
        elif len(self.classes) == 1:
            kinds = f"of one class ({self.classes[0]})"
        else:
            kinds = f"in {len(self.classes):,} classes ({listed(self.classes)})"
        return "; ".join((f"{counts} {kinds}", *self.notes))

    @functools.cached_property
    def digest(self) -> str:
        """What identifies it: a SHA-256 of images and labels, their shapes and order, whatever their names."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            for tensor in (split.images, split.labels):
                digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names in a line, of many the first and the last."""
    return ", ".join(names if len(names) <= most else [*names[: most - 2], "...", names[-1]])


def hold_out(images: Images, where: str) -> tuple[Images, Images, tuple[str, ...]]:
    """Split off a tenth as a test set, at least one image, class proportions kept; always the same tenth.

    Images with the same pixels stay on one side, unless no class has two that differ; and the only image of a class is
    for training, unless each class has but one.

    Args:
        images: all there are.
        where: what they are called in an error message.

    Returns:
        What is left to train on, the test images, and a note on them for the user.

    Raises:
        InputError: if there is only one image.
    """
    labels, first = images.labels, _first_of_its_kind(images.images)
    if len(images) < 2:
        raise InputError(
            f"{where} holds 1 picture; expected 2 or more, to hold one out for test; add some, or give the splits as "
            "train/ and test/"
        )
    drawable, single = _drawable(labels, first)
    # Where there is no other way, copies are images of their own.
    group = first if drawable.any() else torch.arange(len(images))
    drawable, single = (drawable, single) if drawable.any() else _drawable(labels, group)
    index = (drawable if drawable.any() else torch.ones_like(drawable)).nonzero().squeeze(1)
    drawn = index[draw_stratified(labels[index], max(1, round(len(index) / 10)), seed=0)]
    is_test = torch.isin(group, drawn)
    notes = ["a tenth held out for test"]
    if shared := int(torch.isin(first[is_test], first[~is_test]).sum()):
        notes.append(f"{shared:,} of these also in train: the pictures of a class are all the same")
    elif repeated := len(first) - len(first.unique()):
        notes.append(f"copies of others: {repeated:,}, each on the side of its original")
    if drawable.any() and single:
        notes.append(f"classes of one picture, which is in train: {single:,}")
    return images._at(~is_test), images._at(is_test), tuple(notes)


def _drawable(labels: Tensor, group: Tensor) -> tuple[Tensor, int]:
    """Which images may be drawn for test: the first of each group, in classes of several; and how many have one."""
    original = group == torch.arange(len(group))
    in_class = labels[original].bincount(minlength=int(labels.max()) + 1)
    return original & (in_class[labels] > 1), int((in_class == 1).sum())


def without_copies(test: Images, train: Images) -> tuple[Images | None, int]:
    """Take out of the test images those whose pixels are also among the train images, of the same shape.

    Returns:
        What is left, None if nothing is, and how many were taken out.
    """
    known = set(_digests(train.images))
    new = torch.tensor([digest not in known for digest in _digests(test.images)])
    return test._at(new) if new.any() else None, int((~new).sum())


def _first_of_its_kind(images: Tensor) -> Tensor:
    """For each of the images, the index of the first with the same pixels: int64 (N,)."""
    first: dict[bytes, int] = {}
    return torch.tensor([first.setdefault(digest, index) for index, digest in enumerate(_digests(images))])


def _digests(images: Tensor) -> list[bytes]:
    return [hashlib.sha256(row).digest() for row in images.flatten(1).contiguous().numpy()]


def draw_stratified(labels: Tensor, n: int, seed: int) -> Tensor:
    """Indices of `n` labels, each class in its proportion to within rounding.

    Places left over after rounding down go to the largest remainders, ties to the lower label.

    Args:
        labels: int64 (N,).
        n: 1 to `N`.
        seed: decides which members of a class are drawn; the same on every device.

    Returns:
        int64 (n,), ascending, on the device of `labels`.
    """
    generator = make_generator(seed, 3)
    order = torch.randperm(len(labels), generator=generator).to(labels.device)
    classes, counts = labels.unique(return_counts=True)
    shares, remainders = n * counts // len(labels), n * counts % len(labels)
    places_left = n - int(shares.sum())
    shares[remainders.argsort(descending=True, stable=True)[:places_left]] += 1
    shuffled = labels[order]
    drawn = [order[shuffled == label][:share] for label, share in zip(classes, shares.tolist(), strict=True)]
    return torch.cat(drawn).sort().values
