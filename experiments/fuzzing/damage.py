"""Seeded damage to the formats that evovae reads: to bytes, and to what they stand for."""

import contextlib
import gzip
import io
import json
import math
import zipfile
import zlib
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import onnx

NUMBERS = [0, 1, 2, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]
VALUES: list[Any] = [
    None, True, False, *NUMBERS, -1, -(2**63), 10**30, 10**400, 0.5, -0.0, 1e-320, 1e38, 1e308, -1e308, math.nan,
    math.inf, "", "a\nb", "\x1b[2J\0", "\ud800", "$x$", "[/b]", "é🐣", "~", "../..", "1", "x" * 5000, [], {}, [[]],
    [None], [1.5, "a"], {"a": 1}, [0] * 1000,
]  # fmt: skip
CELLS = [
    "", " ", "nan", "inf", "-inf", "-1", "0", "1", "2", "1.5", "1e38", "1e308", "-1e308", "1e999", "9" * 18, "9" * 40,
    "9" * 5000, "x", "True", "None", '"', '"a\n,b"', "evolution", "random search", "a,b", "\0", "é🐣", "#", "0x10",
]  # fmt: skip


def damage_bytes(content: bytes, random: np.random.Generator) -> bytes:
    """Flip bits; overwrite, insert, repeat or remove a run of bytes; put in a number; cut the rest off."""
    damaged = bytearray(content)
    for _ in range(random.geometric(0.5)):
        size = len(damaged)
        start = int(random.integers(0, 1 + (min(size, 64) if random.random() < 0.5 else size)))
        end = min(size, start + int(random.geometric(0.1)))
        kind = random.integers(8)
        if kind <= 1 and start < size:
            damaged[start] ^= 1 << int(random.integers(8))
        elif kind == 2:
            damaged[start:end] = random.bytes(end - start)
        elif kind == 3:
            damaged[start:start] = damaged[start:end] * int(random.integers(1, 20))
        elif kind == 4:
            del damaged[start:end]
        elif kind == 5 and random.random() < 0.5:
            del damaged[start:]
        else:
            width = int(2 ** random.integers(4))
            order = "big" if random.random() < 0.5 else "little"
            number = (pick(NUMBERS, random) % 256**width).to_bytes(width, order)
            damaged[start : start + width * int(random.integers(2))] = number
    return bytes(damaged)


def damage_gzip(content: bytes, random: np.random.Generator) -> bytes:
    """Damage what is packed, or the pack."""
    if random.random() < 0.5:
        return damage_bytes(content, random)
    return pack(damage_bytes(gzip.decompress(content), random))


