"""What all rooms stand on: errors and checks, files, random streams, devices, signals, progress, tables, state."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
