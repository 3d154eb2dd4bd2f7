"""Realism: how believable an evolved image is to measures that the search never saw.

Reported beside every fitness and never part of it.
"""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from evovae.base import make_generator
from evovae.encodings import Encoding
from evovae.models import VAE, iwae_bound
from evovae.objectives.judges.store import Judges
from evovae.objectives.typicality import RealImages

CHUNK = 1000
SAMPLES = 100
"""Importance samples of a log-likelihood."""


@torch.no_grad()
def measure_realism(
    encoding: Encoding, genomes: Tensor, judges: Judges | None, real: RealImages | None = None
) -> pd.DataFrame:
    """Return a row for each of `genomes` (B, D).

    Args:
        encoding: how genomes become phenotypes.
        genomes: (B, D).
        judges: of images such as these, or None.
        real: images to compare the phenotypes with, or None.

    Columns:
        predicted: the class that the judge sees (the judge that a `digit` objective asks); absent without judges.
        held_out: probability, 0 to 1, that the held-out judge gives this class; absent without judges. It tells whether
            two classifiers agree, not whether there is anything to see: most take noise for some class.
        log_prior: log p(genome) per gene, in nats: about -1.42 for a draw from N(0, I), lower further out; for an even
            prior the same everywhere inside its bounds (0 for pixels). It belongs to the encoding's own scale.
        pixel_typicality, feature_typicality, typicality: share of the test images, 0 to 1, that are no more typical,
            as `RealImages` has it; absent where that is not known, the second without judges.
    """
    parts = [_measure(encoding, chunk, judges, real) for chunk in genomes.split(CHUNK)]
    return pd.concat(parts, ignore_index=True)


def _measure(encoding: Encoding, genomes: Tensor, judges: Judges | None, real: RealImages | None) -> pd.DataFrame:
    phenotypes = encoding.decode(genomes)
    columns = {}
    if judges is not None:
        predicted = judges.judge(phenotypes).argmax(1, keepdim=True)
        columns["predicted"] = predicted.squeeze(1)
        columns["held_out"] = judges.held_out(phenotypes).softmax(1).gather(1, predicted).squeeze(1)
    columns["log_prior"] = encoding.log_prior(genomes) / encoding.dim
    if real is not None:
        columns |= real.typicality(phenotypes, judges and judges.held_out)
    return pd.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})


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
