"""Encodings: the maps from genomes to phenotypes, each with the prior that its genomes are drawn from."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
