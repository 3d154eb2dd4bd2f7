"""The variational autoencoder and its kin: their networks, their training, and how well they explain images."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
