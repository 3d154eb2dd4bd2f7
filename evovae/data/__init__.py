"""Image sets: where they come from, how they are cut down, binarised and corrupted."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
