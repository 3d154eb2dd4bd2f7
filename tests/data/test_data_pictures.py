"""Folders of pictures."""

import logging
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from making import noise, save, save_all
from PIL import Image
from refusals import refused

import evovae.data.limits
from evovae.base import InputError
from evovae.data import load_images, read_picture
from evovae.data.pictures import read_file
from evovae.data.transforms import Look


def test_flat_folder_is_one_class_with_a_tenth_held_out(tmp_path: Path):
    save_all(tmp_path, [(index, 0, 255) for index in range(20)])
    image_set = load_images(str(tmp_path))
    assert image_set.classes == ("all",)
    assert image_set.shape == (3, 8, 8)
    assert (len(image_set.train), len(image_set.test)) == (18, 2)
    reds = [*image_set.train.images[:, 0, 0, 0].tolist(), *image_set.test.images[:, 0, 0, 0].tolist()]
    assert sorted(reds) == list(range(20))
    assert torch.equal(load_images(tmp_path).test.images, image_set.test.images)


def test_class_folders_give_labels_in_the_order_of_their_names(tmp_path: Path):
    save_all(tmp_path / "zebra", [(200, 0, 0)] * 10)
    save_all(tmp_path / "ant", [(100, 0, 0)] * 20)
    image_set = load_images(tmp_path)
    assert image_set.classes == ("ant", "zebra")
    assert image_set.test.labels.tolist() == [0, 0, 1]
    assert image_set.test.images[:, 0, 0, 0].tolist() == [100, 100, 200]
    assert set(image_set.train.images[image_set.train.labels == 1][:, 0].flatten().tolist()) == {200}


def test_train_and_test_folders_are_the_splits(tmp_path: Path):
    for split, counts in (("train", (3, 2)), ("test", (1, 2))):
        for label, count in zip("ab", counts, strict=True):
            save_all(tmp_path / split / label, [(len(split), 0, 0)] * count)
    image_set = load_images(tmp_path)
    assert image_set.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert image_set.test.labels.tolist() == [0, 1, 1]
    assert set(image_set.train.images[:, 0].flatten().tolist()) == {5}
    assert set(image_set.test.images[:, 0].flatten().tolist()) == {4}


def test_flat_train_and_test_folders_are_one_class(tmp_path: Path):
    save(tmp_path / "train" / "a.png")
    save(tmp_path / "test" / "b.png", 9)
    assert load_images(tmp_path).classes == ("all",)


def test_test_has_no_class_that_train_has_not(tmp_path: Path):
    for index, path in enumerate(("train/a/1.png", "test/a/1.png", "test/b/1.png")):
        save(tmp_path / path, index)
    with refused(repr(str(tmp_path)), "'b'", "only test/", "train/ (a)"):
        load_images(tmp_path)


def test_splits_must_have_the_same_size(tmp_path: Path):
    save(tmp_path / "train" / "a.png", size=(8, 8))
    save(tmp_path / "test" / "b.png", size=(9, 8))
    with refused("8 x 8", "8 x 9", "b.png", "--image-size 28"):
        load_images(tmp_path)


def test_files_that_are_no_pictures_are_passed_over(tmp_path: Path):
    save_all(tmp_path, [0] * 3)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_text("no picture")
    (tmp_path / "empty").mkdir()
    save_all(tmp_path / ".thumbnails", [0])
    image_set = load_images(tmp_path)
    assert len(image_set.train) + len(image_set.test) == 3


@pytest.mark.parametrize("ending", ["png", "jpg", "JPEG", "bmp", "gif", "webp", "tif", "tiff", "ppm"])
def test_formats_are_read(tmp_path: Path, ending: str):
    for name in "ab":
        save(tmp_path / f"{name}.{ending}", (200, 200, 200))
    image_set = load_images(tmp_path, grey=True)
    assert image_set.shape == (1, 8, 8)
    assert int(image_set.test.images[0, 0, 4, 4]) == pytest.approx(200, abs=3)


def test_pictures_are_grey_when_all_are_stored_grey(tmp_path: Path):
    save(tmp_path / "a.png", 255, "1")
    save(tmp_path / "b.png", 100, "L")
    assert load_images(tmp_path).shape == (1, 8, 8)
    save(tmp_path / "c.png", (9, 9, 9), "RGB")
    assert load_images(tmp_path).shape == (3, 8, 8)


def test_sixteen_bit_grey_keeps_its_upper_bits(tmp_path: Path):
    for name in "ab":
        Image.fromarray(np.full((8, 8), 0x8042, dtype=np.uint16)).save(tmp_path / f"{name}.png")
    image_set = load_images(tmp_path)
    assert image_set.shape == (1, 8, 8)
    assert image_set.train.images.unique().tolist() == [0x80]


