"""What pictures are brought to: squares, backgrounds, sRGB, eight bits, and a size that memory can hold."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from making import noise, save, save_all
from PIL import Image, ImageCms
from refusals import refused

import evovae.data.limits
from evovae.data import DataConfig, Images, load_images, read_picture
from evovae.data.config import Colour, Fit, parse_colour
from evovae.data.pictures import bits_of, read_file
from evovae.data.transforms import Look, bring, luma, square


def fields(height: int, width: int, *colours: Colour) -> np.ndarray:
    """Fields of colours side by side."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    for index, columns in enumerate(np.array_split(np.arange(width), len(colours))):
        pixels[:, columns] = colours[index]
    return pixels


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


# Squares


def test_crop_pad_and_stretch(tmp_path: Path):
    for name in "ab":
        Image.fromarray(fields(16, 48, RED, GREEN, BLUE)).save(tmp_path / f"{name}.png")
    crop, pad, stretch = (
        load_images(tmp_path, image_size=24, fit=fit).train.images[0] for fit in ("crop", "pad", "stretch")
    )
    assert crop[:, 12, 12].tolist() == list(GREEN)
    assert crop[0].max() == crop[2].max() == 0
    assert pad[:, :8].unique().tolist() == pad[:, 16:].unique().tolist() == [255]
    assert [pad[:, 12, x].tolist() for x in (3, 12, 20)] == [list(RED), list(GREEN), list(BLUE)]
    for y in (0, 23):
        assert [stretch[:, y, x].tolist() for x in (3, 12, 20)] == [list(RED), list(GREEN), list(BLUE)]


@pytest.mark.parametrize(("name", "colour"), [("black", (0, 0, 0)), ("ff8800", (255, 136, 0)), ("#0f0F0f", (15,) * 3)])
def test_padding_and_transparent_parts_have_the_background(tmp_path: Path, name: str, colour: Colour):
    save_all(tmp_path, [(0, 0, 0, 0), (9, 0, 0, 0)], "RGBA", size=(16, 8))
    images = load_images(tmp_path, image_size=16, fit="pad", background=name).train.images
    assert images.amin((0, 2, 3)).tolist() == images.amax((0, 2, 3)).tolist() == list(colour)


def test_grey_pictures_on_a_colour_become_colour_unless_grey_is_asked_for(tmp_path: Path):
    save_all(tmp_path, [100, 101], "L", size=(16, 8))
    image_set = load_images(tmp_path, image_size=16, fit="pad", background="ff0000")
    assert image_set.shape == (3, 16, 16)
    assert image_set.train.images[0, :, 0, 0].tolist() == [255, 0, 0]
    assert image_set.train.images[0, :, 8, 8].unique().numel() == 1
    grey = load_images(tmp_path, image_size=16, fit="pad", background="ff0000", grey=True)
    assert grey.train.images[0, :, 0, 0].tolist() == [76]
    assert load_images(tmp_path, image_size=16, fit="pad", background="grey").shape == (1, 16, 16)


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(1, 200_000), (200_000, 1), (1, 1), (3, 5)])
def test_pictures_of_any_proportions_become_squares(how: Fit, size: tuple[int, int]):
    images = torch.full((1, 3, *size), 7, dtype=torch.uint8)
    found = square(images, 256, Look(fit=how, background=(7, 7, 7)))
    assert found.shape == (1, 3, 256, 256)
    assert found.unique().tolist() == [7]


def test_grey_of_arrays_is_that_of_pictures() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    found = luma(torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0))
    np.testing.assert_array_equal(found[0, 0], np.asarray(Image.fromarray(pixels).convert("L")))


