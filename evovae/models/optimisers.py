"""Adam, with gradients cut where they are out of proportion: one outlier must not throw a training off."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from evovae.models.config import VAEConfig

SCALE, MAX_RATE = 0.36, 1.6e-2


def suggest_rate(model: VAEConfig) -> float:
    """Return the learning rate, at its largest, for a model of V numbers: 0.36 / sqrt(V).

    Half of it for convolutions, plain autoencoders and Gaussian likelihoods, and at most 0.016. What a step of Adam's
    does to a unit's input grows with the number of inputs; the numbers come of trials, and `experiments/defaults.py`
    holds them against other rates.
    """
    steep = model.network == "conv" or not model.variational or model.likelihood == "gaussian"
    scale = SCALE / 2 if steep else SCALE
    return min(MAX_RATE, scale / math.sqrt(math.prod(model.data_shape)))


class StableAdam(torch.optim.Adam):
    """Adam that scales down a tensor's gradient g wherever the mean of g^2 / v exceeds 1.

    v, Adam's running mean of g^2, says how large a gradient is to be expected; a batch with an outlier can exceed it a
    thousandfold, and Adam, which divides by the square root of a v that has hardly moved yet, then takes a step that
    undoes the training. Measured tensor by tensor, the rule needs no threshold that fits one data set and not another
    (Shazeer and Stern 2018, "Adafactor", sec. 6; Wortsman et al. 2023, "Stable and low-precision training", sec. 3.5).
    Here the gradient is cut before Adam sees it, and not the step, so that its moments are spared as well.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Cut the gradients, and take Adam's step."""
        self._cut()
        return super().step(closure)

    @torch.no_grad()
    def _cut(self) -> None:
        for group in self.param_groups:
            decay, floor = group["betas"][1], group["eps"] ** 2
            for parameter in group["params"]:
                learned = self.state.get(parameter)
                if not learned or parameter.grad is None:
                    continue  # nothing to compare with before the first step
                expected = 1.0 - decay ** learned["step"]  # of v, which began at zero
                excess = parameter.grad.square().div_(learned["exp_avg_sq"].clamp_min(floor)).mean().mul_(expected)
                parameter.grad.div_(excess.sqrt_().clamp_min_(1.0))
