"""Illumination recorded: algorithms, archives, files, results, figures."""
