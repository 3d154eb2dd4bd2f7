"""What is read of a folder of pictures and what is left out: nothing goes unsaid."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from making import noise, save_all
from refusals import refused

from evovae.data import ImageSet, load_images
from evovae.data.survey import natural_key


def fill(folder: Path, count: int, seed: int = 0, ending: str = "png") -> None:
    """Pictures that all differ, also from those of other seeds."""
    for index in range(count):
        noise(folder / f"{index}.{ending}", 1000 * seed + index, size=(8, 8))


def notes(image_set: ImageSet) -> str:
    return "; ".join(image_set.notes)


def pixels(image_set: ImageSet) -> tuple[set[bytes], set[bytes]]:
    """The pictures of train and of test."""
    train, test = ({image.numpy().tobytes() for image in split.images} for split in (image_set.train, image_set.test))
    return train, test


def test_one_line_says_what_was_read_and_what_was_left_out(tmp_path: Path):
    for seed, name in enumerate("abc"):
        fill(tmp_path / name, 10, seed)
    fill(tmp_path / "a" / "deeper" / "still", 2, 7)
    for name in ("a/1.avif", "b/2.AVIF", "c/notes.txt", "c/README"):
        (tmp_path / name).write_text("no picture")
    (tmp_path / "c" / "broken.png").write_text("no picture")
    (tmp_path / "c" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    image_set = load_images(tmp_path, unreadable="skip")
    assert image_set.summary == (
        "27 train and 3 test pictures in 3 classes (a, b, c); left out: 2 .avif, 2 in deeper folders, "
        "1 without an ending, 1 linked to nothing, 1 .txt, 1 unreadable (broken.png); a tenth held out for test"
    )


def test_sets_of_other_kinds_say_what_was_read_too(tmp_path: Path, digits: ImageSet):
    assert digits.summary == "60,000 train and 10,000 test pictures in 10 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"
    fill(tmp_path / "flat", 10)
    assert load_images(tmp_path / "flat").summary.startswith("9 train and 1 test pictures without classes; ")
    fill(tmp_path / "one" / "cats", 10)
    assert load_images(tmp_path / "one").summary.startswith("9 train and 1 test pictures of one class (cats); ")


def test_of_many_classes_the_first_and_the_last_are_named(tmp_path: Path):
    for number in range(30):
        fill(tmp_path / f"kind-{number}", 1, number)
    assert "in 30 classes (kind-0, kind-1, kind-2, kind-3" in load_images(tmp_path).summary
    assert "kind-9, ..., kind-29)" in load_images(tmp_path).summary


def test_classes_are_in_natural_order(tmp_path: Path):
    for name in ("10", "1", "0", "11", "2"):
        save_all(tmp_path / name, [int(name)] * 2, mode="L")
    image_set = load_images(tmp_path)
    assert image_set.classes == ("0", "1", "2", "10", "11")
    named = [int(image_set.classes[label]) for label in image_set.train.labels.tolist()]
    assert image_set.train.images[:, 0, 0, 0].tolist() == named


def test_natural_order_sorts_numbers_wherever_they_are():
    names = ["b", "a10", "a2", "a2b", "10", "9", "a02", ""]
    assert sorted(names, key=natural_key) == ["", "9", "10", "a02", "a2", "a2b", "a10", "b"]


def test_an_empty_folder_is_told_and_shifts_no_name(tmp_path: Path):
    for seed, name in enumerate("124"):
        fill(tmp_path / name, 2, seed)
    (tmp_path / "3").mkdir()
    image_set = load_images(tmp_path)
    assert image_set.classes == ("1", "2", "4")
    assert "no pictures in folder 3" in notes(image_set)


def test_a_folder_that_is_no_utf_8_gives_a_name_that_can_be_shown(tmp_path: Path):
    for seed, name in enumerate((b"caf\xe9", b"a\nb", b"plain", "größe".encode())):
        folder = os.fsencode(tmp_path) + b"/" + name
        fill(Path(os.fsdecode(folder)), 2, seed)
    image_set = load_images(tmp_path)
    assert set(image_set.classes) == {"a\\nb", "caf\\xe9", "größe", "plain"}
    assert image_set.summary.encode()
    assert load_images(tmp_path).classes == image_set.classes  # from what was kept


# Splits


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Train", "TEST"), ("Training", "testing")])
def test_splits_are_known_in_any_case(tmp_path: Path, train: str, test: str):
    for seed, name in enumerate("ab"):
        fill(tmp_path / train / name, 3, seed)
        fill(tmp_path / test / name, 2, seed + 10)
    image_set = load_images(tmp_path)
    assert image_set.summary == "6 train and 4 test pictures in 2 classes (a, b)"


@pytest.mark.parametrize("name", ["val", "Valid", "validation"])
def test_validation_is_taken_for_test_where_there_is_none_and_left_out_otherwise(tmp_path: Path, name: str):
    fill(tmp_path / "train", 5)
    fill(tmp_path / name, 3, 1)
    image_set = load_images(tmp_path)
    assert image_set.summary == f"5 train and 3 test pictures without classes; {name}/ taken for test"
    fill(tmp_path / "test", 2, 2)
    assert load_images(tmp_path).summary == f"5 train and 2 test pictures without classes; left out: 3 in {name}/"


def test_train_alone_is_a_split_of_which_a_tenth_is_held_out(tmp_path: Path):
    for seed, name in enumerate("ab"):
        fill(tmp_path / "train" / name, 10, seed)
    assert load_images(tmp_path).summary.startswith("18 train and 2 test pictures in 2 classes (a, b); a tenth")


def test_classes_may_be_called_as_splits_are(tmp_path: Path):
    for seed, name in enumerate(("bus", "train")):
        fill(tmp_path / name, 3, seed)
    assert load_images(tmp_path).classes == ("bus", "train")


def test_an_empty_or_unlabelled_test_folder_is_told(tmp_path: Path):
    for seed, name in enumerate("ab"):
        fill(tmp_path / "train" / name, 10, seed)
    (tmp_path / "test").mkdir()
    assert len(load_images(tmp_path).test) == 2
    fill(tmp_path / "test", 4, 5)
    image_set = load_images(tmp_path)
    assert (len(image_set.train), len(image_set.test)) == (18, 2)
    assert "left out: 4 without a class in test/" in notes(image_set)


def test_a_class_without_test_pictures_is_told(tmp_path: Path):
    for seed, name in enumerate("ab"):
        fill(tmp_path / "train" / name, 3, seed)
    fill(tmp_path / "test" / "a", 2, 5)
    image_set = load_images(tmp_path)
    assert image_set.classes == ("a", "b")
    assert "in test/ no picture of b" in notes(image_set)


def test_what_lies_beside_splits_is_told(tmp_path: Path):
    fill(tmp_path / "train", 3)
    fill(tmp_path / "test", 3, 1)
    fill(tmp_path / "more" / "deep", 4, 2)
    noise(tmp_path / "cover.png", 99)
    assert "left out: 4 in more/, 1 beside the splits" in notes(load_images(tmp_path))


def test_two_folders_for_one_split_are_refused(tmp_path: Path):
    for seed, name in enumerate(("val", "valid", "train")):
        fill(tmp_path / name, 2, seed)
    with refused(repr(str(tmp_path)), "'val'", "'valid'"):
        load_images(tmp_path)


def test_pictures_in_deeper_folders_alone_are_told_in_the_error(tmp_path: Path):
    fill(tmp_path / "a" / "images", 3)
    (tmp_path / "a" / "x.webm").write_text("")
    with refused(repr(str(tmp_path)), "no images", "3 in deeper folders, 1 .webm"):
        load_images(tmp_path)


# No picture is in both train and test


def test_links_and_copies_are_on_one_side(tmp_path: Path):
    fill(tmp_path / "a", 20)
    for index in range(20):
        (tmp_path / "a" / f"link-{index}.png").symlink_to(tmp_path / "a" / f"{index}.png")
        shutil.copy(tmp_path / "a" / f"{index}.png", tmp_path / "a" / f"copy-{index}.png")
    image_set = load_images(tmp_path)
    train, test = pixels(image_set)
    assert (len(image_set.train), len(image_set.test)) == (54, 6)
    assert not train & test
    assert "copies of others: 40, each on the side of its original" in notes(image_set)


def test_copies_in_another_class_are_on_the_same_side(tmp_path: Path):
    fill(tmp_path / "a", 30)
    fill(tmp_path / "b", 30)
    train, test = pixels(load_images(tmp_path))
    assert len(train) + len(test) == 30


def test_a_test_picture_that_is_in_train_is_left_out(tmp_path: Path):
    fill(tmp_path / "train", 10)
    fill(tmp_path / "test", 3, 1)
    (tmp_path / "test" / "link.png").symlink_to(tmp_path / "train" / "4.png")
    noise(tmp_path / "test" / "same.bmp", 5, size=(8, 8))
    image_set = load_images(tmp_path)
    assert image_set.summary == (
        "10 train and 3 test pictures without classes; left out: 2 of test found in train, too"
    )


def test_where_test_is_train_a_tenth_is_held_out(tmp_path: Path):
    fill(tmp_path / "train", 10)
    (tmp_path / "test").symlink_to(tmp_path / "train")
    image_set = load_images(tmp_path)
    train, test = pixels(image_set)
    assert (len(train), len(test)) == (9, 1)
    assert "left out: 10 of test found in train, too; a tenth held out for test" in notes(image_set)


def test_pictures_that_are_all_the_same_are_split_and_told(tmp_path: Path):
    save_all(tmp_path, [7] * 3)
    image_set = load_images(tmp_path)
    assert (len(image_set.train), len(image_set.test)) == (2, 1)
    assert "1 of these also in train" in notes(image_set)


def test_the_only_picture_of_a_class_is_trained_on(tmp_path: Path):
    fill(tmp_path / "many", 20)
    for number in range(40):
        fill(tmp_path / f"person-{number}", 1, number + 1)
    image_set = load_images(tmp_path)
    assert image_set.test.labels.tolist() == [0, 0]
    assert image_set.train.labels.unique().tolist() == list(range(41))
    assert "classes of one picture, which is in train: 40" in notes(image_set)


def test_classes_of_one_picture_each_load(tmp_path: Path):
    for number in range(20):
        fill(tmp_path / str(number), 1, number)
    image_set = load_images(tmp_path)
    assert (len(image_set.train), len(image_set.test)) == (18, 2)


# Pictures that cannot be read


def test_what_cannot_be_read_stops_or_is_skipped(tmp_path: Path):
    fill(tmp_path / "a", 10)
    fill(tmp_path / "b", 10, 1)
    for name in ("x", "y"):
        (tmp_path / "b" / f"{name}.png").write_text("no picture")
    with refused("x.png", "cannot be read", "--unreadable skip"):
        load_images(tmp_path)
    image_set = load_images(tmp_path, unreadable="skip")
    assert (len(image_set.train), len(image_set.test)) == (18, 2)
    assert "left out: 2 unreadable (x.png, y.png)" in notes(image_set)


def test_a_class_of_unreadable_pictures_is_none(tmp_path: Path):
    fill(tmp_path / "train" / "b", 3)
    fill(tmp_path / "test" / "b", 3, 1)
    fill(tmp_path / "test" / "a", 3, 2)
    (tmp_path / "train" / "a").mkdir()
    (tmp_path / "train" / "a" / "x.png").write_text("no picture")
    image_set = load_images(tmp_path, unreadable="skip")
    assert image_set.summary.startswith("3 train and 3 test pictures of one class (b); left out: ")
    assert image_set.test.labels.tolist() == [0, 0, 0]


def test_nothing_but_unreadable_pictures_is_refused(tmp_path: Path):
    (tmp_path / "x.png").write_text("no picture")
    with refused("none of 1 pictures", "x.png"):
        load_images(tmp_path, unreadable="skip")


def test_progress_is_told_after_each_picture(tmp_path: Path):
    fill(tmp_path, 5)
    told: list[tuple[int, int]] = []
    load_images(tmp_path, report=lambda done, total: told.append((done, total)))
    assert told == [(done, 5) for done in range(1, 6)]


def test_labels_are_those_of_the_folders_whatever_is_left_out(tmp_path: Path):
    shades = {"1": 10, "2": 20, "10": 100}
    for name, shade in shades.items():
        save_all(tmp_path / "train" / name, [shade, shade + 1], mode="L")
        save_all(tmp_path / "test" / name, [shade + 2], mode="L")
    (tmp_path / "train" / "2" / "0.png").write_text("no picture")
    image_set = load_images(tmp_path, unreadable="skip")
    for split in (image_set.train, image_set.test):
        named = np.array([shades[image_set.classes[label]] for label in split.labels.tolist()])
        assert (abs(split.images[:, 0, 0, 0].numpy().astype(int) - named) <= 2).all()
