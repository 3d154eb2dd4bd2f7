"""Every figure of the house.

Each function takes data (numpy arrays, pandas frames or torch tensors on the CPU) and an Axes, draws, and returns the
Axes. Without an Axes it makes one on a figure of fitting size, never through pyplot: no display is needed and no figure
stays registered. Images are float in `[0, 1]` or `uint8`, grey (C = 1) or RGB (C = 3).
"""

from evovae.drawing import image_grid, panels, save, style
from evovae.plots.maps import latent_map, latent_scatter
from evovae.plots.models import image_table, manifold, prior_samples, reconstructions, training_curve
from evovae.plots.searches import filmstrip, fitness_curve, hall_of_fame, pareto_front, throughput
from evovae.plots.trends import trade_off, trend

__all__ = [
    "filmstrip",
    "fitness_curve",
    "hall_of_fame",
    "image_grid",
    "image_table",
    "latent_map",
    "latent_scatter",
    "manifold",
    "panels",
    "pareto_front",
    "prior_samples",
    "reconstructions",
    "save",
    "style",
    "throughput",
    "trade_off",
    "training_curve",
    "trend",
]
