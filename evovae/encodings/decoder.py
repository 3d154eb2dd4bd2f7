"""Genomes that somebody else's model decodes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from evovae.base import InputError, make_generator, require_whole, resolve_device, shown
from evovae.encodings.encoding import Encoding
from evovae.encodings.priors import StandardNormal, Uniform

BATCH_SIZE = 256
"""Codes that a decoder is given at once, if not told otherwise."""
TOLERANCE = 1e-3
"""Part of its range by which a decoder may exceed it: what it gives is clipped."""


class DecoderEncoding(Encoding):
    """Genomes that any function decodes: a GAN's generator, a VAE from elsewhere, a synthesiser of sounds.

        generator = Generator()  # z (B, 100, 1, 1) -> images (B, 3, 64, 64) in [-1, 1]
        encoding = DecoderEncoding(generator, 100, (3, 64, 64), latent_shape=(100, 1, 1), range=(-1, 1))

    Args:
        decode: codes (B, D), or (B, *latent_shape), -> phenotypes (B, *shape), each made of its own code alone. A
            module is switched to evaluation, and its weights are frozen.
        dim: number of genes D.
        shape: of a phenotype: (C, H, W) of an image.
        prior: what genomes are drawn from, and where they may lie: N(0, I) within the ball when left out. `Uniform`
            has bounds; with a `FittedNormal` genomes are in the scale of the codes that it was fitted to.
        sigma: a standard deviation for mutation, one number or one a gene; the prior's own when left out.
        encode: phenotypes as `decode` gives them -> codes, or None.
        range: what `decode` gives for black and for white, or the least and the most of any other phenotype; it becomes
            0 to 1, and what exceeds it a little is clipped. None leaves phenotypes as they are.
        latent_shape: of a code, where it is no vector.
        labels: names of the L curves of phenotypes (L, T), for figures.
        batch_size: codes that are decoded at once; fewer, from then on, where a device's memory does not hold so many.
        device: where genomes live; that of a module's weights when left out, else the CPU.

    Attributes:
        decoder: `decode`, as it was given.
        shape: of a phenotype.

    Raises:
        InputError: if what is given does not fit together, or two draws from the prior do not decode to finite numbers
            of this shape and range.
    """

    def __init__(
        self,
        decode: Callable[[Tensor], Tensor],
        dim: int,
        shape: tuple[int, ...],
        *,
        prior: StandardNormal | Uniform | None = None,
        sigma: float | tuple[float, ...] | None = None,
        encode: Callable[[Tensor], Tensor] | None = None,
        range: tuple[float, float] | None = (0.0, 1.0),
        latent_shape: tuple[int, ...] | None = None,
        labels: Sequence[str] = (),
        batch_size: int = BATCH_SIZE,
        device: torch.device | str | None = None,
    ) -> None:
        require_whole("dim", dim, 1)
        require_whole("batch_size", batch_size, 1)
        self.shape, self.latent_shape = _sizes("shape", shape), _sizes("latent_shape", latent_shape or (dim,))
        if math.prod(self.latent_shape) != dim:
            raise InputError(f"latent_shape is {self.latent_shape}: expected {dim} numbers in all, as dim says")
        prior = StandardNormal(dim, "ball") if prior is None else prior
        if prior.dim != dim:
            raise InputError(f"the prior has {prior.dim} genes: expected {dim}, as dim says")
        if range is not None and not (math.isfinite(range[0]) and math.isfinite(range[1]) and range[0] < range[1]):
            raise InputError(f"range is {range}: expected two finite numbers, the least first, or None")
        if labels and (len(self.shape) != 2 or len(labels) != self.shape[0]):
            raise InputError(f"labels are {shown(tuple(labels))}: expected one for each curve of phenotypes (L, T)")
        if not callable(decode):
            raise InputError(f"decode is {type(decode).__name__}: expected a function or a module")
        super().__init__(prior, _device_of(decode, device))
        self.sigma, self.labels = prior.sigma if sigma is None else sigma, tuple(labels)
        self.decoder, self._encode, self._range, self._batch_size = decode, encode, range, batch_size
        self.encodes = encode is not None
        self._require_sound(self.sample(2, make_generator(0)))

    def _decode(self, genomes: Tensor) -> Tensor:
        phenotypes = torch.cat(list(self._in_batches(genomes)))  # a copy, also of one
        if self._range is None:
            return phenotypes
        least, most = self._range
        return ((phenotypes - least) / (most - least)).clamp(0.0, 1.0)

    def encode(self, phenotypes: Tensor) -> Tensor:
        """Return the genomes (B, D) of `phenotypes` (B, *shape), as `decode` gives them, not projected.

        Raises:
            InputError: if there is no encoder.
        """
        if self._encode is None:
            return super().encode(phenotypes)
        if self._range is not None:
            phenotypes = self._range[0] + phenotypes * (self._range[1] - self._range[0])
        return self.prior.genomes(self._encode(phenotypes).flatten(1))

    def _in_batches(self, genomes: Tensor) -> Iterator[Tensor]:
        """Yield phenotypes of as many genomes at once as memory holds: after too many, of half of them."""
        left = genomes
        while True:
            try:
                made = self._made(left[: self._batch_size])
            except torch.OutOfMemoryError:
                if self._batch_size == 1:
                    raise
                self._batch_size = max(1, min(self._batch_size, len(left)) // 2)
                continue
            yield made
            if not len(left := left[len(made) :]):
                return

    def _made(self, genomes: Tensor) -> Tensor:
        """Return what the decoder makes of some genomes, refused if it is of another shape."""
        made = self.decoder(self.prior.codes(genomes).unflatten(1, self.latent_shape))
        expected = (len(genomes), *self.shape)
        if not isinstance(made, Tensor) or not made.is_floating_point() or tuple(made.shape) != expected:
            found = f"{made.dtype} {tuple(made.shape)}" if isinstance(made, Tensor) else type(made).__name__
            raise InputError(f"the decoder gives {found}: expected floats {expected}, a phenotype for each code")
        return made

    @torch.no_grad()
    def _require_sound(self, genomes: Tensor) -> None:
        """Refuse a decoder whose phenotypes are of another shape or range, or no numbers."""
        made = self._made(genomes)
        if made.device != self.device:
            raise InputError(f"the decoder works on {made.device}: expected {self.device}, where genomes live")
        if not made.isfinite().all():
            raise InputError("the decoder gives numbers that are not finite for draws from the prior")
        if self._range is not None:
            least, most = self._range
            margin = TOLERANCE * (most - least)
            low, high = made.min().item(), made.max().item()
            if low < least - margin or high > most + margin:
                raise InputError(f"the decoder gives {low:.4g} to {high:.4g}: expected range {least:g} to {most:g}")


def _sizes(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if not shape:
        raise InputError(f"{name} is {shape}: expected one or more sizes")
    for size in shape:
        require_whole(name, size, 1)
    return tuple(shape)


def _device_of(decode: object, device: torch.device | str | None) -> torch.device:
    """Return where genomes live; a module is made ready there."""
    if not isinstance(decode, nn.Module):
        return resolve_device(device or "cpu")
    decode.eval().requires_grad_(False)
    if device is not None:
        decode.to(resolve_device(device))
    weights = next(iter([*decode.parameters(), *decode.buffers()]), None)
    return resolve_device("cpu") if weights is None else weights.device
