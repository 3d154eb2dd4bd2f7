"""Files that are whole or absent: atomic writes, JSON, and safetensors with a configuration in the metadata."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evovae.base.errors import InputError, shown

if TYPE_CHECKING:
    import torch

FORMAT = 1
CHECKSUM, STATE = "sha256", "state"

MAX_BYTES = 4 << 30
"""Most bytes of a file that is read: 4 GiB."""
MAX_JSON = 4 << 20
"""Most bytes of JSON that are read, as a file or as the header of tensors: 4 MiB, which become 100 MiB in memory."""


def write_bytes(path: Path, *contents: bytes | memoryview) -> None:
    """Write `contents` to a temporary name beside `path`, sync it, and rename it: a kill leaves old or new, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            for content in contents:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if error.errno is not None:
            error.filename = str(path)  # the error of a full disk has no name
        raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` as indented JSON, atomically."""
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def read_bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    """Read a whole file, once: what another process does to it meanwhile shows in its content, and does no harm.

    Raises:
        InputError: if it is missing, no regular file, unreadable, or larger than `most` bytes.
    """
    if not os.path.isfile(path):  # a pipe or a device would be waited for, or never end
        raise InputError(f"{path} is not there: expected a file that evovae wrote")
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise _too_large(path, size, most)
            return file.read(size)
    except (OSError, MemoryError) as error:
        raise InputError(f"{path} cannot be read: {_first_line(error)}") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of at most `MAX_JSON` bytes.

    Raises:
        InputError: if the file is missing, unreadable, too large or holds no JSON object.
    """
    return parse_json(read_bytes(path, MAX_JSON), path)


def parse_json(content: bytes, name: str | Path, most: int = MAX_JSON) -> dict[str, Any]:
    """Return the JSON object that the `content` of the file `name` holds, with the checks of `read_json`."""
    if len(content) > most:
        raise _too_large(name, len(content), most)
    try:
        found = json.loads(content.decode())
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{name} cannot be read as JSON: {_first_line(error)}") from error
    if not isinstance(found, dict):
        raise InputError(f"{name} holds no JSON object: expected a file that evovae wrote")
    return found


def save_tensors(path: Path, kind: str, tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    """Write one safetensors file, atomically; `kind` (what the file is) and `config` go into its metadata.

    A checksum goes there, too. The same content gives the same bytes.
    """
    write_bytes(path, *_serialise(kind, tensors, config))


def tensors_to_bytes(kind: str, tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> bytes:
    """Return what `save_tensors` writes."""
    return b"".join(_serialise(kind, tensors, config))


def load_tensors(path: Path, kind: str, most: int = MAX_BYTES) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a file of `most` bytes that `save_tensors` wrote: its tensors, on the CPU, and its configuration.

    The file is read, not mapped: a process that cuts a mapped file short kills those that read it. Takes at most three
    times its size in memory, and what JSON of `MAX_JSON` bytes takes.

    Raises:
        InputError: if the file is missing, truncated, altered, too large, no safetensors, of another kind or format
            version, or without a configuration.
    """
    return parse_tensors(read_bytes(path, most), kind, path)


def save_state(path: str | Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write a state, such as `Generation.state` gives, to a safetensors file, atomically; `load_state` reads it again.

    Raises:
        InputError: if it is no mapping of tensors by name.
    """
    import torch

    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise InputError(f"the state has {name!r} as {type(tensor).__name__}: expected tensors by name")
    save_tensors(Path(path), STATE, dict(state), {})


def load_state(path: str | Path) -> dict[str, torch.Tensor]:
    """Return the state that `save_state` wrote, on the CPU: what takes it up brings it to its own device.

    Raises:
        InputError: if the file is missing, damaged, or no state.
    """
    return load_tensors(Path(path), STATE)[0]


def parse_tensors(content: bytes, kind: str, name: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return what the `content` of the file `name` holds, with the checks of `load_tensors`."""
    metadata = _read_metadata(name, content)
    if metadata.get("evovae") != kind:
        found = shown(metadata.get("evovae"))
        raise InputError(f"{name} is of kind {found}: expected a {kind} file that evovae wrote")
    if metadata.get("format") != str(FORMAT):
        raise InputError(f"{name} has format {shown(metadata.get('format'))}: this evovae reads format {FORMAT}")
    try:
        config = json.loads(metadata.get("config", ""))
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise InputError(f"{name} has a configuration that is no JSON: {_first_line(error)}") from error
    if not isinstance(config, dict):
        raise InputError(f"{name} has a configuration that is no JSON object: expected a file that evovae wrote")
    from safetensors.torch import load  # imports torch, which figures and command lines do without

    try:
        # In memory of their own: torch's kernels, and their last bits, go by where a tensor begins.
        return {key: tensor.clone() for key, tensor in load(content).items()}, config
    except Exception as error:  # whatever the library and torch stumble on in a damaged file
        raise InputError(f"{name} is no complete safetensors file: {_first_line(error)}") from error


def check_tensors(
    path: str | Path, tensors: Mapping[str, torch.Tensor], expected: Mapping[str, str], **sizes: int
) -> None:
    """Refuse `tensors` read from `path` unless they have the types and shapes that are `expected`.

    Args:
        path: named in the message.
        tensors: by name; there may be more than expected.
        expected: by name, the type and a letter for each dimension, such as "float32 R N D", or "float32|float64 N"
            for one of two types. A letter stands for the same size, of 1 or more, wherever it is.
        sizes: of the letters that are known.

    Raises:
        InputError: if a tensor is missing, or of another type or shape.
    """
    for name, described in expected.items():
        kind, *letters = described.split()
        if name not in tensors:
            raise InputError(f"{path} holds no {name}: expected {described}; it is damaged, or of another version")
        shape = tuple(tensors[name].shape)
        fits = str(tensors[name].dtype).removeprefix("torch.") in kind.split("|") and len(shape) == len(letters)
        if not fits or any(
            size < 1 or sizes.setdefault(letter, size) != size for letter, size in zip(letters, shape, strict=True)
        ):
            known = ", ".join(f"{letter} = {sizes[letter]}" for letter in letters if letter in sizes)
            found = f"{tensors[name].dtype} of shape {shape}"
            raise InputError(f"{path} holds {name} as {found}: expected {described}{' with ' if known else ''}{known}")


def load_weights(module: torch.nn.Module, path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Fill `module`, which may be on the meta device, with `tensors` read from `path`; it is on the CPU afterwards.

    Raises:
        InputError: if a tensor is missing, too many, of another type or shape, or holds numbers that are not finite.
    """
    expected = module.state_dict()
    reason = None
    if odd := sorted(expected.keys() ^ tensors.keys()):
        reason = f"{shown(odd[0])} is {'missing' if odd[0] in expected else 'too many'}"
    for name in expected.keys() & tensors.keys():
        (wanted, found) = ((tensor.dtype, tuple(tensor.shape)) for tensor in (expected[name], tensors[name]))
        if wanted != found:
            reason = f"{name} is {found[0]} of shape {found[1]}, expected {wanted[0]} of shape {wanted[1]}"
        elif not tensors[name].isfinite().all():
            reason = f"{name} holds numbers that are not finite"
    if reason:
        raise InputError(f"{path} does not fit its own configuration: {reason}")
    # Not before: a configuration may claim more weights than memory holds.
    module.to_empty(device="cpu").load_state_dict(tensors)


def _read_metadata(name: str | Path, content: bytes) -> dict[str, Any]:
    """Return the metadata in the header of a safetensors file: eight bytes that give its length, and JSON.

    What lies in it and in the tensors must have the checksum that it names; files older than checksums name none.
    """
    length = int.from_bytes(content[:8], "little")
    try:
        if not 0 < length <= min(len(content) - 8, MAX_JSON):
            raise ValueError(f"a header of {length} bytes in a file of {len(content)}")
        header = json.loads(content[8 : 8 + length].decode())
        metadata = dict(header["__metadata__"])
        named = metadata.pop(CHECKSUM, None)
        if named not in (None, _checksum(header | {"__metadata__": metadata}, memoryview(content)[8 + length :])):
            raise ValueError("its content has another checksum than it names")
        return metadata
    except (ValueError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise InputError(f"{name} is no complete safetensors file: {_first_line(error)}") from error


def _serialise(kind: str, tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> tuple[bytes, memoryview]:
    """Return a file of tensors in two parts: to join them takes another copy of the tensors."""
    import torch  # which figures and command lines do without
    from safetensors.torch import save as serialise

    metadata = {"evovae": kind, "format": str(FORMAT), "config": json.dumps(config)}
    # Copies: the library refuses tensors that share memory.
    copies = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    return _signed(serialise(copies, metadata))


def _signed(content: bytes) -> tuple[bytes, memoryview]:
    """Return a safetensors file in two parts, its header in order (the library's varies) and with a checksum."""
    start = 8 + int.from_bytes(content[:8], "little")
    tensors = memoryview(content)[start:]
    header = json.loads(content[8:start])
    header["__metadata__"][CHECKSUM] = _checksum(header, tensors)
    ordered = _in_order(header)
    ordered += b" " * (-len(ordered) % 8)  # tensors begin at a multiple of 8
    return len(ordered).to_bytes(8, "little") + ordered, tensors


def _checksum(header: dict[str, Any], tensors: memoryview) -> str:
    digest = hashlib.sha256(_in_order(header))
    digest.update(tensors)
    return digest.hexdigest()


def _in_order(header: dict[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()


def _too_large(name: str | Path, size: int, most: int) -> InputError:
    return InputError(f"{name} holds {size} bytes: expected at most {most}; is it a file that evovae wrote?")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
