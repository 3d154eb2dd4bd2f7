"""No file harms the program: damaged ones load or are refused in one line, and what claims much is given little."""

import gzip
import os
import resource
import signal
import struct
import sys
import time
import warnings
import zlib
from pathlib import Path

import fuzz_files
import numpy as np
import pytest
from fuzz_files import FORMATS, attempt, attempts, guarded
from fuzzing import cases
from refusals import refused

from evovae.base import InputError
from evovae.data import load_images, read_idx
from evovae.data.limits import MAX_BYTES, MAX_PIXELS
from evovae.data.pictures import read_file
from evovae.data.transforms import Look
from evovae.models import VAE
from evovae.runs import Run, read_training

INPUTS = 200


@pytest.mark.parametrize("name", FORMATS)
def test_every_damaged_file_loads_or_is_refused_in_one_line(name: str):
    outcomes = list(attempts(name, range(INPUTS), seed=1))
    assert [(i, outcome.reason) for i, outcome in enumerate(outcomes) if outcome.verdict == "crash"] == []
    verdicts = [outcome.verdict for outcome in outcomes]
    assert min(verdicts.count("loaded"), verdicts.count("refused")) > INPUTS // 20, "the damage says little"


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_fuzzed_is_valid_before_it_is_damaged(name: str, tmp_path: Path):
    for case in FORMATS[name][0](tmp_path):
        assert case.path.read_bytes() == case.content
        case.read()


@pytest.mark.parametrize("name", FORMATS)
def test_an_input_is_the_same_whenever_it_is_made(name: str, tmp_path: Path):
    prepare, damage = FORMATS[name]
    contents = [case.content for case in prepare(tmp_path)]
    for number, content in enumerate(contents):
        first, again = (damage(content, np.random.default_rng(number)) for _ in range(2))
        assert first == again
    assert any(damage(contents[0], np.random.default_rng(number)) != contents[0] for number in range(5))


# A reader that breaks is seen


def raises_a_key_error(path: Path) -> None:
    raise KeyError(path)


def refuses_in_two_lines(path: Path) -> None:
    raise InputError(f"{path} is bad:\nvery bad")


def warns(path: Path) -> None:
    warnings.warn(f"{path} is odd", stacklevel=1)


def prints(path: Path) -> None:
    print(path)


def prints_in_c(path: Path) -> None:
    os.write(2, b"libtiff: cannot handle zero tag")


def hangs(path: Path) -> None:
    time.sleep(60)


def hangs_and_takes_the_alarm_for_damage(path: Path) -> None:
    try:
        time.sleep(60)
    except Exception as error:
        raise InputError(f"{path} is damaged") from error


def takes_memory(path: Path) -> None:
    bytearray(2 << 30)


def takes_memory_and_refuses_then(path: Path) -> None:
    try:
        bytearray(2 << 30)
    except MemoryError:
        raise InputError(f"{path} does not fit into memory") from None


BROKEN = {
    raises_a_key_error: "KeyError",
    refuses_in_two_lines: "very bad",
    warns: "UserWarning",
    prints: "it printed",
    prints_in_c: "libtiff",
    hangs: "Hang",
    hangs_and_takes_the_alarm_for_damage: "Hang",
    takes_memory: "MemoryError",
    takes_memory_and_refuses_then: "memory",
}


@pytest.mark.parametrize("reader", BROKEN, ids=lambda reader: reader.__name__)
def test_a_reader_that_breaks_is_a_crash(reader, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fuzz_files, "SECONDS", 0.2)
    monkeypatch.setattr(cases, "load_images", reader)
    outcomes = list(attempts("idx", range(2), seed=0))
    assert [outcome.verdict for outcome in outcomes] == ["crash", "crash"]
    assert BROKEN[reader] in outcomes[1].reason


def test_the_guard_leaves_the_process_as_it_was():
    def state() -> tuple[object, ...]:
        streams = [os.fstat(number).st_ino for number in (1, 2)]
        return *streams, sys.stderr, resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGALRM)

    before = state()
    with guarded():
        assert not set(state()) & set(before)
    assert state() == before


# Small files that claim, or unpack to, very much


def idx(shape: tuple[int, ...], values: bytes = b"") -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + values


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int) -> bytes:
    """A picture of one colour, whose pixels are there."""
    packed = zlib.compressobj(1)
    rows = b"".join(packed.compress(bytes(1 + width)) for _ in range(height)) + packed.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gif(width: int, height: int) -> bytes:
    return (
        b"GIF89a"
        + struct.pack("<HH", width, height)
        + b"\0\0\0,"
        + struct.pack("<HHHH", 0, 0, width, height)
        + b"\0\2\0;"
    )


def tensors(header: bytes, length: int | None = None) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header


