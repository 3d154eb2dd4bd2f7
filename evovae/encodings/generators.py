"""TEMPORARY."""


def load_generator(spec, **k):
    from evovae.base import load_named

    return load_named(spec, "generator")()
