"""What was read once is read from the cache while it is the same, and nothing depends on the cache."""

import os
from pathlib import Path

import pytest
import torch
from making import noise, save

from evovae.base import files
from evovae.data import ImageSet, load_images
from evovae.data import cache as cache_module
from evovae.data import picture_folder as module


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that sets are kept in, new and empty; all are, however quickly they were read."""
    monkeypatch.setattr(cache_module, "WORTHWHILE", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "evovae" / "pictures"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(10):
        noise(tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png", number)
    (tmp_path / "pictures" / "a" / "other.avif").write_text("")
    return tmp_path / "pictures"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were decoded."""
    read: list[Path] = []
    real = module.read_file

    def read_file(path: Path, *arguments: object) -> object:
        read.append(path)
        return real(path, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "read_file", read_file)
    return read


def assert_same(one: ImageSet, other: ImageSet) -> None:
    assert (one.name, one.classes, one.notes, one.summary) == (other.name, other.classes, other.notes, other.summary)
    for split in ("train", "test"):
        a, b = getattr(one, split), getattr(other, split)
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.labels, b.labels)


def test_a_set_is_decoded_once(cache: Path, folder: Path, reads: list[Path]):
    first, again = load_images(folder, image_size=8), load_images(folder, image_size=8)
    assert len(reads) == 10
    assert len(list(cache.iterdir())) == 1
    assert_same(first, again)


def test_a_folder_that_moved_is_known_by_its_files(cache: Path, folder: Path, reads: list[Path]):
    load_images(folder)
    moved = load_images(folder.rename(folder.with_name("moved")))
    assert len(reads) == 10
    assert moved.name == str(folder.with_name("moved"))


@pytest.mark.parametrize(
    "options",
    [
        {"grey": True},
        {"image_size": 9},
        {"image_size": 8, "fit": "pad"},
        {"background": "black"},
        {"unreadable": "skip"},
    ],
)
def test_what_decides_the_pixels_is_told_apart(
    cache: Path, folder: Path, reads: list[Path], options: dict[str, object]
):
    load_images(folder)
    load_images(folder, **options)  # type: ignore[arg-type]
    assert len(reads) == 20


def test_files_that_changed_are_read_again(cache: Path, folder: Path):
    before = load_images(folder)
    path = folder / "a" / "0.png"
    times = path.stat()
    noise(path, 99)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as if it had not
    after = load_images(folder)
    assert not torch.equal(before.train.images, after.train.images) or not torch.equal(
        before.test.images, after.test.images
    )
    (folder / "a" / "more.avif").write_text("")
    assert "2 .avif" in load_images(folder).summary
    (folder / "b" / "1.png").rename(folder / "a" / "1.png")
    assert int((load_images(folder).train.labels == 1).sum()) < int((after.train.labels == 1).sum()) + 1
    assert len(load_images(folder).train) == len(after.train)


@pytest.mark.parametrize("damage", [b"", b"no tensors", None])
def test_a_damaged_cache_is_read_past_and_mended(cache: Path, folder: Path, damage: bytes | None):
    first = load_images(folder)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-10] if damage is None else damage)
    assert_same(load_images(folder), first)
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_error(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    first = load_images(folder)
    cache.parent.mkdir(parents=True, exist_ok=True)
    for file in cache.iterdir():
        file.unlink()
    cache.rmdir()
    cache.write_text("a file where the folder would be")
    assert_same(load_images(folder), first)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "expanduser", unknown_home)
    assert_same(load_images(folder), first)


def unknown_home(path: Path) -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_the_sets_not_used_for_longest_go(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache_module, "MAX_SETS", 2)
    for number in range(3):
        save(tmp_path / str(number) / "a.png", number)
        save(tmp_path / str(number) / "b.png", number + 10)
        load_images(tmp_path / str(number))
        for age, path in enumerate(sorted(cache.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)):
            os.utime(path, ns=(10**18 - age, 10**18 - age))
        load_images(tmp_path / "0")  # used now
    kept = [files.load_tensors(path, "pictures")[0]["train/images"] for path in cache.iterdir()]
    assert sorted(int(images.max()) % 10 for images in kept) == [0, 2]


def test_a_set_that_is_too_large_is_not_kept(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache_module, "MAX_BYTES", 1000)
    load_images(folder)
    assert not cache.exists()


def test_a_set_that_is_read_in_no_time_is_not_kept(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache_module, "WORTHWHILE", 1000)
    load_images(folder)
    assert not cache.exists()
