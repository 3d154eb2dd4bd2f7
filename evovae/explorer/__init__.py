"""The explorer: a web page on which a person chooses latent values, walks through the map, and breeds images."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
