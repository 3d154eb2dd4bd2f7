"""Names, the shipped MNIST, and the sets that torchvision reads."""

import gzip
import hashlib
import os
import struct
import subprocess
import sys
import urllib.request
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision.datasets
from refusals import refused

import evovae.data
from evovae.data import default_data_dir, known_sets, load_images, to_unit
from evovae.data.config import TORCHVISION_SETS

MD5 = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}


@pytest.fixture(scope="module")
def mnist() -> evovae.data.ImageSet:
    return load_images()


@pytest.mark.parametrize("file", MD5)
def test_shipped_mnist_is_the_published_one(file: str):
    packed = (resources.files("evovae.data") / "mnist" / file).read_bytes()
    assert hashlib.md5(gzip.decompress(packed)).hexdigest() == MD5[file]


def test_mnist_has_its_known_content(mnist: evovae.data.ImageSet):
    assert mnist.name == "mnist"
    assert mnist.shape == (1, 28, 28)
    assert mnist.classes == tuple("0123456789")
    assert (len(mnist.train), len(mnist.test)) == (60_000, 10_000)
    assert mnist.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert float(to_unit(mnist.train.images).mean()) == pytest.approx(0.1307, abs=1e-4)


def test_stratified_subset_of_mnist_keeps_the_digits_in_proportion(mnist: evovae.data.ImageSet):
    subset = mnist.train.subset(n=1234)
    shares = mnist.train.labels.bincount() * 1234 / 60_000
    assert len(subset) == 1234
    assert (subset.labels.bincount() - shares).abs().max() < 1


def test_mnist_can_be_resized():
    assert load_images("mnist", image_size=16).shape == (1, 16, 16)


@pytest.mark.parametrize("image_size", [0, 7, 257, -28])
def test_image_size_out_of_range_is_refused(image_size: int):
    with refused(f"image size {image_size}", "8 to 256", "--image-size"):
        load_images("mnist", image_size=image_size)


@pytest.mark.parametrize("name", ["imagenet", "", "mnist "])
def test_unknown_names_are_refused_with_those_known(name: str):
    with refused(repr(name), *known_sets(), "folder"):
        load_images(name)


def test_a_path_that_does_not_exist_is_called_that(tmp_path: Path):
    with refused(repr(str(tmp_path / "none")), "does not exist"):
        load_images(str(tmp_path / "none"))


