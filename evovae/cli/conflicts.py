"""Options that have no effect where another has a certain value: to give them there is a mistake."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from evovae.base import InputError
from evovae.runs import CROSSOVERS, ILLUMINATIONS, SELECTIONS

_ANNEALED = tuple(name for name, method in ILLUMINATIONS.items() if method.anneals)
_CLIMBING = tuple(name for name, method in ILLUMINATIONS.items() if method.climbs)
_VARIED = ("auto", "eaSimple", "eaMuPlusLambda", "eaMuCommaLambda")

# An option, another one, and the values of the other with which the first has an effect.
NEEDS: tuple[tuple[str, str, tuple[object, ...]], ...] = (
    ("epochs", "iterations", (None,)),
    ("channels", "network", ("conv",)),
    ("corruption_level", "corruption", ("gaussian", "masking", "salt-and-pepper")),
    ("beta", "variational", (True,)),
    ("beta_warmup", "variational", (True,)),
    ("beta", "bound", ("elbo",)),
    ("beta_warmup", "bound", ("elbo",)),
    ("bound", "variational", (True,)),
    ("samples", "variational", (True,)),
    ("components", "encoding", ("pca",)),
    ("support", "encoding", ("latent", "pca", "cppn")),
    *((name, "algorithm", _VARIED) for name in ("mate", "cxpb", "mutpb", "indpb", "tournsize")),
    *((name, "algorithm", _ANNEALED) for name in ("learning_rate", "threshold_min")),
    ("step_size", "algorithm", _CLIMBING),
    ("line_sigma", "algorithm", ("mapElitesLine",)),
    ("initial", "algorithm", ("mapElites", "mapElitesLine")),
    *((name, "mate", (mate,)) for mate, operator in CROSSOVERS.items() for name in operator.parameters.values()),
    *((name, "select", ("auto", sel)) for sel, operator in SELECTIONS.items() for name in operator.parameters.values()),
)


def require_effect(*configs: Any) -> None:
    """Raise `InputError` if a setting of these dataclasses, other than its default, has no effect beside the others.

    For what is typed: a script may loop over settings, and a run that was made is read back, whatever it holds.
    """
    values = {field.name: getattr(config, field.name) for config in configs for field in fields(config)}
    defaults = {field.name: field.default for config in configs for field in fields(config)}
    for name, other, effective in NEEDS:
        if {name, other} <= values.keys() and values[name] != defaults[name] and values[other] not in effective:
            cause = f"--no-{other}" if values[other] is False else f"--{other} {values[other]}"
            raise InputError(
                f"{name.replace('_', ' ')} is {values[name]}: it has no effect with {cause}; leave one out"
            )
