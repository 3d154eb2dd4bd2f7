"""The judges of the images that are explored: there at once where they are kept, or trained while the page is used."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Literal

import torch

from evovae.base import hidden
from evovae.data import ImageSet
from evovae.objectives import Judges, JudgeStore

JuryState = Literal["ready", "training", "none"]


class Jury:
    """Both judges of an image set.

    Args:
        images: the image set; None: there is none, and no judges.
        folders: where judges are looked for and kept, beside the user's cache.
        device: where they are.

    Attributes:
        judges: they, None before they are trained and where there are none.
    """

    def __init__(self, images: ImageSet | None, folders: list[Path], device: torch.device) -> None:
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.judges: Judges | None = None
        if images is None:
            self._reason = "no image set is named for them to learn"
            return
        self._store = JudgeStore(images, folders, device, self._check)
        self._reason = "" if len(images.classes) > 1 else "the images are of one class"
        self.judges = self._store.found()

    @property
    def state(self) -> JuryState:
        """Whether they can be asked, are being trained, or cannot be had."""
        if self.judges is not None:
            return "ready"
        return "none" if self._reason else "training"

    @property
    def word(self) -> str:
        """Their state and reliability, in one line."""
        if self.judges is None:
            return f"There are no judges: {self._reason}." if self._reason else "The judges are being trained."
        judge, held_out = (judge.reliability for judge in self.judges)
        return f"The judge is {judge}; the held-out judge is {held_out}."

    @property
    def doubts(self) -> str:
        """Why the judges' word counts for little; empty where nothing speaks against them."""
        return "" if self.judges is None else self.judges.doubts

    def start(self) -> None:
        """Begin to train them if need be, in a thread to which the page does not wait."""
        if self.state == "training":
            self._thread = threading.Thread(target=self._train, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the training, if any; it continues from there another time."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _train(self) -> None:
        with contextlib.suppress(AttributeError, OSError):  # the page's images come first, where a thread can step back
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        try:
            with hidden():
                self.judges = self._store.both()
        except _Stopped:
            pass
        except Exception as error:
            self._reason = " ".join(str(error).split()) or type(error).__name__

    def _check(self) -> None:
        if self._stopping.is_set():
            raise _Stopped


class _Stopped(Exception):  # noqa: N818 - no error
    """The page is closed."""
