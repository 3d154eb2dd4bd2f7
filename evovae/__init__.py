"""evovae: evolve images in the latent space of a variational autoencoder.

`__init__.pyi` lists the public names; each is imported when it is first used: `import evovae` costs next to nothing.
Imported before torch, it says how torch's threads wait for one another.
"""

import os

import lazy_loader

__version__ = "0.1.0"

SPINS = "1000"
"""How often a thread of torch looks for work before it sleeps: about 0.01 ms.

As libgomp comes, it is 3 ms: where another process is busy, threads then spin on a core for what the others wait to do
on it. `experiments/speed_busy.py` measures what a number costs on an idle machine and on a busy one.
"""
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():  # libgomp reads them when torch is imported
    os.environ["GOMP_SPINCOUNT"] = SPINS

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
