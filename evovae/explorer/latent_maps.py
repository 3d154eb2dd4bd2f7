"""Maps of the test images' codes: PCA at once, and t-SNE, which a process of its own computes and a file keeps."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import math
import threading
from concurrent.futures import BrokenExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from evovae.base import InputError, Worker, files, shown
from evovae.explorer.tsne import tsne

LARGEST = 10_000
"""Images at most that are mapped, the first of the test set."""
LEAST = 5
"""Images at least that t-SNE takes."""
PERPLEXITY, SEED = 30.0, 0
FAR = 1e6
"""A place beyond this is taken for one at this distance, from which all points look equally far."""


MapState = Literal["ready", "computing", "failed"]


class Atlas:
    """Two maps of the same codes. `points` and `genome_at` take the method's name, "pca" or "tsne".

    Args:
        codes: posterior means (N, D) of the test images; the first `LARGEST` are mapped.
        labels: their classes (N,).
        folder: where the t-SNE map is kept and looked for; None, or one that cannot be written: in memory only.
        digest: of what decodes; a map that is kept serves the same digest and the same labels alone.

    Attributes:
        labels: of the images that are mapped (N,).
        reason: why there is no t-SNE map, in one line; empty while there may be one.

    Raises:
        InputError: if the codes are not finite.
    """

    def __init__(self, codes: Tensor, labels: Tensor, folder: Path | None, digest: str) -> None:
        self.labels, self.reason = labels[:LARGEST], ""
        self._codes = codes[:LARGEST].detach().float().cpu()
        if not self._codes.isfinite().all():
            raise InputError("test images are encoded to values that are not finite: expected a trained model")
        self._path = None if folder is None else folder / f"map-{digest[:16]}.safetensors"
        seen = hashlib.sha256(self.labels.long().cpu().numpy().tobytes()).hexdigest()  # codes differ in their last bits
        self._config = {"digest": digest, "labels": seen, "perplexity": PERPLEXITY, "seed": SEED}
        self._maps = {"pca": _scaled(_pca(self._codes))}
        self._worker: Worker | None = None
        self._waiting: threading.Thread | None = None

    @property
    def state(self) -> MapState:
        """Whether the t-SNE map is there, is being computed, or cannot be had."""
        if "tsne" in self._maps:
            return "ready"
        return "failed" if self.reason else "computing"

    def start(self) -> None:
        """Read the t-SNE map that was kept, or begin to compute it; once."""
        if (kept := self._read()) is not None:
            self._maps["tsne"] = kept
        elif len(self._codes) < LEAST or self._codes.shape[1] < 2:
            found = " x ".join(str(size) for size in self._codes.shape)
            self.reason = f"t-SNE needs {LEAST} images or more of 2 latent values or more: there are {found}"
        elif find_spec("openTSNE") is None:
            self.reason = "t-SNE needs openTSNE, which is not installed: pip install openTSNE"
        else:
            self._worker = Worker("evovae map")
            self._waiting = threading.Thread(target=self._wait, args=(self._worker,), daemon=True)
            atexit.register(self.close)  # a thread that wakes while the interpreter ends would abort it
            self._waiting.start()

    def close(self) -> None:
        """End the process that computes, if any."""
        atexit.unregister(self.close)
        if self._worker is not None and self._waiting is not None:
            self._worker.kill()
            if self._waiting.is_alive():  # it may have been interrupted in its start
                self._waiting.join()

    def points(self, method: str) -> Tensor:
        """Return the map: float32 (N, 2), the longer side from 0 to 1, the other from 0 in the same measure.

        Raises:
            InputError: if there is no such map, or not yet.
        """
        if method not in ("pca", "tsne"):
            raise InputError(f"{shown(method)} is no map: expected pca or tsne")
        if method not in self._maps:
            raise InputError(f"there is no t-SNE map: {self.reason or 'it is being computed'}; take pca")
        return self._maps[method]

    def genome_at(self, method: str, x: float, y: float, neighbours: int = 8) -> tuple[Tensor, Tensor]:
        """Return the genome (D,) of a place on a map, and the images (K,) that it comes from, the nearest first.

        It is the mean of the nearest points' codes, weighted by the inverse of their squared distance (Shepard 1968);
        on a point it is that point's code.

        Raises:
            InputError: if there is no such map, or not yet, or a coordinate is not finite.
        """
        points = self.points(method).double()
        if not (math.isfinite(x) and math.isfinite(y)):
            raise InputError(f"({x}, {y}) is no place on the map: expected finite coordinates")
        place = torch.tensor([x, y], dtype=torch.float64).clamp(-FAR, FAR)
        squares = (points - place).square().sum(1)
        nearest = squares.argsort(stable=True)[:neighbours]
        squares = squares[nearest]
        weights = squares[0] / squares if squares[0] > 0 else (squares == 0).double()
        return (weights / weights.sum() @ self._codes[nearest].double()).float(), nearest

    def _wait(self, worker: Worker) -> None:
        """Let the process compute the map, and take it up and keep it."""
        try:
            found = torch.from_numpy(worker.call(tsne, self._codes.numpy(), PERPLEXITY, SEED)).float()
        except BrokenExecutor:
            self.reason = "t-SNE failed: its process was ended"
        except Exception as error:
            self.reason = f"t-SNE failed: {' '.join(str(error).split()) or type(error).__name__}"
        else:
            self._maps["tsne"] = _scaled(found)
            if self._path is not None:
                with contextlib.suppress(OSError):
                    files.save_tensors(self._path, "map", {"points": found}, self._config)
        finally:
            worker.end()

    def _read(self) -> Tensor | None:
        """Return the map that is kept; None if there is none that fits."""
        if self._path is None:
            return None
        try:
            tensors, config = files.load_tensors(self._path, "map")
            files.check_tensors(self._path, tensors, {"points": "float32 N P"}, N=len(self._codes), P=2)
        except InputError:
            return None
        points = tensors["points"]
        return _scaled(points) if config == self._config and points.isfinite().all() else None


def _pca(codes: Tensor) -> Tensor:
    """Return the first two principal scores (N, 2) of codes (N, D), 0 for a second that there is not.

    The largest component of each axis is positive: the map never comes out mirrored.
    """
    centred = codes.double() - codes.double().mean(0)
    axes = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -2:].flip(1)  # ascending
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    scores = centred @ (axes * largest.sign())
    return torch.nn.functional.pad(scores, (0, 2 - scores.shape[1]))


def _scaled(points: Tensor) -> Tensor:
    low, high = points.double().aminmax(dim=0)
    side = (high - low).max()
    return ((points - low) / (side if side > 0 else 1)).float()
