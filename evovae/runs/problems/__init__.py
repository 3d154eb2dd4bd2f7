"""What a run is about: an encoding, an objective and measures, from Python or by name."""
