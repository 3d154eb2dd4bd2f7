"""Generators of others, each as its user would write it down: a factory of the encoding, and objectives."""