def test_images_of_any_kind_are_padded():
    images = Images(torch.zeros(2, 1, 8, 16, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    found = bring(images, Look(16, fit="pad"), "these").images
    assert found[:, :, 4:12].max() == 0
    assert found[:, :, :4].min() == found[:, :, 12:].min() == 255


@pytest.mark.parametrize("name", ["", "rot", "#12", "12345g", "ff88001", "white "])
def test_other_colours_are_refused(name: str):
    with refused("background", "white, black, grey", "ff8800"):
        parse_colour(name)
    with refused("background"):
        DataConfig(background=name)


def test_a_fit_without_a_size_is_refused():
    with refused("fit is pad", "--image-size"):
        DataConfig(fit="pad")
    assert DataConfig(fit="pad", image_size=28).fit == "pad"


def test_256_pixels_a_side_are_read(tmp_path: Path):
    for seed in (1, 2):
        noise(tmp_path / f"{seed}.png", seed, size=(256, 256))
    assert load_images(tmp_path).shape == (3, 256, 256)


# Bits


@pytest.mark.parametrize(
    ("peak", "bits"), [(0, 8), (255, 8), (256, 10), (1023, 10), (4095, 12), (4096, 14), (65535, 16)]
)
def test_bits_are_told_by_the_highest_value(peak: int, bits: int):
    assert bits_of(peak) == bits


def deep(path: Path, *values: int) -> None:
    Image.fromarray(np.resize(np.array(values, dtype=np.uint16), (8, 8))).save(path)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_12_bits_in_16_are_scaled_by_what_the_whole_set_holds(tmp_path: Path, ending: str):
    deep(tmp_path / f"a.{ending}", 0, 2048, 4095)
    deep(tmp_path / f"b.{ending}", 160, 16)
    save(tmp_path / "c.png", 77, "L")
    image_set = load_images(tmp_path)
    values = set(image_set.train.images.unique().tolist()) | set(image_set.test.images.unique().tolist())
    assert values == {0, 128, 255, 10, 1, 77}
    assert "2 with 12 bits in 16, scaled to 8" in image_set.notes


def test_an_upload_of_12_bits_is_scaled_by_itself():
    content = io.BytesIO()
    Image.fromarray(np.full((8, 8), 2048, dtype=np.uint16)).save(content, "png")
    assert read_picture(content.getvalue(), "upload", (1, 8, 8)).unique().tolist() == [128]


# Colour profiles


def curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big") + bytes(2)


def with_gamma(content: bytes, gamma: float) -> bytes:
    """A matrix profile in which each of the three tone curves is a power instead."""
    changed, count = bytearray(content), int.from_bytes(content[128:132], "big")
    for number in range(count):
        at = 132 + 12 * number
        if content[at : at + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            start = int.from_bytes(content[at + 4 : at + 8], "big")
            changed[start : start + 16] = curve(gamma)
            changed[at + 8 : at + 12] = (14).to_bytes(4, "big")
    return bytes(changed).replace("sRGB".encode("utf-16-be"), "else".encode("utf-16-be"))


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LINEAR = with_gamma(SRGB, 1.0)


def test_an_embedded_profile_is_turned_to_srgb(tmp_path: Path):
    for name, shade in (("a", 55), ("b", 56)):
        Image.new("RGB", (8, 8), (shade, shade, shade)).save(tmp_path / f"{name}.png", icc_profile=LINEAR)
    image_set = load_images(tmp_path)
    assert image_set.train.images.float().mean() == pytest.approx(128, abs=2)  # of linear 0.216
    assert "2 turned to sRGB from an embedded colour profile" in image_set.notes


def test_a_profile_leaves_transparency_and_grey_as_they_are(tmp_path: Path):
    clear = Image.new("RGBA", (8, 8), (55, 55, 55, 255))
    clear.paste((0, 0, 0, 0), (0, 0, 4, 8))
    clear.save(tmp_path / "a.png", icc_profile=LINEAR)
    pixels = read_file(tmp_path / "a.png", Look()).pixels
    assert pixels[:, :, :4].unique().tolist() == [255]
    assert int(pixels[0, 0, 7]) == pytest.approx(128, abs=2)
    Image.new("L", (8, 8), 55).save(tmp_path / "b.png", icc_profile=LINEAR)
    grey = read_file(tmp_path / "b.png", Look()).pixels
    assert grey.shape == (1, 8, 8)
    assert int(grey[0, 0, 0]) == pytest.approx(128, abs=2)


def test_srgb_itself_changes_nothing_and_is_not_told(tmp_path: Path):
    Image.new("RGB", (8, 8), (55, 66, 77)).save(tmp_path / "a.png", icc_profile=SRGB)
    picture = read_file(tmp_path / "a.png", Look())
    assert picture.pixels[:, 0, 0].tolist() == [55, 66, 77]
    assert picture.remarks == ()


@pytest.mark.parametrize("content", [b"no profile", LINEAR[:300], LINEAR[:40] + b"\xff" * 400])
def test_a_profile_that_is_no_good_is_told_and_the_picture_read_as_it_is(tmp_path: Path, content: bytes):
    Image.new("RGB", (8, 8), (55, 66, 77)).save(tmp_path / "a.jpg", icc_profile=content, quality=100, subsampling=0)
    picture = read_file(tmp_path / "a.jpg", Look())
    assert picture.pixels[:, 0, 0].tolist() == pytest.approx([55, 66, 77], abs=2)
    assert picture.remarks == ("with an embedded colour profile that cannot be used",)


def test_cmyk_is_turned_to_colours(tmp_path: Path):
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.jpg", icc_profile=LINEAR)
    picture = read_file(tmp_path / "a.jpg", Look())
    assert picture.pixels.shape == (3, 8, 8)
    assert picture.remarks == ("with an embedded colour profile that cannot be used",)  # of other colours


# Large pictures


def test_a_large_jpeg_is_reduced_while_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(evovae.data.limits, "MAX_PIXELS", 90 * 60)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for name in "ab":
        Image.fromarray(fields(240, 360, RED, GREEN, BLUE)).save(tmp_path / f"{name}.jpg", quality=95)
    image_set = load_images(tmp_path, image_size=16, fit="stretch")
    assert [image_set.train.images[0, :, 8, x].tolist() for x in (2, 8, 13)] == [
        pytest.approx(colour, abs=4) for colour in (RED, GREEN, BLUE)
    ]
    assert "2 reduced while decoding" in image_set.notes
    with refused("a.jpg", "more than 5400 pixels", "--image-size"):
        load_images(tmp_path)
    monkeypatch.setattr(evovae.data.limits, "MAX_REDUCED_PIXELS", 240 * 360 - 1)
    with refused("a.jpg", "more than 5400 pixels"):
        load_images(tmp_path, image_size=16)


@pytest.mark.parametrize("ending", ["jfif", "jpe", "JPG"])
def test_other_endings_of_jpeg_are_read(tmp_path: Path, ending: str):
    for seed in (1, 2):
        noise(tmp_path / "made.jpg", seed, size=(8, 8)).rename(tmp_path / f"{seed}.{ending}")
    assert load_images(tmp_path).shape == (3, 8, 8)
