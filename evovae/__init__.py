"""evovae: evolve images in the latent space of a variational autoencoder.

The public names below are imported when first used: `import evovae` itself costs next to nothing. Imported before
torch, it says how torch's threads wait for one another.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evovae.config import TrainConfig, VAEConfig
    from evovae.data import load_images
    from evovae.encodings import CPPNEncoding, LatentEncoding, PCAEncoding, PixelEncoding, VectorEncoding
    from evovae.errors import InputError
    from evovae.files import load_state, save_state
    from evovae.judges import judges_for
    from evovae.likelihood import evaluate
    from evovae.training import fit
    from evovae.vae import VAE

__version__ = "0.1.0"

SPINS = "1000"
"""How often a thread of torch looks for work before it sleeps: about 0.01 ms.

As libgomp comes, it is 3 ms: where another process is busy, threads then spin on a core for what the others wait to do
on it. `experiments/speed_busy.py` measures what a number costs on an idle machine and on a busy one.
"""
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():  # libgomp reads them when torch is imported
    os.environ["GOMP_SPINCOUNT"] = SPINS

__all__ = [
    "VAE",
    "CPPNEncoding",
    "InputError",
    "LatentEncoding",
    "PCAEncoding",
    "PixelEncoding",
    "TrainConfig",
    "VAEConfig",
    "VectorEncoding",
    "evaluate",
    "fit",
    "judges_for",
    "load_images",
    "load_state",
    "save_state",
]

_ROOMS = {
    "VAE": "vae",
    "CPPNEncoding": "encodings",
    "InputError": "errors",
    "LatentEncoding": "encodings",
    "PCAEncoding": "encodings",
    "PixelEncoding": "encodings",
    "TrainConfig": "config",
    "VAEConfig": "config",
    "VectorEncoding": "encodings",
    "evaluate": "likelihood",
    "fit": "training",
    "judges_for": "judges",
    "load_images": "data",
    "load_state": "files",
    "save_state": "files",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
