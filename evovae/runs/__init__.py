"""One result in one folder: training, evolution, resuming, reading back, figures."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
