"""Mosaics of an archive's elites: the best of each block of cells, and whether others believe them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from evovae.analysis import plots
from evovae.base import files
from evovae.encodings import Encoding
from evovae.evolution import GridArchive
from evovae.runs import Run, best_in_blocks

import torch
from torch import Tensor

MOSAIC = "mosaic.safetensors"
SHADES = 12
"""Of grey, beside black."""
DOUBTED = (0.9, 0.35, 0.3)
"""Red, green and blue of the light in a picture that is not believed."""


@torch.no_grad()
def save_mosaic(run: Run, archive: GridArchive, encoding: Encoding, most: int, believed: Tensor | None = None) -> None:
    """Write the pictures (1, H, W) of the best elites of at most `most` x `most` blocks of the first replicate's cells.

    Args:
        run: the cell of a study.
        archive: with one elite at least.
        encoding: of its genomes.
        most: blocks along a measure.
        believed: bool (L,), of the first replicate's elites in their order; all where left out.
    """
    known = archive.index[0] >= 0
    index, objective = archive.index[0, known].numpy(), archive.objective[0, known].numpy()
    tiles = best_in_blocks(index, objective, archive.dims, most)
    rows = torch.from_numpy(tiles.rows)
    images = encoding.decode(archive.genomes[0, known][rows])
    if believed is not None:
        colours = torch.tensor(DOUBTED).view(3, 1, 1).where(~believed[rows].view(-1, 1, 1, 1), torch.ones(1))
        images = images * colours
    kept = {
        "images": images,
        "places": torch.from_numpy(tiles.places),
        "blocks": torch.tensor(tiles.blocks),
    }
    files.save_tensors(run.folder / MOSAIC, "mosaic", kept, {})


def draw_mosaic(
    run: Run,
    spans: Sequence[tuple[float, float]],
    names: Sequence[str],
    title: str = "",
    ticks: Sequence[Sequence[str]] = ((), ()),
    ax: Axes | None = None,
) -> Axes:
    """Draw what `save_mosaic` wrote, over two measures of these `names` and `spans`."""
    kept, _ = files.load_tensors(run.folder / MOSAIC, "mosaic")
    across, up = kept["blocks"].tolist()
    places, images = np.asarray(kept["places"]), kept["images"]
    if (images == images[:, :1]).all():
        images = (images[:, :1] * SHADES).round() / SHADES  # noise makes large files
    return plots.elite_map(images, places, (across, up), spans, names, title, ticks, ax)
