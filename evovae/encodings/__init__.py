"""Encodings: the maps from genomes to phenotypes, each with the prior that its genomes are drawn from."""

from evovae.encodings.cppn import CPPNEncoding
from evovae.encodings.encoding import Encoding
from evovae.encodings.latent import LatentEncoding
from evovae.encodings.pca import PCAEncoding
from evovae.encodings.pixel import PixelEncoding
from evovae.encodings.priors import SUPPORTS, StandardNormal, Uniform
from evovae.encodings.vector import VectorEncoding

__all__ = [
    "SUPPORTS",
    "CPPNEncoding",
    "Encoding",
    "LatentEncoding",
    "PCAEncoding",
    "PixelEncoding",
    "StandardNormal",
    "Uniform",
    "VectorEncoding",
]
