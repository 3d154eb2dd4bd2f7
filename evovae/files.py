"""Files that are whole or absent: atomic writes, JSON, and safetensors with a configuration in the metadata."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from evovae.errors import InputError

if TYPE_CHECKING:
    import torch

FORMAT = 1


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to a temporary name beside `path`, sync it, and rename it: a kill leaves old or new, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` as indented JSON, atomically."""
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: if the file is missing, unreadable or holds no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {_first_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object: expected a file that evovae wrote")
    return content


def save_tensors(path: Path, kind: str, tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    """Write one safetensors file, atomically; `kind` (what the file is) and `config` go into its metadata.

    The same content gives the same bytes.
    """
    from safetensors.torch import save as serialise  # imports torch, which figures and command lines do without

    metadata = {"evovae": kind, "format": str(FORMAT), "config": json.dumps(config)}
    content = serialise({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, metadata)
    write_bytes(path, _with_sorted_header(content))


def load_tensors(path: Path, kind: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a file that `save_tensors` wrote: its tensors, on the CPU, and its configuration.

    Raises:
        InputError: if the file is missing, truncated, no safetensors, of another kind or format version, or without a
            configuration.
    """
    if not path.is_file():
        raise InputError(f"{path} is not there: expected a {kind} file (.safetensors) that evovae wrote")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is no complete safetensors file: {_first_line(error)}") from error
    if metadata.get("evovae") != kind:
        raise InputError(f"{path} is of kind {metadata.get('evovae')!r}: expected a {kind} file that evovae wrote")
    if metadata.get("format") != str(FORMAT):
        raise InputError(f"{path} has format {metadata.get('format')!r}: this evovae reads format {FORMAT}")
    try:
        config = json.loads(metadata.get("config", ""))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} has a configuration that is no JSON: {_first_line(error)}") from error
    if not isinstance(config, dict):
        raise InputError(f"{path} has a configuration that is no JSON object: expected a file that evovae wrote")
    return tensors, config


def load_weights(module: torch.nn.Module, path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Fill `module` with `tensors` read from `path`.

    Raises:
        InputError: if a tensor is missing, too many or of another shape.
    """
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split()).partition(": ")[2]
        raise InputError(f"{path} does not fit its own configuration: {reason}") from error


def _with_sorted_header(content: bytes) -> bytes:
    """Return a safetensors file's bytes with its JSON header in order: the library writes metadata in random order."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors begin at a multiple of 8
    return len(header).to_bytes(8, "little") + header + content[start:]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