def test_a_file_is_not_a_folder(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with refused(repr(str(tmp_path / "file")), "is neither a folder nor an .npz file"):
        load_images(tmp_path / "file")


def test_a_known_name_wins_over_a_folder_and_a_path_over_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    assert load_images("MNIST").name == "mnist"
    for folder in ("./mnist", Path("mnist")):
        with refused("no images"):
            load_images(folder)


def test_an_unreadable_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def deny(_: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", deny)
    with refused(repr(str(tmp_path)), "Permission denied"):
        load_images(tmp_path)


def test_names_can_be_listed_without_importing_torch():
    program = (
        "import sys, evovae.data; evovae.data.known_sets(); assert not {'torch', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_public_names_resolve_and_others_do_not():
    for name in evovae.data.__all__:
        assert getattr(evovae.data, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = evovae.data.no_such_name


def test_every_set_in_the_table_is_a_class_of_torchvision():
    for source in TORCHVISION_SETS.values():
        assert issubclass(getattr(torchvision.datasets, source.class_name), torchvision.datasets.VisionDataset)


def write_idx(path: Path, values: torch.Tensor) -> None:
    path.write_bytes(
        struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.numpy().tobytes()
    )


def test_torchvision_reads_idx_files_that_lie_in_the_data_dir(tmp_path: Path):
    raw = tmp_path / "KMNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = {split: torch.arange(n * 64).reshape(n, 8, 8).to(torch.uint8) for split, n in (("train", 6), ("t10k", 3))}
    for split, images in pixels.items():
        write_idx(raw / f"{split}-images-idx3-ubyte", images)
        write_idx(raw / f"{split}-labels-idx1-ubyte", torch.arange(len(images), dtype=torch.uint8))
    image_set = load_images("kmnist", data_dir=tmp_path)
    assert torch.equal(image_set.train.images[:, 0], pixels["train"])
    assert torch.equal(image_set.test.images[:, 0], pixels["t10k"])
    assert image_set.train.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert image_set.classes[:3] == ("o", "ki", "su")


class FakeSet:
    """Stands in for a torchvision class: same constructor, same attributes, no files."""

    def __init__(self, root: str, download: bool, **split: Any):
        print("Downloading http://example.org/images.gz")
        self.asked = split
        is_train = split.get("train", split.get("split") == "train")
        n = 6 if is_train else 3
        self.data: Any = torch.arange(n * 64).reshape(n, 8, 8).to(torch.uint8)
        self.targets: Any = torch.arange(n) % 3
        self.classes = ["shirt", "shoe", "bag"]


@pytest.mark.parametrize("name", ["fashion-mnist", "FashionMNIST", "FASHION_MNIST"])
def test_torchvision_set_is_read_by_any_spelling_of_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", FakeSet)
    image_set = load_images(name, data_dir=tmp_path)
    assert image_set.name == "fashion-mnist"
    assert image_set.classes == ("shirt", "shoe", "bag")
    assert image_set.shape == (1, 8, 8)
    assert (len(image_set.train), len(image_set.test)) == (6, 3)
    assert capsys.readouterr().out == ""


def test_emnist_is_turned_upright_and_asked_for_balanced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made: list[FakeSet] = []

    class Emnist(FakeSet):
        def __init__(self, root: str, download: bool, **split: Any):
            super().__init__(root, download, **split)
            made.append(self)

    monkeypatch.setattr(torchvision.datasets, "EMNIST", Emnist)
    image_set = load_images("emnist", data_dir=tmp_path)
    assert [fake.asked for fake in made] == [{"split": "balanced", "train": flag} for flag in (True, False)]
    assert torch.equal(image_set.train.images[:, 0], made[0].data.transpose(1, 2))


def test_qmnist_labels_are_the_first_of_its_eight_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Qmnist(FakeSet):
        def __init__(self, root: str, download: bool, **split: Any):
            super().__init__(root, download, **split)
            self.targets = torch.stack([self.targets, *[torch.full_like(self.targets, 99)] * 7], dim=1)

    monkeypatch.setattr(torchvision.datasets, "QMNIST", Qmnist)
    assert load_images("qmnist", data_dir=tmp_path).train.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_cifar_arrays_with_channels_last_and_lists_of_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Cifar(FakeSet):
        def __init__(self, root: str, download: bool, **split: Any):
            super().__init__(root, download, **split)
            self.data = np.stack([self.data.numpy(), np.zeros_like(self.data), np.full_like(self.data, 9)], axis=-1)
            self.targets = self.targets.tolist()

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Cifar)
    train = load_images("cifar-10", data_dir=tmp_path).train
    assert train.shape == (3, 8, 8)
    assert train.images[:, 1].unique().tolist() == [0]
    assert train.images[:, 2].unique().tolist() == [9]
    assert load_images("cifar10", data_dir=tmp_path, grey=True, image_size=10).shape == (1, 10, 10)


def test_svhn_arrays_with_labels_and_without_class_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Svhn(FakeSet):
        def __init__(self, root: str, download: bool, **split: Any):
            super().__init__(root, download, **split)
            self.data = np.transpose(np.zeros((8, 8, 3, len(self.data)), dtype=np.uint8), (3, 2, 0, 1))
            self.labels = self.targets.numpy()
            del self.targets, self.classes

    monkeypatch.setattr(torchvision.datasets, "SVHN", Svhn)
    image_set = load_images("svhn", data_dir=tmp_path)
    assert image_set.shape == (3, 8, 8)
    assert image_set.classes == ("0", "1", "2")


def unreachable(*_: Any, **__: Any) -> Any:
    raise URLError("Name or service not known")


@pytest.mark.parametrize("name", TORCHVISION_SETS)
def test_without_network_the_error_says_which_files_to_put_where(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    files = TORCHVISION_SETS[name].files
    with refused(repr(name), repr(str(tmp_path)), files, "no network was reached", "--data-dir"):
        load_images(name, data_dir=tmp_path)
    assert capsys.readouterr().out == ""


def test_a_data_dir_that_is_a_file_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with refused(repr(str(tmp_path / "file")), "--data-dir"):
        load_images("kmnist", data_dir=tmp_path / "file")


def test_damaged_files_in_the_data_dir_are_refused(tmp_path: Path):
    raw = tmp_path / "KMNIST" / "raw"
    raw.mkdir(parents=True)
    for split in ("train", "t10k"):
        (raw / f"{split}-images-idx3-ubyte").write_bytes(struct.pack(">BBBB3I", 0, 0, 8, 3, 5, 8, 8))
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(b"")
    with refused("'kmnist'", repr(str(tmp_path))):
        load_images("kmnist", data_dir=tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_no_pickle_is_loaded_that_is_not_the_published_one(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def load(*_: Any, **__: Any) -> Any:
        pytest.fail("a pickle was loaded")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    monkeypatch.setattr("pickle.load", load)
    dataset_class = getattr(torchvision.datasets, TORCHVISION_SETS[name].class_name)
    folder = tmp_path / dataset_class.base_folder
    folder.mkdir()
    files = [file for file, _ in dataset_class.train_list + dataset_class.test_list]
    for file in [*files, dataset_class.meta["filename"]]:
        (folder / file).write_bytes(b"\x80\x04N.")
    with refused(repr(name), "no network was reached"):
        load_images(name, data_dir=tmp_path)


def test_pickles_of_an_old_torchvision_are_refused(tmp_path: Path):
    processed = tmp_path / "KMNIST" / "processed"
    processed.mkdir(parents=True)
    with refused(repr(str(processed)), "remove that folder"):
        load_images("kmnist", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("fashion-mnist", "FashionMNIST/raw/train-images-idx3-ubyte.gz"),
        ("qmnist", "QMNIST/raw/qmnist-test-labels-idx2-int.gz"),
        ("emnist", "EMNIST/raw/gzip.zip"),
        ("cifar10", "cifar-10-python.tar.gz"),
        ("stl10", "stl10_binary.tar.gz"),
    ],
)
def test_a_file_that_is_cut_or_another_is_told_rather_than_no_network(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"of another set"))
    with refused(f"image set {name!r}: {str(path)!r} is cut, or another file", "MD5", "remove it or fetch it again"):
        load_images(name, data_dir=tmp_path)


def test_idx_files_that_are_not_the_published_ones_are_read_by_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    write_idx(tmp_path / "train-images-idx3-ubyte", torch.arange(128, dtype=torch.uint8).reshape(2, 8, 8))
    write_idx(tmp_path / "train-labels-idx1-ubyte", torch.arange(2, dtype=torch.uint8))
    with refused("'fashion-mnist'", f"--dataset {tmp_path} reads"):
        load_images("fashion-mnist", data_dir=tmp_path)
    assert load_images(tmp_path).shape == (1, 8, 8)


def test_a_data_dir_that_cannot_be_written_to_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    raw = tmp_path / "KMNIST" / "raw"
    raw.mkdir(parents=True)
    for split in ("train", "t10k"):
        for what, values in (("images-idx3", torch.arange(128).reshape(2, 8, 8)), ("labels-idx1", torch.arange(2))):
            content = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
            content += values.to(torch.uint8).numpy().tobytes()
            (raw / f"{split}-{what}-ubyte.gz").write_bytes(gzip.compress(content))
    md5 = [
        (path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in sorted(raw.iterdir(), key=lambda p: p.name)
    ]
    monkeypatch.setattr(torchvision.datasets.KMNIST, "resources", md5)
    before, access = sorted(tmp_path.rglob("*")), os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    image_set = load_images("kmnist", data_dir=tmp_path)
    assert image_set.name == "kmnist"
    assert len(image_set.train) == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_without_a_home_the_error_names_the_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def unknown(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "expanduser", unknown)
    with refused("home folder", "HOME", "--data-dir"):
        load_images("kmnist")


def test_usps_files_are_verified_although_torchvision_does_not(tmp_path: Path):
    path = tmp_path / "usps.t.bz2"
    path.write_bytes(b"cut off")
    with refused(repr(str(path)), "8ea070ee2aca1ac39742fdd1ef5ed118"):
        load_images("usps", data_dir=tmp_path)


def test_default_data_dir_follows_the_cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / "evovae"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_data_dir() == Path.home() / ".cache" / "evovae"


@pytest.mark.parametrize("name", ["~\0", "~\ud800", "\0", "a\nb"])
def test_what_no_folder_is_called_is_refused_in_one_line(name: str):
    with refused(repr(name)):
        load_images(name)


@pytest.mark.parametrize("name", ["~\0", "~\ud800"])
def test_what_no_data_dir_is_called_is_refused_in_one_line(name: str):
    with refused(repr(name)):
        load_images("kmnist", data_dir=name)
