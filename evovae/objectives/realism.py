"""Realism: how believable an evolved image is to measures that the search never saw.

Reported beside every fitness and never part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import torch
from torch import Tensor

from evovae.base import InputError, make_generator
from evovae.data import ImageSet
from evovae.encodings import Encoding
from evovae.models import VAE, iwae_bound
from evovae.objectives.judges.store import Judges, JudgeStore
from evovae.objectives.references import References
from evovae.objectives.typicality import RealImages

CHUNK = 1000
SAMPLES = 100
"""Importance samples of a log-likelihood."""


@dataclass(frozen=True)
class Realism:
    """What evolved phenotypes are compared with that the search never saw; what is not there is not measured.

    Attributes:
        images: an image set of the phenotypes' shape: its judges, trained when they are not found, and its typicality.
        references: phenotypes (N, ...) to look for the nearest among, such as what the generator was trained on.
        discriminator: phenotypes (B, ...) -> a verdict (B,), or (B, 1): the larger, the more real.
        store: of the judges of `images`; made when left out.
        device: where all is compared; a `Problem` says its encoding's.
    """

    images: ImageSet | None = None
    references: Tensor | None = None
    discriminator: Callable[[Tensor], Tensor] | None = None
    store: JudgeStore | None = None
    device: torch.device | str = "cpu"

    @cached_property
    def judges(self) -> JudgeStore | None:
        """Where the judges are found; None without images."""
        if self.store is not None or self.images is None:
            return self.store
        return JudgeStore(self.images, [], torch.device(self.device))

    @cached_property
    def real(self) -> RealImages | None:
        """The images, to tell how typical others are of them."""
        return None if self.images is None else RealImages(self.images, self.device)

    @cached_property
    def known(self) -> References | None:
        """The references."""
        return None if self.references is None else References(self.references.to(self.device))

    def missing(self, shape: tuple[int, ...], judged: bool = True) -> dict[str, str]:
        """Return why measures of phenotypes of this `shape` are not there, by name; `judged`: judges are wanted.

        Raises:
            InputError: if something is there that does not fit the phenotypes.
        """
        for what, found in (("images", self.images), ("references", self.known)):
            if found is not None and found.shape != shape:
                raise InputError(f"the {what} have shape {found.shape}: expected {shape}, that of the phenotypes")
        reasons = {}
        if self.images is None:
            reasons = dict.fromkeys(("held_out", "typicality"), "there is no image set to compare with")
        elif not judged:
            reasons["held_out"] = "judges are off"
        elif len(self.images.classes) < 2:
            reasons["held_out"] = "the images are of one class"
        if self.real is not None and self.real.trouble:
            reasons["typicality"] = self.real.trouble
        if self.known is None:
            reasons["novelty"] = "no references are given"
        if self.discriminator is None:
            reasons["discriminator"] = "none is given"
        return reasons


@torch.no_grad()
def measure_realism(
    encoding: Encoding,
    genomes: Tensor,
    judges: Judges | None,
    real: RealImages | None = None,
    references: References | None = None,
    discriminator: Callable[[Tensor], Tensor] | None = None,
    measures: Callable[[Tensor], dict[str, Tensor]] | None = None,
) -> pd.DataFrame:
    """Return a row for each of `genomes` (B, D).

    Args:
        encoding: how genomes become phenotypes.
        genomes: (B, D).
        judges: of images such as these, or None.
        real: images to compare the phenotypes with, or None.
        references: phenotypes to look for the nearest among, or None.
        discriminator: phenotypes -> a verdict (B,), or None.
        measures: phenotypes -> further columns (B,), by name, or None.

    Columns:
        predicted: the class that the judge sees (the judge that a `digit` objective asks); absent without judges.
        held_out: probability, 0 to 1, that the held-out judge gives this class; absent without judges. It tells whether
            two classifiers agree, not whether there is anything to see: most take noise for some class.
        log_prior: log p(genome) per gene, in nats: about -1.42 for a draw from N(0, I), lower further out; for an even
            prior the same everywhere inside its bounds (0 for pixels). It belongs to the encoding's own scale.
        pixel_typicality, feature_typicality, typicality: share of the test images, 0 to 1, that are no more typical,
            as `RealImages` has it; absent where that is not known, the second without judges.
        nearest_reference, novelty: as `References` has them; absent without.
        discriminator: its verdict, the larger the more real; absent without.

    Raises:
        InputError: if the discriminator gives anything but a number for each phenotype.
    """

    def measure(chunk: Tensor) -> pd.DataFrame:
        phenotypes = encoding.decode(chunk)
        columns = {}
        if judges is not None:
            predicted = judges.judge(phenotypes).argmax(1, keepdim=True)
            columns["predicted"] = predicted.squeeze(1)
            columns["held_out"] = judges.held_out(phenotypes).softmax(1).gather(1, predicted).squeeze(1)
        columns["log_prior"] = encoding.log_prior(chunk) / encoding.dim
        if real is not None:
            columns |= real.typicality(phenotypes, judges and judges.held_out)
        if references is not None:
            columns |= references.compare(phenotypes)
        if discriminator is not None:
            columns["discriminator"] = _verdict(discriminator, phenotypes)
        if measures is not None:
            columns |= measures(phenotypes)
        return pd.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})

    return pd.concat([measure(chunk) for chunk in genomes.split(CHUNK)], ignore_index=True)


def _verdict(discriminator: Callable[[Tensor], Tensor], phenotypes: Tensor) -> Tensor:
    found = discriminator(phenotypes)
    if not isinstance(found, Tensor) or found.shape not in ((len(phenotypes),), (len(phenotypes), 1)):
        given = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise InputError(f"the discriminator gives {given}: expected ({len(phenotypes)},), a number for each phenotype")
    return found.flatten()


@torch.no_grad()
def assess_images(
    images: Tensor, label: int, judges: Judges, vae: VAE, seed: int = 0, real: RealImages | None = None
) -> pd.DataFrame:
    """Return what those think of `images` (B, C, H, W), meant to show class `label`, who had no part in making them.

    Args:
        images: floats in [0, 1].
        label: the class that they should show.
        judges: of images such as these.
        vae: trained on images such as these, better not the one that decoded them.
        seed: of the importance samples.
        real: images such as these, or None.

    Columns:
        judge, held_out: probability, 0 to 1, that the judge and the held-out judge give the class.
        log_likelihood: importance-weighted bound on log p(image) under the VAE with 100 samples, in nats; of grey
            pixels taken as probabilities, so that it compares images, and is no density.
        distance: root mean square between the image and its reconstruction by the VAE, 0 to 1.
        pixel_typicality, feature_typicality, typicality: as `RealImages` has them; absent without such.
    """
    shape = (SAMPLES, len(images), vae.config.latent_dim)
    noise = torch.randn(shape, generator=make_generator(seed, 5), dtype=torch.float32).to(vae.device)
    columns = {
        "judge": judges.judge(images).softmax(1)[:, label],
        "held_out": judges.held_out(images).softmax(1)[:, label],
        "log_likelihood": iwae_bound(vae, images, noise),
        "distance": (vae.reconstruct(images) - images).square().flatten(1).mean(1).sqrt(),
        **({} if real is None else real.typicality(images, judges.held_out)),
    }
    return pd.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})
