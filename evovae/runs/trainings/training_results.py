"""What a training leaves in a run folder, read back and checked."""

from __future__ import annotations

import pandas as pd
from torch import Tensor

from evovae.base import InputError, files, format_number
from evovae.models import VAEConfig
from evovae.runs.folders.folder import EXAMPLES, Run
from evovae.runs.searches import HISTORY


def read_training(run: Run) -> pd.DataFrame:
    """Return the history of a training.

    Columns: epoch, iterations (minibatches so far), elbo, reconstruction, kl, and the latter three as test_... if
    measured.

    Raises:
        InputError: if it cannot be read, or has no number in one of these columns.
    """
    path, curves = run.folder / HISTORY, ("elbo", "reconstruction", "kl")
    counts = ("epoch", "iterations")
    table = run.read_table(HISTORY, dict.fromkeys(counts, int) | {"binarisation": str}, (*counts, *curves))
    tested = [f"test_{name}" for name in curves]
    if 0 < len(missing := [name for name in tested if name not in table]) < len(tested):
        raise InputError(f"{path} has no column {missing[0]}: expected {', '.join(tested)}, or none of them")
    numbers = table[[*counts, *curves] + tested * (not missing)]
    if not numbers.notna().any().all():
        raise InputError(f"{path} has a column without numbers: expected what each epoch came to")
    return numbers


def kept_epoch(run: Run) -> pd.Series:
    """Return the row of a training's history whose model is kept: the best on the validation images, or the last.

    Raises:
        InputError: if the history cannot be read, or lacks what is told of an epoch.
    """
    told = ("epoch", "test_elbo", "test_reconstruction", "test_kl", "active_units", "binarisation")
    table = run.read_table(HISTORY, {"epoch": int, "binarisation": str}, told)
    if "validation" in table and table["validation"].notna().any():  # a run made before it was recorded has none
        return table.loc[table["validation"].idxmin()]
    return table.iloc[-1]


def find_faults(run: Run, model: VAEConfig, mean_picture: float) -> list[str]:
    """Return what is wrong with the model of a finished training, in a line each; nothing for one that has learned.

    Args:
        run: the training.
        model: what was trained.
        mean_picture: -ELBO of the test images under a model that gives the mean picture for all.
    """
    kept, faults = kept_epoch(run), []
    if not -kept["test_elbo"] < mean_picture:
        found, blind = format_number(-kept["test_elbo"]), format_number(mean_picture)
        worse = f"test -ELBO {found} nats, where the mean picture for all has {blind}"
        faults.append(f"it has learned nothing ({worse}): train it for longer, or on more images")
    if model.variational and kept["active_units"] == 0:
        faults.append("no latent variable is active: every genome decodes to the same image; try a smaller --beta")
    return faults


def read_examples(run: Run, data_shape: tuple[int, ...]) -> Tensor:
    """Return the test images that a training keeps to show reconstructions of: uint8 (B, *data_shape).

    Raises:
        InputError: if they cannot be read, or have another shape.
    """
    path = run.folder / EXAMPLES
    tensors, _ = files.load_tensors(path, "examples")
    letters = "CHW" if len(data_shape) == 3 else "V"
    files.check_tensors(
        path, tensors, {"images": f"uint8 B {' '.join(letters)}"}, **dict(zip(letters, data_shape, strict=True))
    )
    return tensors["images"]
