"""Image sets in .npz files, as MedMNIST publishes them."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from refusals import refused

import evovae.data.npz
from evovae.data import load_images

COUNTS = {"train": 20, "val": 4, "test": 6}
RANDOM = np.random.default_rng(0)


def images(count: int, *shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, *(shape or (8, 8))), dtype=np.uint8)


def labels(count: int) -> np.ndarray:
    return (np.arange(count) % 3).astype(np.uint8)[:, None]


def medmnist(*shape: int) -> dict[str, np.ndarray]:
    arrays = {}
    for split, count in COUNTS.items():
        arrays |= {f"{split}_images": images(count, *shape), f"{split}_labels": labels(count)}
    return arrays


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_file_of_medmnist_is_read(tmp_path: Path, save: Any):
    arrays = medmnist(9, 8, 3)
    save(tmp_path / "blood.npz", **arrays)
    image_set = load_images(str(tmp_path / "blood.npz"))
    assert image_set.name == str(tmp_path / "blood.npz")
    assert image_set.summary == "20 train and 6 test pictures in 3 classes (0, 1, 2); left out: 4 in val"
    assert image_set.shape == (3, 9, 8)
    assert torch.equal(image_set.train.images[3, :, 2, 5], torch.tensor(arrays["train_images"][3, 2, 5]))
    assert image_set.test.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert load_images(tmp_path / "blood.npz", image_size=10, grey=True).shape == (1, 10, 10)


def test_grey_images_and_arrays_in_columns_are_read(tmp_path: Path):
    arrays = medmnist()
    arrays["train_images"] = np.asfortranarray(arrays["train_images"])
    arrays["train_labels"] = arrays["train_labels"][:, 0].astype(">i8")
    np.savez(tmp_path / "a.npz", **arrays)
    train = load_images(tmp_path / "a.npz").train
    assert torch.equal(train.images[:, 0], torch.tensor(np.ascontiguousarray(arrays["train_images"])))
    assert train.labels[:4].tolist() == [0, 1, 2, 0]


def test_val_is_test_where_there_is_none_and_train_alone_is_split(tmp_path: Path):
    arrays = medmnist()
    del arrays["test_images"], arrays["test_labels"]
    np.savez(tmp_path / "a.npz", **arrays)
    assert load_images(tmp_path / "a.npz").summary.endswith("(0, 1, 2); val taken for test")
    np.savez(tmp_path / "b.npz", train_images=arrays["train_images"])
    assert load_images(tmp_path / "b.npz").summary == (
        "18 train and 2 test pictures without classes; a tenth held out for test"
    )


def test_several_labels_for_an_image_are_no_classes(tmp_path: Path):
    arrays = medmnist()
    for split in ("train", "val", "test"):
        arrays[f"{split}_labels"] = np.zeros((len(arrays[f"{split}_images"]), 14), dtype=np.uint8)
    np.savez(tmp_path / "chest.npz", **arrays)
    assert load_images(tmp_path / "chest.npz").classes == ("all",)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"train_images": images(20).astype(np.float32)}, ["train_images", "float32", "uint8"]),
        ({"train_images": images(20).astype(np.int32)}, ["train_images", "int32", "uint8"]),
        ({"train_images": images(20, 8, 8, 8)}, ["(20, 8, 8, 8)", "C 1 or 3"]),
        ({"train_images": np.array([{}, {}], dtype=object)}, ["train_images", "object"]),
        ({f"{split}_images": images(n, 300, 8) for split, n in COUNTS.items()}, ["300 x 8", "8 to 256"]),
        ({"train_images": images(20, 0, 8)}, ["train_images", "(20, 0, 8)"]),
        ({"train_labels": labels(19)}, ["(19, 1)", "20 images"]),
        ({"train_labels": labels(20).astype(int) - 1}, ["train_labels from -1"]),
        ({"train_labels": labels(20).astype(int) + 10**12}, ["1000000000003 classes"]),
        ({"test_images": images(6, 9, 9)}, ["(1, 8, 8)", "(1, 9, 9)"]),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, changed: dict[str, np.ndarray], words: list[str]):
    np.savez(tmp_path / "a.npz", **medmnist() | changed)
    with refused(repr(str(tmp_path / "a.npz")), *words):
        load_images(tmp_path / "a.npz")


def test_a_file_without_images_says_what_it_holds(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x_train=images(3))
    with refused("'x_train'", "train_images"):
        load_images(tmp_path / "a.npz")


def test_a_file_that_is_cut_or_no_archive_is_refused(tmp_path: Path):
    path = tmp_path / "a.npz"
    np.savez(path, **medmnist())
    content = path.read_bytes()
    for damaged in (b"", b"no archive", content[: len(content) // 2]):
        path.write_bytes(damaged)
        with refused(repr(str(path)), "cannot be read as an .npz file"):
            load_images(path)


def test_a_shape_that_claims_much_is_given_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.npz"
    np.savez(path, train_images=images(20))
    with zipfile.ZipFile(path) as archive:
        array = archive.read("train_images.npy")
    for claimed, words in ((b"(90, 8, 8)", "number of values"), (b"(10, 8, 8)", "number of values")):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("train_images.npy", array.replace(b"(20, 8, 8)", claimed))
        with refused(repr(str(path)), words):
            load_images(path)
    monkeypatch.setattr(evovae.data.npz, "MAX_BYTES", 100)
    with refused("1 to 100 bytes"):
        load_images(path)
