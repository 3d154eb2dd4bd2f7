"""What a run's genomes look like: decoded by the VAE that it keeps, or kept themselves where another made them.

A run is drawn and watched without the generator that it was made with, which may be code, or be gone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evovae.analysis import plots
from evovae.base import InputError, files
from evovae.data import to_unit
from evovae.encodings import Encoding, LatentEncoding
from evovae.models import VAE, VAE_FILE
from evovae.runs.evolutions.evolution_results import EvolutionResults
from evovae.runs.folders.folder import POPULATION

MAX_BYTES = 32 << 20
"""Most bytes that phenotypes of the best of each moment take in a run folder: of more, fewer moments are kept."""
HALL, FRAMES, MOMENTS = "hall_phenotypes", "frame_phenotypes", "frame_moments"


def to_keep(encoding: Encoding, hall: Tensor, frames: Tensor) -> dict[str, Tensor]:
    """Return the phenotypes to keep of a hall of fame (R, K, D) and of the best of each moment (R, T, D).

    Returns:
        hall_phenotypes: (R, K, ...); images as uint8, else float32; zero where the hall is not full.
        frame_moments: int64 (T'), which of the T moments are kept, the first and the last among them.
        frame_phenotypes: (R, T', ...).
        Nothing for a VAE, which the run folder keeps itself, and of what cannot be drawn.
    """
    if isinstance(encoding, LatentEncoding) or not plots.drawable(_shape_of(encoding, hall)):
        return {}
    best = _decode(encoding, hall)
    moments = max(2, MAX_BYTES // max(1, best[:, 0].nbytes))
    chosen = torch.from_numpy(np.unique(np.linspace(0, frames.shape[1] - 1, min(moments, frames.shape[1])).round()))
    shown = _decode(encoding, frames[:, chosen.long()])
    return {HALL: best, MOMENTS: chosen.long(), FRAMES: shown}


@torch.no_grad()
def _shape_of(encoding: Encoding, genomes: Tensor) -> tuple[int, ...]:
    return tuple(encoding.decode(genomes[0, :1].nan_to_num(0.0)).shape[1:])


@torch.no_grad()
def _decode(encoding: Encoding, genomes: Tensor) -> Tensor:
    """Return what is kept of the phenotypes of genomes (R, T, D): (R, T, ...), on the CPU."""
    finite = genomes.flatten(0, 1).nan_to_num(0.0)
    made = torch.cat([compact(encoding.decode(chunk)).cpu() for chunk in finite.split(256)])
    return made.unflatten(0, genomes.shape[:2])


def compact(phenotypes: Tensor) -> Tensor:
    """Return phenotypes (B, ...) as they are kept: images as uint8, else float32."""
    images = phenotypes.ndim == 4 and phenotypes.shape[1] in (1, 3)
    return phenotypes.mul(255).round().clamp(0, 255).nan_to_num(0.0).byte() if images else phenotypes.float()


class Phenotypes:
    """What the genomes of a run look like.

    Args:
        results: of the run.

    Attributes:
        found: the tensors of its population file.
        there: whether there is anything to see: of phenotypes that cannot be drawn none are kept.
        moments: which of the T moments of that can be seen, ascending.

    Raises:
        InputError: if the VAE or the population of the run cannot be read, or they do not belong together.
    """

    def __init__(self, results: EvolutionResults) -> None:
        self._results, folder = results, results.run.folder
        self._vae = VAE.load(folder) if (folder / VAE_FILE).is_file() else None
        sizes = {} if self._vae is None else {"D": self._vae.config.latent_dim}
        self.found = results.population(**sizes)
        moments = len(self.found["frame_generations"])
        self.there = self._vae is not None or HALL in self.found
        self.moments = self._kept_moments(moments) if self._vae is None and self.there else list(range(moments))

    def best(self, rows: pd.DataFrame) -> tuple[Tensor, Tensor]:
        """Return phenotypes (K, ...) and fitness (K, M) of the evolution's `rows` of the table of the best.

        Raises:
            InputError: if the population holds none in their places.
        """
        genomes, fitness = self._results.members(self.found, rows)
        if self._vae is not None:
            return self._images(genomes), fitness
        kept = self.found[HALL][rows["replicate"].to_list(), rows["rank"].to_list()]
        return as_shown(kept), fitness

    def at(self, moments: Sequence[int], replicates: int) -> Tensor:
        """Return the phenotypes (R, T, ...) of the best of the first `replicates` at some of `moments`."""
        if self._vae is not None:
            genomes = self.found["frame_genomes"][:replicates, list(moments)]  # R T D
            return self._images(genomes.flatten(0, 1)).unflatten(0, genomes.shape[:2])
        places = [self.moments.index(moment) for moment in moments]
        return as_shown(self.found[FRAMES][:replicates, places])

    def _kept_moments(self, moments: int) -> list[int]:
        """Return which of the moments are kept, after a look at what is."""
        path, found = self._results.run.folder / POPULATION, self.found
        files.check_tensors(path, found, {MOMENTS: "int64 T"}, T=len(found.get(MOMENTS, ())))
        chosen: list[int] = found[MOMENTS].tolist()
        places = {HALL: found["hall_genomes"].shape[:2], FRAMES: (len(found["frame_genomes"]), len(chosen))}
        for name, place in places.items():
            shape = found[name].shape if name in found else ()
            if tuple(shape[:2]) != tuple(place) or shape[2:] != found[HALL].shape[2:]:
                raise InputError(
                    f"{path} has {name} of shape {tuple(shape)}: expected {tuple(place)} and a phenotype's"
                )
        if chosen != sorted(set(chosen)) or not chosen or not 0 <= chosen[0] <= chosen[-1] < moments:
            raise InputError(f"{path} has moments that are none of its {moments}: expected a file that evovae wrote")
        return chosen

    @torch.no_grad()
    def _images(self, genomes: Tensor) -> Tensor:
        assert self._vae is not None
        return LatentEncoding(self._vae, "free").decode(genomes)


def as_shown(kept: Tensor) -> Tensor:
    """Return phenotypes that were kept as floats."""
    return to_unit(kept) if kept.dtype == torch.uint8 else kept
