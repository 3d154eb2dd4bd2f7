"""Objectives: what a batch of phenotypes is worth, and the registry that finds them by name ("class:Bag").

An objective takes phenotypes (B, C, H, W) in [0, 1] to fitness (B, M) and knows DEAP's weights: +1 maximises, -1
minimises. Any callable of that form will do; those here carry names and weights along, give fitness in the precision of
the phenotypes (a weighted sum float64), and can be pickled as far as a judge can.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
