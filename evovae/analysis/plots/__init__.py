"""Every figure that evovae draws.

Each function takes data (numpy arrays, pandas frames or torch tensors on the CPU) and an Axes, draws, and returns the
Axes. Without an Axes it makes one on a figure of fitting size, never through pyplot: no display is needed and no figure
stays registered. Images are float in [0, 1] or `uint8`, grey (C = 1) or RGB (C = 3); phenotypes that are none are drawn
as curves.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
