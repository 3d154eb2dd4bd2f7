"""Pictures that an evolution aims at, kept in its run folder: a resumed run uses these, not their files."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from evovae.base import files

TARGETS_FILE, KIND = "targets.safetensors", "targets"


def keep_targets(folder: Path, pictures: dict[str, Tensor]) -> None:
    """Write `pictures` uint8 (C, H, W), by the names that objectives give them, into a run folder; nothing if none."""
    if pictures:
        # Numbered: safetensors keeps a name for itself.
        tensors = {str(number): picture for number, picture in enumerate(pictures.values())}
        files.save_tensors(folder / TARGETS_FILE, KIND, tensors, {"names": list(pictures)})


def kept_targets(folder: Path, shape: tuple[int, ...]) -> dict[str, Tensor]:
    """Return the pictures of `shape` (C, H, W) that a run folder keeps, by name; none if it keeps none.

    Raises:
        InputError: if they cannot be read, or have another shape.
    """
    path = folder / TARGETS_FILE
    if not path.is_file():
        return {}
    tensors, config = files.load_tensors(path, KIND)
    names = config.get("names")
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        names = []
    expected = {str(number): "uint8 C H W" for number in range(max(1, len(names)))}
    files.check_tensors(path, tensors, expected, **dict(zip("CHW", shape, strict=True)))
    return {name: tensors[str(number)] for number, name in enumerate(names)}
