"""Genomes that were kept: their file, JSON or safetensors, and the model that they belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor, nn

from evovae.base import InputError, files, shown
from evovae.encodings import DecoderEncoding, Encoding, LatentEncoding
from evovae.models import VAE

GENOMES_FILE = "genomes.safetensors"
"""Of the genomes that were given to a run, in its folder."""
KIND = "genomes"
MOST_GENOMES = 10_000
"""Most genomes in a file."""


def digest_of(vae: VAE) -> str:
    """Return what tells a VAE from another: a SHA-256 of its configuration and its weights."""
    config = {field.name: (getattr(vae.config, field.name), field.default) for field in fields(vae.config)}
    # Without defaults: a setting that is added one day must not part a VAE from the genomes that were kept of it.
    special = {name: value for name, (value, default) in config.items() if value != default}
    # Without a mean that is none: a VAE older than it is still the same.
    weights = {name: w for name, w in vae.state_dict().items() if name != "data_mean" or w.any()}
    return _digest(json.dumps(special, sort_keys=True), weights)


def owner_of(encoding: Encoding) -> str:
    """Return what tells an encoding from another: a SHA-256 of its model; empty where it has none that is known."""
    if isinstance(encoding, LatentEncoding):
        return digest_of(encoding.vae)
    model = encoding.decoder if isinstance(encoding, DecoderEncoding) else None
    return _digest(type(model).__qualname__, model.state_dict()) if isinstance(model, nn.Module) else ""


def _digest(words: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(words.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def to_json(genomes: Tensor, digest: str) -> bytes:
    """Return a JSON file of `genomes` float32 (K, D), exact to the last bit, of the VAE of this `digest`.

    Raises:
        InputError: if it would be larger than JSON may be that is read.
    """
    content = {"evovae": KIND, "format": files.FORMAT, "vae": digest, "genomes": genomes.tolist()}
    written = (json.dumps(content) + "\n").encode()
    if len(written) > files.MAX_JSON:
        reason = f"take {len(written)} bytes of JSON, and at most {files.MAX_JSON} are read"
        raise InputError(f"{len(genomes)} genomes {reason}: keep them as safetensors")
    return written


def to_safetensors(genomes: Tensor, digest: str) -> bytes:
    """Return a safetensors file of `genomes` float32 (K, D), of the VAE of this `digest`."""
    return files.tensors_to_bytes(KIND, {"genomes": genomes}, {"vae": digest})


def read_genomes(path: str | Path, encoding: Encoding) -> Tensor:
    """Return the genomes float32 (K, D), on the CPU, that a .json or .safetensors file holds.

    Raises:
        InputError: if the file is missing, damaged, or named otherwise; if they are of another encoding or another D,
            not finite, none, or more than `MOST_GENOMES`.
    """
    path, dim = Path(path), encoding.dim
    if path.suffix.lower() == ".json":
        tensors, owner = _read_json(path)
    elif path.suffix.lower() == ".safetensors":
        tensors, config = files.load_tensors(path, KIND, most=files.MAX_JSON + 4 * MOST_GENOMES * dim)
        owner = config.get("vae")
    else:
        raise InputError(f"{path} is no file of genomes: expected one named .json or .safetensors")
    if owner != owner_of(encoding):
        model = "VAE" if isinstance(encoding, LatentEncoding) else "generator"
        raise InputError(f"{path} holds genomes of another {model}, {shown(owner)}: expected the one they were kept of")
    files.check_tensors(path, tensors, {"genomes": "float32 K D"}, D=dim)
    genomes = tensors["genomes"]
    if len(genomes) > MOST_GENOMES:
        raise InputError(f"{path} holds {len(genomes)} genomes: expected at most {MOST_GENOMES}")
    if not genomes.isfinite().all():
        raise InputError(f"{path} holds genomes that are not finite: it is damaged")
    return genomes


def _read_json(path: Path) -> tuple[dict[str, Tensor], object]:
    """Return genomes of any shape, and what the file says whose they are."""
    content = files.read_json(path)
    for name, expected in (("evovae", KIND), ("format", files.FORMAT)):
        if content.get(name) != expected:
            raise InputError(f"{path} has {shown(content.get(name))} under {name}: expected {expected}")
    try:
        return {"genomes": torch.tensor(content.get("genomes"), dtype=torch.float32)}, content.get("vae")
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} holds genomes that are no rows of numbers: {reason}") from error
