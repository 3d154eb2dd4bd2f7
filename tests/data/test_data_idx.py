"""idx files, whatever their headers claim, and folders of them."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import pytest
import torch
from refusals import refused

from evovae.data import load_images, read_idx
from evovae.data.limits import MAX_BYTES


def idx_bytes(shape: tuple[int, ...], values: bytes, value_type: int = 8) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, value_type, len(shape), *shape) + values


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_split(folder: Path, split: str, n: int, ending: str = "-idx{}-ubyte.gz") -> None:
    """n grey images of 8 x 8, each filled with its index, and labels 0 and 1 in turn."""
    pixels = b"".join(bytes([index]) * 64 for index in range(n))
    write(folder / (f"{split}-images" + ending.format(3)), idx_bytes((n, 8, 8), pixels))
    write(folder / (f"{split}-labels" + ending.format(1)), idx_bytes((n,), bytes(index % 2 for index in range(n))))


@pytest.mark.parametrize("name", ["x.idx", "x.idx.gz"])
@pytest.mark.parametrize("shape", [(6,), (2, 3), (3, 1, 2), (1, 3, 2, 1)])
def test_read_idx_gives_back_what_was_written(tmp_path: Path, name: str, shape: tuple[int, ...]):
    values = read_idx(write(tmp_path / name, idx_bytes(shape, bytes(range(6)))))
    assert values.dtype == torch.uint8
    assert torch.equal(values, torch.arange(6, dtype=torch.uint8).reshape(shape))


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["nothing"]),
        (b"\x89PNG\r\n", ["89 50 4e 47", "idx"]),
        (idx_bytes((), b""), ["00 00 08 00"]),
        (idx_bytes((1, 1, 1, 1, 1), b"a"), ["00 00 08 05"]),
        (idx_bytes((1,), b"abcd", value_type=13), ["0x0d", "unsigned bytes"]),
        (idx_bytes((2, 2), b"")[:7], ["header", "2 dimensions"]),
        (idx_bytes((0, 28, 28), b""), ["states 0 bytes", "(0, 28, 28)"]),
        (idx_bytes((2**31, 28, 28), b"abc"), ["(2147483648, 28, 28)", str(MAX_BYTES)]),
        (idx_bytes((2**32 - 1,) * 4, b"abc"), [str((2**32 - 1) ** 4), str(MAX_BYTES)]),
        (idx_bytes((MAX_BYTES - 1,), b"abc"), ["only 3", str(MAX_BYTES - 1)]),
        (idx_bytes((2, 2), b"abc"), ["only 3", "4"]),
        (idx_bytes((2, 2), b"abcde"), ["more", "4"]),
    ],
)
def test_read_idx_refuses_a_file_that_is_not_what_it_says(
    tmp_path: Path, ending: str, content: bytes, words: list[str]
):
    path = write(tmp_path / f"bad-idx{ending}", content)
    with refused(repr(str(path)), *words):
        read_idx(path)


def test_read_idx_refuses_what_gzip_cannot_unpack(tmp_path: Path):
    whole = gzip.compress(idx_bytes((1000,), bytes(index % 251 for index in range(1000))))
    damaged = bytearray(whole)
    damaged[-6] ^= 0xFF
    for name, content in (
        ("cut", whole[:-20]),
        ("checksum", bytes(damaged)),
        ("plain", b"no gzip at all"),
        ("empty", b""),
    ):
        path = tmp_path / f"{name}.gz"
        path.write_bytes(content)
        with refused(repr(str(path)), "idx"):
            read_idx(path)


def test_read_idx_refuses_a_file_that_is_not_there(tmp_path: Path):
    with refused(repr(str(tmp_path / "none")), "No such file"):
        read_idx(tmp_path / "none")


def test_read_idx_unpacks_no_more_of_a_gzip_bomb_than_its_header_states(tmp_path: Path):
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(idx_bytes((10,), b""))
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    with refused(repr(str(path)), "more"):
        read_idx(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_read_idx_takes_no_memory_on_the_word_of_a_header(tmp_path: Path):
    path = write(tmp_path / "liar", idx_bytes((1 << 16, MAX_BYTES >> 16), b"abc"))
    tracemalloc.start()
    with refused("only 3"):
        read_idx(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize("test_name", ["t10k", "test"])
@pytest.mark.parametrize("ending", ["-idx{}-ubyte.gz", "-idx{}-ubyte", ".idx{}-ubyte", ".idx{}-ubyte.gz"])
def test_idx_folder_is_found_under_each_of_its_names(tmp_path: Path, test_name: str, ending: str):
    write_split(tmp_path, "train", 6, ending)
    write_split(tmp_path, test_name, 4, ending)
    image_set = load_images(str(tmp_path))
    assert image_set.name == str(tmp_path.resolve())
    assert image_set.shape == (1, 8, 8)
    assert image_set.train.images[:, 0, 0, 0].tolist() == list(range(6))
    assert image_set.test.labels.tolist() == [0, 1, 0, 1]
    assert image_set.classes == ("0", "1")


def test_idx_folder_of_colour_images(tmp_path: Path):
    write_split(tmp_path, "train", 4)
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()
    write(tmp_path / "train-images-idx4-ubyte.gz", idx_bytes((4, 3, 8, 8), bytes(4 * 3 * 64)))
    assert load_images(tmp_path).shape == (3, 8, 8)
    assert load_images(tmp_path, grey=True, image_size=12).shape == (1, 12, 12)


def test_idx_folder_without_test_files_holds_out_a_tenth_of_each_class(tmp_path: Path):
    write_split(tmp_path, "train", 40)
    first, again = load_images(tmp_path), load_images(tmp_path)
    assert (len(first.train), len(first.test)) == (36, 4)
    assert sorted(first.test.labels.tolist()) == [0, 0, 1, 1]
    assert torch.equal(first.test.images, again.test.images)


def test_idx_folder_of_one_image_has_none_to_hold_out(tmp_path: Path):
    write_split(tmp_path, "train", 1)
    with refused(repr(str(tmp_path)), "1 picture", "2 or more"):
        load_images(tmp_path)


@pytest.mark.parametrize(
    ("split", "what", "name"),
    [
        ("train", "images", "train-images-idx3-ubyte"),
        ("train", "labels", "train-labels-idx1-ubyte"),
        ("t10k", "images", "t10k-images-idx3-ubyte"),
        ("t10k", "labels", "t10k-labels-idx1-ubyte"),
    ],
)
def test_idx_folder_refuses_half_a_pair(tmp_path: Path, split: str, what: str, name: str):
    write_split(tmp_path, "train", 4)
    write_split(tmp_path, "t10k", 4)
    next(tmp_path.glob(f"{split}-{what}*")).unlink()
    with refused(repr(str(tmp_path)), f"{name}.gz"):
        load_images(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("train-labels-idx1-ubyte.gz", idx_bytes((3,), b"abc"), ["3 labels", "4 images"]),
        ("train-labels-idx1-ubyte.gz", idx_bytes((2, 2), b"abcd"), ["(2, 2)", "(N,)"]),
        ("train-images-idx3-ubyte.gz", idx_bytes((4, 64), bytes(256)), ["(4, 64)", "(N, H, W)"]),
        ("train-images-idx3-ubyte.gz", idx_bytes((4, 2, 8, 8), bytes(512)), ["(4, 2, 8, 8)", "C 1 or 3"]),
    ],
)
def test_idx_folder_refuses_files_that_do_not_fit(tmp_path: Path, file: str, content: bytes, words: list[str]):
    write_split(tmp_path, "train", 4)
    write(tmp_path / file, content)
    with refused(repr(str(tmp_path / file)), *words):
        load_images(tmp_path)


def test_idx_folder_refuses_images_beyond_the_sizes_that_fit(tmp_path: Path):
    write_split(tmp_path, "train", 4)
    write(tmp_path / "train-images-idx3-ubyte.gz", idx_bytes((4, 260, 8), bytes(4 * 260 * 8)))
    with refused(repr(str(tmp_path)), "260 x 8", "--image-size 28"):
        load_images(tmp_path)
    assert load_images(tmp_path, image_size=16).shape == (1, 16, 16)