def pack(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def damage_archive(content: bytes, random: np.random.Generator) -> bytes:
    """Damage a zip file; or of an array in it the header, or the values."""
    if random.random() < 0.3:
        return damage_bytes(content, random)
    files = unpack_archive(content)
    name = pick(list(files), random)
    kept = pick([0, 128], random)  # as long as the header of a small array is
    files[name] = files[name][:kept] + damage_bytes(files[name][kept:], random)
    if random.random() < 0.1:
        files[pick(["x.npy", "a/b.npy", "train_images"], random)] = files.pop(name)
    return pack_archive(files, compressed=random.random() < 0.5)


def unpack_archive(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack_archive(files: dict[str, bytes], compressed: bool) -> bytes:
    """Return a zip file without the time, which would differ from run to run."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, archive.compression)
    return packed.getvalue()


def damage_export(content: bytes, random: np.random.Generator) -> bytes:
    """Damage an archive of `torch.export`; or what it says in JSON, the bytes of that, a name, or a tensor in it."""
    kind = random.integers(10)
    if kind <= 1:
        return damage_bytes(content, random)
    files = unpack_archive(content)
    name = pick([name for name in files if name.endswith(".json") or kind >= 8], random)
    if kind <= 7:
        name = next(graph for graph in files if graph.endswith("models/model.json")) if kind <= 5 else name
        files[name] = damage_json(files[name], random)
    elif kind == 8:
        files[name] = damage_bytes(files[name], random)
    else:
        files[pick(["a/b", "archive/data/weights/custom_obj_0", "archive/models/b.json"], random)] = files.pop(name)
    return pack_archive(files, compressed=random.random() < 0.02)


def damage_onnx(content: bytes, random: np.random.Generator) -> bytes:
    """Damage the bytes of an .onnx file; or numbers, names, tensors and nodes, so that it can still be parsed."""
    if random.random() < 0.3:
        return damage_bytes(content, random)
    model = onnx.load_from_string(content)
    for _ in range(random.geometric(0.6)):
        holder, field = pick(list(fields(model)), random)
        held = getattr(holder, field)
        if isinstance(held, str | bytes):
            text = held.encode() if isinstance(held, str) else held
            damaged = damage_bytes(text, random) if random.random() < 0.5 else b""
            setattr(holder, field, damaged.decode(errors="ignore") if isinstance(held, str) else damaged)
        elif isinstance(held, int | float):
            other = held + pick([1, -1, held], random) if random.random() < 0.5 else pick([0, 1, 2, -1, 255], random)
            with contextlib.suppress(ValueError):  # out of what the field can hold
                setattr(holder, field, other if random.random() < 0.7 else pick(NUMBERS, random))
        elif hasattr(held, "ListFields"):
            holder.ClearField(field)
        elif len(held):
            place = int(random.integers(len(held)))
            if random.random() < 0.5 or not isinstance(held[place], int | float):
                del held[place]
            else:
                with contextlib.suppress(ValueError, TypeError):
                    held[place] = pick([*NUMBERS, -1], random)
    done: bytes = model.SerializeToString()
    return done


def fields(message: Any) -> Iterator[tuple[Any, str]]:
    """Yield every field of a message that is set, and of those in it: what holds it, and its name."""
    for described, held in message.ListFields():
        yield message, described.name
        for one in held if hasattr(held, "__len__") and not isinstance(held, str | bytes) else [held]:
            if hasattr(one, "ListFields"):
                yield from fields(one)


def damage_picture(content: bytes, random: np.random.Generator) -> bytes:
    """Damage bytes, and make good the checksums of a PNG: with them hardly anything would come further."""
    damaged = damage_bytes(content, random)
    if not damaged.startswith(b"\x89PNG") or random.random() < 0.2:
        return damaged
    whole, at = bytearray(damaged), 8
    while at + 12 <= len(whole):
        end = at + 8 + int.from_bytes(whole[at : at + 4], "big")
        whole[end : end + 4] = zlib.crc32(whole[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(whole)


def damage_tensors(content: bytes, random: np.random.Generator) -> bytes:
    """Damage a safetensors file: anywhere, in its header, in the configuration there, in its numbers, in its length."""
    kind, start = random.integers(6), 8 + int.from_bytes(content[:8], "little")
    header, data = content[8:start], content[start:]
    if kind == 0:
        return damage_bytes(content, random)
    if random.random() < 0.9:  # as a file that is older than checksums, or forged: what lies behind them is read
        described = json.loads(header)
        described["__metadata__"].pop("sha256", None)
        header = json.dumps(described).encode()
    if kind == 1:
        header = damage_bytes(header, random)
    elif kind == 2:
        header = damage_json(header, random)
    elif kind in (3, 4):
        described = json.loads(header)
        config = damage_json(described["__metadata__"]["config"].encode(), random)
        described["__metadata__"]["config"] = config.decode(errors="replace")
        header = json.dumps(described).encode()
    else:
        data = damage_bytes(data, random)
    length = len(header) if random.random() < 0.95 else pick(NUMBERS, random)
    return length.to_bytes(8, "little") + header + data


def damage_json(content: bytes, random: np.random.Generator) -> bytes:
    """Replace, change, add, move or remove values; nest one deeply; sometimes damage the text."""
    values = json.loads(content)
    deep = "[" * pick([10, 900, 100_000], random)
    for _ in range(random.geometric(0.6)):
        places = list(walk(values))
        if not places:
            break
        holder, key = pick(places, random)
        kind, old = random.integers(8), holder[key]
        if kind <= 1 and type(old) in (int, float) and abs(old) < 1e300:
            holder[key] = old + pick([1, -1, 0.5, 100, -old, old], random)
        elif kind == 2:
            other, name = pick(places, random)
            holder[key] = json.loads(json.dumps(other[name]))
        elif kind == 3 and isinstance(holder, dict):
            del holder[key]
        elif kind == 4 and isinstance(holder, dict):
            holder[pick(["", "x", "a\nb", f"{key} ", "__metadata__"], random)] = deepcopy(pick(VALUES, random))
        elif kind == 5 and random.random() < 0.2:
            holder[key] = "DEEP"
        else:
            holder[key] = deepcopy(pick(VALUES, random))
    text = json.dumps(values, indent=2).replace('"DEEP"', deep + deep.replace("[", "]")).encode()
    return damage_bytes(text, random) if random.random() < 0.1 else text


def walk(values: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a JSON value: what holds it, and its key there."""
    keys = values if isinstance(values, dict) else range(len(values)) if isinstance(values, list) else ()
    for key in keys:
        yield values, key
        yield from walk(values[key])


def damage_table(content: bytes, random: np.random.Generator) -> bytes:
    """Replace, change and swap cells; remove, repeat, add and shuffle lines and columns; sometimes damage the text."""
    lines = [line.split(",") for line in content.decode().splitlines()]
    for _ in range(random.geometric(0.5)):
        line, other = pick(lines, random), pick(lines, random)
        column = int(random.integers(len(lines[0])))
        kind = random.integers(9)
        if kind <= 1 and column < len(line):
            line[column] = pick(CELLS, random)
        elif kind == 2 and column < min(len(line), len(other)):
            line[column], other[column] = other[column], line[column]
        elif kind == 3 and column < len(line):
            with contextlib.suppress(ValueError):
                line[column] = f"{float(line[column]) * pick([-1, 0, 2, 1e3, 1e300], random):.9g}"
        elif kind == 4:
            lines = [cells[:column] + cells[column + 1 :] for cells in lines]
        elif kind == 5:
            lines = [[*cells, pick(CELLS, random)] for cells in lines]
        elif kind == 6:
            lines.insert(int(random.integers(1, len(lines) + 1)), list(line))
        elif kind == 7 and len(lines) > 2:
            del lines[int(random.integers(len(lines)))]
        else:
            lines[1:] = [lines[i] for i in 1 + random.permutation(len(lines) - 1)]
    text = "\n".join(",".join(cells) for cells in lines).encode() + b"\n"
    return damage_bytes(text, random) if random.random() < 0.1 else text


def pick(choices: list[Any], random: np.random.Generator) -> Any:
    return choices[int(random.integers(len(choices)))]
