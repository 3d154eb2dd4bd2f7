"""Realism: how believable an evolved image is to measures that the search never saw.

Reported beside every fitness and never part of it.
"""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from evovae.encodings import Encoding, LatentEncoding
from evovae.judges import Judges

CHUNK = 1000


@torch.no_grad()
def realism(encoding: Encoding, genomes: Tensor, judges: Judges | None) -> pd.DataFrame:
    """Return a row for each of `genomes` (B, D).

    Columns:
        predicted: the class that the judge sees (the judge that a `digit` objective asks); absent without judges.
        held_out: probability, 0 to 1, that the held-out judge gives this class; absent without judges.
        log_prior: log p(z) per gene, in nats: about -1.42 for a draw from N(0, I), lower further out.
        reconstruction_distance: root mean square between the image and its own reconstruction by the VAE, 0 to 1 for
            images; absent for encodings without one.
    """
    return pd.concat([_realism(encoding, chunk, judges) for chunk in genomes.split(CHUNK)], ignore_index=True)


def _realism(encoding: Encoding, genomes: Tensor, judges: Judges | None) -> pd.DataFrame:
    images = encoding.decode(genomes)
    columns = {}
    if judges is not None:
        predicted = judges.judge(images).argmax(1, keepdim=True)
        columns["predicted"] = predicted.squeeze(1)
        columns["held_out"] = judges.held_out(images).softmax(1).gather(1, predicted).squeeze(1)
    columns["log_prior"] = encoding.log_prior(genomes) / encoding.dim
    if isinstance(encoding, LatentEncoding):
        difference = encoding.vae.reconstruct(images) - images
        columns["reconstruction_distance"] = difference.square().flatten(1).mean(1).sqrt()
    return pd.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})
