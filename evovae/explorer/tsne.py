"""t-SNE, as a process of its own computes it: without torch, which would take it seconds to import."""

import os

import numpy as np


def tsne(codes: np.ndarray, perplexity: float, seed: int) -> np.ndarray:
    """Return the map (N, 2) of codes (N, D). Nothing is written here: the process may be killed at any moment.

    Args:
        codes: what is mapped.
        perplexity: of many codes; of few it is less.
        seed: of the random numbers.

    Raises:
        ValueError: if there is none.
    """
    if hasattr(os, "nice"):
        os.nice(10)  # the page's images come first
    from openTSNE import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(perplexity, (len(codes) - 1) / 3)  # it weighs three times as many neighbours
    with threadpool_limits(1):
        points = np.asarray(TSNE(perplexity=perplexity, n_jobs=1, random_state=seed).fit(codes))
    if not np.isfinite(points).all():
        raise ValueError("it came to positions that are not finite")
    return points