def test_transparent_pixels_lie_over_white(tmp_path: Path):
    save_all(tmp_path, [(255, 0, 0, 0)] * 2, "RGBA")
    assert load_images(tmp_path).train.images.unique().tolist() == [255]


def test_pictures_are_turned_as_their_exif_says(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in "ab":
        Image.new("RGB", (12, 8)).save(tmp_path / f"{name}.jpg", exif=exif)
    assert load_images(tmp_path).shape == (3, 12, 8)


def test_grey_is_the_luma_of_the_standard(tmp_path: Path):
    for name, colour in (("r", (255, 0, 0)), ("g", (0, 255, 0)), ("b", (0, 0, 255)), ("w", (255, 255, 255))):
        save_all(tmp_path / name, [colour] * 2)
    train = load_images(tmp_path, grey=True).train
    by_class = dict(zip(train.labels.tolist(), train.images[:, 0, 0, 0].tolist(), strict=True))
    assert [by_class[label] for label in range(4)] == [29, 150, 76, 255]  # b, g, r, w


def test_image_size_keeps_the_centre_without_distortion(tmp_path: Path):
    # Red, a green square in the middle, blue: the square alone remains.
    pixels = np.zeros((16, 48, 3), dtype=np.uint8)
    for third in range(3):
        pixels[:, 16 * third : 16 * (third + 1), third] = 255
    for name in "ab":
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    images = load_images(tmp_path, image_size=8).train.images
    assert images.shape[1:] == (3, 8, 8)
    assert torch.equal(images[0, 1], torch.full((8, 8), 255, dtype=torch.uint8))
    assert images[0, 0].max() == images[0, 2].max() == 0


def test_image_size_averages_rather_than_skips_pixels(tmp_path: Path):
    chequered = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    for name in "ab":
        Image.fromarray(chequered).save(tmp_path / f"{name}.png")
    inner = load_images(tmp_path, image_size=8).train.images[0, 0, 2:-2, 2:-2]
    assert inner.min() > 110
    assert inner.max() < 145


def test_image_size_brings_different_sizes_together(tmp_path: Path):
    save(tmp_path / "a.png", size=(300, 5))
    save(tmp_path / "b.png", size=(9, 40))
    assert load_images(tmp_path, image_size=28).shape == (3, 28, 28)


def test_different_sizes_are_refused_with_a_hint(tmp_path: Path):
    save(tmp_path / "a.png", size=(8, 8))
    save(tmp_path / "b.png", size=(9, 10))
    with refused("a.png", "8 x 8", "b.png", "10 x 9", "--image-size 28"):
        load_images(tmp_path)


@pytest.mark.parametrize("size", [(7, 8), (8, 257)])
def test_sizes_that_do_not_fit_are_refused_with_a_hint(tmp_path: Path, size: tuple[int, int]):
    save_all(tmp_path, [0, 0], size=size)
    with refused("000.png", f"{size[1]} x {size[0]}", "8 to 256", "--image-size 28"):
        load_images(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path, content: bytes):
    save_all(tmp_path, [0, 0])
    (tmp_path / "broken.png").write_bytes(content)
    with refused(repr(str(tmp_path / "broken.png")), "repair or remove"):
        load_images(tmp_path)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "gif", "webp", "bmp"])
def test_a_truncated_picture_is_named(tmp_path: Path, ending: str):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    path = tmp_path / f"cut.{ending}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    save(tmp_path / "whole.png", size=(32, 32))
    with refused(repr(str(path)), "repair or remove"):
        load_images(tmp_path)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_of_32_bits_are_refused(tmp_path: Path, mode: str):
    save(tmp_path / "deep.tif", 0, mode)
    save(tmp_path / "whole.tif", 0, mode)
    with refused("deep.tif", "32 bits"):
        load_images(tmp_path)


@pytest.mark.parametrize(("limit", "pillows"), [(63, 1000), (1000, 60), (1000, 20)])
def test_decompression_bombs_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, pillows: int
):
    # 64 pixels: Pillow warns beyond its limit, and raises beyond twice that.
    save_all(tmp_path, [0, 0])
    monkeypatch.setattr(evovae.data.limits, "MAX_PIXELS", limit)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows)
    with refused("000.png", f"more than {limit} pixels"):
        load_images(tmp_path, image_size=28)


def test_more_pictures_than_memory_allows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_all(tmp_path, [0] * 10)
    monkeypatch.setattr(evovae.data.limits, "MAX_BYTES", 1000)
    with refused("10 pictures", "000.png", "1920 bytes", "at most 1000"):
        load_images(tmp_path)


