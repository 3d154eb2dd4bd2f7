"""Environments: batched worlds that policies act in; what they earn is the fitness."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
