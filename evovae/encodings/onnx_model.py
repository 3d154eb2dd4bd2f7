"""Decoders in .onnx files, run by onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evovae.base import InputError, files, shown
from evovae.encodings.exported_model import METADATA, ExportedModel

FATAL = 4
"""The severity from which onnxruntime speaks on standard error; what it raises is told anyway."""

ELSEWHERE = b"\n\x08location"
"""How a tensor in an .onnx file names another file that it is in: the first key of its `external_data`."""


class OnnxDecoder:
    """A decoder that onnxruntime runs, on the CPU, with torch's number of threads. It passes no gradient.

    Args:
        content: of an .onnx file.
    """

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        onnxruntime.set_default_logger_severity(FATAL)
        self._content = content
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = FATAL
        self.session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        self.session.disable_fallback()
        self._run_options = onnxruntime.RunOptions()
        self._run_options.log_severity_level = FATAL

    def __reduce__(self) -> tuple[type[OnnxDecoder], tuple[bytes]]:
        """Let other processes make a session of their own."""
        return OnnxDecoder, (self._content,)

    def __call__(self, codes: Tensor) -> Tensor:
        """Return the phenotypes (B, *shape) of codes (B, *latent_shape)."""
        given = np.ascontiguousarray(codes.detach().numpy())
        name = self.session.get_inputs()[0].name
        (found,) = self.session.run(None, {name: given}, self._run_options)
        return torch.from_numpy(found)


def read_onnx(path: Path) -> ExportedModel:
    """Read a decoder from an .onnx file of opset and operators that onnxruntime knows.

    Raises:
        InputError: if onnxruntime is not installed, or the file is damaged, has its weights in another file, another
            number of inputs or outputs than one, or a fixed batch.
    """
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise InputError(f"{path} needs onnxruntime, which is not installed: pip install 'evovae[onnx]'") from error
    content = files.read_bytes(path)
    if ELSEWHERE in content:  # onnxruntime would look for it in the current folder, and no run would remember it
        raise InputError(f"{path} keeps its weights in another file: expected one; export it with external_data=False")
    try:
        decoder = OnnxDecoder(content)
        codes, phenotypes = decoder.session.get_inputs(), decoder.session.get_outputs()
        metadata = decoder.session.get_modelmeta().custom_metadata_map
    except Exception as error:  # onnxruntime's, of which there are many
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} cannot be read as an .onnx file ({reason}); export it again") from error
    if len(codes) != 1 or len(phenotypes) != 1:
        found = f"{len(codes)} inputs and {len(phenotypes)} outputs"
        raise InputError(f"{path} has {found}: expected codes and phenotypes alone")
    latent_shape = _latent_shape(codes[0], path)
    shape = _shape_of(decoder, latent_shape, path)
    described = files.parse_json(metadata[METADATA].encode(), path) if METADATA in metadata else {}
    return ExportedModel(decoder, latent_shape, shape, described, differentiable=False)


def _latent_shape(codes: Any, path: Path) -> tuple[int, ...]:
    """Return the shape of one code, given what the model says of its input."""
    if codes.type != "tensor(float)":
        raise InputError(f"{path} reads codes of {shown(codes.type)}: expected tensor(float)")
    if not codes.shape or isinstance(codes.shape[0], int):
        fixed = f"its batch fixed to {codes.shape[0]}" if codes.shape else "no batch"
        raise InputError(f"{path} has {fixed}: expected any size; export it with a dynamic first dimension")
    sizes = tuple(codes.shape[1:])
    if not sizes or not all(isinstance(size, int) for size in sizes):
        raise InputError(
            f"{path} reads codes of shape {shown(codes.shape)}: expected sizes, of which only the first varies"
        )
    return sizes


def _shape_of(decoder: OnnxDecoder, latent_shape: tuple[int, ...], path: Path) -> tuple[int, ...]:
    """Return the shape of one phenotype: of two, which are made."""
    try:
        found = decoder(torch.zeros(2, *latent_shape, dtype=torch.float32))
    except Exception as error:  # onnxruntime's, of which there are many
        raise InputError(f"{path} cannot be run ({' '.join(str(error).split())[:300]}): expected any batch") from error
    return tuple(found.shape[1:])