HUGE = (
    b'{"__metadata__":{"evovae":"vae","format":"1","config":"{}"},'
    b'"a":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}'
)
ZEROS = gzip.compress(bytes(16 << 20), 9, mtime=0)  # 16 MiB in 16 KiB; gzip files can be strung together

BOMBS = {
    "a gzip bomb": ("train-images-idx3-ubyte.gz", gzip.compress(idx((2, 8, 8))) + 300 * ZEROS),
    "a gzip bomb of 8 GiB": ("train-images-idx3-ubyte.gz", gzip.compress(idx((2**26, 8, 16))) + 512 * ZEROS),
    "2^31 images": ("train-images-idx3-ubyte", idx((2**31, 28, 28), b"abc")),
    "images of 2^31 pixels": ("train-images-idx3-ubyte.gz", gzip.compress(idx((1, 2**31, 1), b"abc"))),
    "as many pixels as a picture may have, and one column more": ("a.png", png(8000, MAX_PIXELS // 8000 + 1)),
    "a picture of 65535 x 65535": ("a.gif", gif(65535, 65535)),
    "a picture that claims 2^62 pixels": ("a.png", png(1, 1).replace(bytes([0, 0, 0, 1] * 2), b"\x7f\xff\xff\xff" * 2)),
    "a header of 2^63 bytes": ("vae.safetensors", tensors(b"{}", 2**63)),
    "a header of 4 GiB": ("vae.safetensors", tensors(b"{}" + bytes(1000), 2**32)),
    "a tensor of 2^62 bytes": ("vae.safetensors", tensors(HUGE % (2**60, 2**62))),
    "a tensor of no end": ("vae.safetensors", tensors(HUGE % (2**64, 2**66))),
    "a tensor that overlaps": ("vae.safetensors", tensors(HUGE % (2**40, 4)) + bytes(4)),
    "100,000 brackets": ("config.json", b"[" * 100_000),
    "100,000 objects": ("config.json", b'{"format":' * 100_000),
    "a number of a million digits": ("config.json", b'{"format": ' + b"1" * 1_000_000 + b"}"),
    "JSON of 5 MiB": ("config.json", b'{"format": 1, "kind": "' + b"x" * (5 << 20) + b'"}'),
    "a million columns": ("history.csv", b",".join([b"a"] * 1_000_000) + b"\n" + b",".join([b"1"] * 1_000_000) + b"\n"),
    "a million columns behind a quotation mark": ("history.csv", b'"a\n",' + b",".join([b"a"] * 1_000_000) + b"\n"),
    "a million columns behind an empty line": ("history.csv", b"\n" + b",".join([b"a"] * 1_000_000) + b"\n"),
    "a million lines shorter than the first": ("history.csv", b",".join([b"a"] * 900) + b"\n1" * 1_000_000),
    "a number of 30 MB": ("history.csv", b"epoch,elbo\n1," + b"1" * 30_000_000 + b"\n"),
    "a text of 30 MB": ("history.csv", b"epoch,elbo\n1," + b"x" * 30_000_000 + b"\n"),
    "an open quotation of 30 MB": ("history.csv", b'epoch,elbo\n1,"' + b"x,\n" * 10_000_000),
}  # fmt: skip


READERS = {
    "config.json": Run.open,
    "history.csv": lambda folder: read_training(Run(folder)),
    "vae.safetensors": VAE.load,
    "train-images-idx3-ubyte": load_images,
    "train-images-idx3-ubyte.gz": load_images,
    "a.png": lambda folder: read_file(folder / "a.png", Look(8)),
    "a.gif": lambda folder: read_file(folder / "a.gif", Look(8)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_goes_off(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file, content = BOMBS[name]
    (tmp_path / file).write_bytes(content)
    if "idx" in file:
        (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx((2,), b"ab"))
    monkeypatch.setattr(fuzz_files, "MEMORY", 6 * len(content) + (64 << 20))
    with guarded() as printed:
        outcome = attempt(lambda: READERS[file](tmp_path), printed)
    assert outcome.verdict == "refused", outcome.reason
    assert outcome.seconds < 5


def test_an_image_set_that_is_as_large_as_it_may_be_and_larger_than_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx((MAX_BYTES // 64, 8, 8))) + 30 * ZEROS)
    monkeypatch.setattr(fuzz_files, "MEMORY", 256 << 20)
    with guarded(), refused(str(path), "does not fit into memory"):
        read_idx(path)


def test_no_memory_is_taken_for_a_chunk_that_only_claims_to_be_long(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(png(8, 8).replace(b"\0\0\0\x0cIDAT", b"\x7f\xff\xff\xffIDAT"))
    with guarded() as printed:
        outcome = attempt(lambda: READERS["a.png"](tmp_path), printed)
    assert outcome.verdict != "crash", outcome.reason