def test_one_picture_is_too_few(tmp_path: Path):
    save(tmp_path / "only.png")
    with refused(repr(str(tmp_path)), "2 or more"):
        load_images(tmp_path)


def test_loose_pictures_beside_class_folders_are_refused(tmp_path: Path):
    save_all(tmp_path / "cats", [0, 0])
    save(tmp_path / "loose.png")
    with refused(repr(str(tmp_path)), "'loose.png'", "'cats'"):
        load_images(tmp_path)


def test_an_empty_folder_says_what_it_may_hold(tmp_path: Path):
    with refused(repr(str(tmp_path)), "no images", "train-images-idx3-ubyte.gz", "pictures", "train/"):
        load_images(tmp_path)


def test_remarks_of_pillow_neither_pass_nor_stay(tmp_path: Path):
    save_all(tmp_path, [0, 0])
    filters = list(warnings.filters)
    load_images(tmp_path)
    assert warnings.filters == filters


def test_nothing_is_printed_about_a_damaged_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    path = tmp_path / "damaged.tif"
    noise = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    Image.fromarray(noise).save(path, compression="tiff_lzw")
    content = bytearray(path.read_bytes())
    content[8:48] = b"\xff" * 40
    path.write_bytes(content)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's, which take what would be printed
    logging.getLogger("PIL.TiffImagePlugin").error("what Pillow says")
    with refused("damaged.tif", "repair or remove"):
        read_file(path, Look(8, grey=True))  # libtiff says something, too
    assert capfd.readouterr() == ("", "")
    os.write(2, b"seen again")
    assert capfd.readouterr().err == "seen again"


# One picture, from the content of its file


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_from_its_content_is_that_from_its_file(tmp_path: Path, mode: str, channels: int):
    path = noise(tmp_path / "a.png", mode=mode)
    expected = read_file(path, Look(9, grey=channels == 1)).pixels.expand(channels, -1, -1)
    assert torch.equal(read_picture(path.read_bytes(), "upload", (channels, 9, 9)), expected)


@pytest.mark.parametrize(("shape", "rows", "columns"), [((3, 7, 20), (3, 10), (0, 20)), ((3, 14, 7), (0, 14), (6, 13))])
def test_a_picture_is_cut_to_the_centre_of_the_proportions_wanted(
    tmp_path: Path, shape: tuple[int, int, int], rows: tuple[int, int], columns: tuple[int, int]
):
    path = noise(tmp_path / "a.png")
    whole = read_file(path, Look()).pixels
    assert torch.equal(read_picture(path.read_bytes(), "upload", shape), whole[:, slice(*rows), slice(*columns)])


def test_a_picture_of_one_row_fills_any_shape(tmp_path: Path):
    path = save(tmp_path / "a.png", (9, 9, 9), size=(300, 1))
    assert torch.equal(read_picture(path.read_bytes(), "upload", (3, 8, 128)), torch.full((3, 8, 128), 9).byte())
    assert torch.equal(read_picture(path.read_bytes(), "upload", (1, 128, 8)), torch.full((1, 128, 8), 9).byte())


def test_content_that_is_no_picture_is_refused_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    content = noise(tmp_path / "a.png").read_bytes()
    for damaged in (b"", b"no picture", content[:-40]):
        with refused("'upload' cannot be read as a picture"):
            read_picture(damaged, "upload", (1, 8, 8))
    with refused("'upload'", "2 channels"):
        read_picture(content, "upload", (2, 8, 8))
    monkeypatch.setattr(evovae.data.limits, "MAX_PIXELS", 20 * 14 - 1)
    with refused("'upload' unpacks to more than 279 pixels"):
        read_picture(content, "upload", (1, 8, 8))
    monkeypatch.setattr(evovae.data.limits, "MAX_PICTURE_BYTES", 10)
    with refused(f"'upload' holds {len(content)} bytes", "at most 10"):
        read_picture(content, "upload", (1, 8, 8))


def test_pictures_are_read_in_many_threads(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Damaged TIFFs, of which libtiff writes to standard error; afterwards that and the warnings are as they were."""
    path = noise(tmp_path / "a.tif", mode="L")
    with Image.open(path) as picture:
        picture.save(path, compression="tiff_lzw")
    content = path.read_bytes()
    damaged = content[:8] + b"\xff" * 40 + content[48:]
    before, filters = os.fstat(2), list(warnings.filters)

    def read(number: int) -> torch.Tensor | str:
        try:
            return read_picture(damaged if number % 2 else content, "upload", (1, 8, 8))
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read, range(80)))
    assert all(torch.equal(one, found[0]) for one in found[::2])
    assert all("'upload' cannot be read as a picture" in one for one in found[1::2])
    assert os.fstat(2) == before
    assert warnings.filters == filters
    assert capfd.readouterr().err == ""
