"""Realism: how believable an evolved image is to measures that the search never saw.

Reported beside every fitness and never part of it.
"""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from evovae.encodings import Encoding, LatentEncoding
from evovae.judges import Judges


@torch.no_grad()
def realism(encoding: Encoding, genomes: Tensor, judges: Judges | None) -> pd.DataFrame:
    """Return a row for each of `genomes` (B, D).

    Columns:
        predicted: the class that the judge sees (the judge that a `digit` objective asks); absent without judges.
        held_out: probability, 0 to 1, that the held-out judge gives this class; absent without judges.
        log_prior: log p(z) per gene, in nats: about -1.42 for a draw from N(0, I), lower further out.
        reconstruction_distance: root mean square, 0 to 1, between the image and its own reconstruction by the VAE;
            absent for encodings without one.
    """
    images = encoding.decode(genomes)
    columns = {}
    if judges is not None:
        columns["predicted"] = judges.judge(images).argmax(1)
        probabilities = judges.held_out(images).softmax(1)
        columns["held_out"] = probabilities.gather(1, columns["predicted"].unsqueeze(1)).squeeze(1)
    columns["log_prior"] = encoding.log_prior(genomes) / encoding.dim
    if isinstance(encoding, LatentEncoding):
        distance = (encoding.vae.reconstruct(images) - images).square().flatten(1).mean(1).sqrt()
        columns["reconstruction_distance"] = distance
    return pd.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})
