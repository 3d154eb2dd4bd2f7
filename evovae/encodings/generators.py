"""Decoders that are named on a command line: somebody's code, or a file that they exported."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from evovae.base import InputError, failure, load_named, make_generator, resolve_device, shown, source_of
from evovae.encodings.decoder import BATCH_SIZE, TOLERANCE, DecoderEncoding
from evovae.encodings.encoding import Encoding
from evovae.encodings.exported_model import ExportedModel
from evovae.encodings.onnx_model import read_onnx
from evovae.encodings.priors import StandardNormal
from evovae.encodings.pt2_archive import read_pt2
from evovae.encodings.supports import Support

READERS = {".pt2": read_pt2, ".onnx": read_onnx}


def load_generator(
    spec: str,
    *,
    device: torch.device | str = "auto",
    range: tuple[float, float] | None = None,
    support: Support = "ball",
) -> Encoding:
    """Return the encoding that `spec` names.

    Args:
        spec: one of

            `file.py:factory` or `module:factory`: code that is run; `factory()` returns a `DecoderEncoding`, or an
            `Encoding` of your own.

            `file.pt2`: what `torch.export.save` wrote of a module in evaluation mode, with one input, codes (B, D) or
            (B, ...), and one output, phenotypes (B, ...), where B varies. Nothing in it is unpickled or run but torch's
            own operators; gradients pass.

            `file.onnx`: the same for onnxruntime, which is installed with `evovae[onnx]`. It runs on the CPU, and no
            gradients pass.
        device: where genomes live and a .pt2 is run; a factory chooses for itself.
        range: what a file's decoder gives for black and for white; 0 to 1 when left out, and for evovae's own exports
            what they say.
        support: where genomes of a file may lie (`StandardNormal`): its codes are drawn from N(0, I).

    Raises:
        InputError: if there is no such thing, it is damaged or of another form, or its phenotypes are not finite
            numbers of this range.
    """
    if (read := READERS.get(Path(spec).suffix)) is None:
        return _from_factory(spec, range)
    model = read(Path(spec))
    try:
        return _encoding(model, device, range, support)
    except InputError as error:
        raise InputError(f"{spec} cannot be used: {error}") from error


def _encoding(
    model: ExportedModel, device: torch.device | str, range: tuple[float, float] | None, support: Support
) -> Encoding:
    if range is not None and model.range not in (None, range):
        raise InputError(f"range is {range}, but the file says {model.range} itself: leave range out")
    dim = torch.Size(model.latent_shape).numel()
    range_given = range is not None or model.range is not None
    try:
        encoding = DecoderEncoding(
            model.decode,
            dim,
            model.shape,
            prior=StandardNormal(dim, support),
            range=range or model.range or (0.0, 1.0),
            latent_shape=model.latent_shape,
            batch_size=min(BATCH_SIZE, model.most or BATCH_SIZE),
            device=resolve_device(device if model.differentiable else "cpu"),
        )
        _require_alone(encoding)
    except InputError as error:
        hint = "" if range_given or "expected range" not in str(error) else "; give its range, such as --range -1 1"
        raise InputError(f"{error}{hint}") from error
    except Exception as error:  # torch's or onnxruntime's, of operators that fail for some codes
        raise InputError(f"it cannot be run: {' '.join(str(error).split())[:300]}") from error
    encoding.differentiable = model.differentiable
    return encoding


@torch.no_grad()
def _require_alone(encoding: Encoding) -> None:
    """Refuse a decoder that makes something else of a code when it stands alone."""
    genomes = encoding.sample(3, make_generator(0))
    together, alone = encoding.decode(genomes), encoding.decode(genomes[:1])
    if not (together[:1] - alone).abs().max() <= TOLERANCE:
        raise InputError("it makes something else of a code alone than among others: export it in evaluation mode")


def _from_factory(spec: str, range: tuple[float, float] | None) -> Encoding:
    if ":" not in spec:
        raise InputError(f"generator is {shown(spec)}: expected FILE.py:NAME, MODULE:NAME, or a .pt2 or .onnx file")
    if range is not None:
        raise InputError(f"range is {range}, but {spec} says it itself, in its DecoderEncoding: leave range out")
    factory = load_named(spec, "generator")
    if not callable(factory):
        raise InputError(f"{spec} is {type(factory).__name__}: expected a function that returns an encoding")
    try:
        encoding = factory()
    except InputError as error:
        raise InputError(f"{spec} cannot be used: {error}") from error
    except Exception as error:
        raise InputError(f"{spec} failed: {failure(error, source_of(spec))}") from error
    if not isinstance(encoding, Encoding):
        expected = "evovae.DecoderEncoding(module, dim, shape)"
        raise InputError(f"{spec} returns {type(encoding).__name__}: expected an encoding, such as {expected}")
    _require_phenotypes(encoding, spec)
    return encoding


@torch.no_grad()
def _require_phenotypes(encoding: Encoding, spec: str) -> None:
    """Refuse an encoding that does not decode two draws from its prior to finite numbers."""
    try:
        found = encoding.decode(encoding.sample(2, make_generator(0)))
    except Exception as error:
        raise InputError(f"{spec} returns an encoding that fails: {failure(error, source_of(spec))}") from error
    if not isinstance(found, Tensor) or not found.is_floating_point() or len(found) != 2 or not found.isfinite().all():
        what = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise InputError(f"{spec} decodes two genomes to {what}: expected two phenotypes of finite floats")
