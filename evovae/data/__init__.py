"""Image sets: where they come from, how they are cut down, binarised and corrupted.

The names are resolved lazily, so that the command line can list image sets without importing torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evovae.data.corruptions import corrupt
    from evovae.data.idx import read_idx
    from evovae.data.images import Images, ImageSet
    from evovae.data.load import load_images
    from evovae.data.names import Binarisation, Corruption, known_sets
    from evovae.data.pixels import as_floats, binarise, to_unit
    from evovae.data.stratified import draw_stratified

__all__ = [
    "Binarisation",
    "Corruption",
    "ImageSet",
    "Images",
    "as_floats",
    "binarise",
    "corrupt",
    "draw_stratified",
    "known_sets",
    "load_images",
    "read_idx",
    "to_unit",
]

_MODULES = {
    "Binarisation": "names",
    "Corruption": "names",
    "ImageSet": "images",
    "Images": "images",
    "as_floats": "pixels",
    "binarise": "pixels",
    "corrupt": "corruptions",
    "draw_stratified": "stratified",
    "known_sets": "names",
    "load_images": "load",
    "read_idx": "idx",
    "to_unit": "pixels",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
