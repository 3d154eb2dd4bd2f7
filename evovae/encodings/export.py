"""The decoder of a VAE as a file that other programs read: .pt2 of `torch.export`, or .onnx."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evovae.base import InputError, files
from evovae.encodings.exported_model import METADATA, describe
from evovae.models import VAE


def export_decoder(vae: VAE, path: str | Path, *, overwrite: bool = False) -> None:
    """Write the decoder of `vae` to a file, atomically: codes (B, D) from N(0, I) -> data (B, *data_shape) in [0, 1].

    B may vary. The encoder is left out; the normal distribution fitted to a plain autoencoder's codes is part of it.
    Nothing in a .pt2 is pickled. `torch.export.load` reads it, `load_generator` either file.

    Args:
        vae: what is written, as it is on the CPU.
        path: ends with .pt2, or with .onnx, for which `evovae[onnx]` is installed.
        overwrite: replace a file that is there.

    Raises:
        InputError: if the path has another ending, cannot be written to or is taken, what the format needs is not
            installed, or the VAE's data are not in [0, 1].
    """
    path = Path(path)
    write = _require_path(path, overwrite)
    if vae.config.output != "sigmoid":
        raise InputError(f"the VAE's output is {vae.config.output}: expected sigmoid, data in [0, 1], to export")
    with _quiet():
        files.write_bytes(path, write(_program(vae), describe((0.0, 1.0))))


def _require_path(path: Path, overwrite: bool) -> Any:
    """Return what writes a file of this ending, and refuse one that must not be written."""
    if path.suffix not in WRITERS:
        raise InputError(f"{path} ends with {path.suffix!r}: expected a file .pt2 or .onnx")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written: {path.parent} is no writable folder; choose another")
    if path.is_dir():
        raise InputError(f"{path} is a folder: expected a file to write; choose another")
    if path.exists() and not overwrite:
        raise InputError(f"{path} is there already: choose another, or give --overwrite to replace it")
    return WRITERS[path.suffix]


class _Decoder(nn.Module):
    """The part of a VAE that is exported."""

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.vae = copy.deepcopy(vae).cpu().eval().requires_grad_(False)
        del self.vae.encoder, self.vae.data_mean

    def forward(self, codes: Tensor) -> Tensor:
        return self.vae.decode(self.vae.codes_from_noise(codes))


def _program(vae: VAE) -> torch.export.ExportedProgram:
    codes = torch.zeros(2, vae.config.latent_dim, dtype=torch.float32)
    program = torch.export.export(_Decoder(vae), (codes,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    for node in program.graph.nodes:
        for name in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node"):
            node.meta.pop(name, None)  # paths of this machine
    return program


def _pt2(program: torch.export.ExportedProgram, metadata: str) -> bytes:
    program._example_inputs = None  # torch would pickle them
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={f"{METADATA}.json": metadata})
    return content.getvalue()


def _onnx(program: torch.export.ExportedProgram, metadata: str) -> bytes:
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            "an .onnx file needs onnxscript, which is not installed: pip install 'evovae[onnx]'"
        ) from error
    exported = torch.onnx.export(program, (), dynamo=True, external_data=False, verbose=False)
    assert exported is not None
    model = exported.model_proto
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA, value=metadata)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


WRITERS = {".pt2": _pt2, ".onnx": _onnx}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's exporters from warning of their own insides."""
    loggers = [logging.getLogger(name) for name in ("torch.export", "torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
