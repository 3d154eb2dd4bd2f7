"""Genomes that are the weights of a network that acts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from evovae.base import InputError, require_whole, resolve_device
from evovae.encodings.encoding import Encoding
from evovae.encodings.priors import StandardNormal
from evovae.encodings.supports import Support

Activation = Literal["tanh", "relu", "sigmoid", "linear"]
MODULES: dict[Activation, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "linear": nn.Identity,
}


class PolicyEncoding(Encoding):
    """Genomes are the weights of a fully connected network that acts: what it sees comes in, what it does goes out.

    A phenotype is the genome itself, all weights in a row: of each layer, first to last, a row for each input, the
    row of biases last. A whole population acts in one product a layer (`actor`).

    Args:
        inputs: numbers that it sees.
        outputs: numbers that it gives.
        hidden: units of each hidden layer; none for a linear policy.
        activation: of the hidden layers.
        output: of the last: tanh gives (-1, 1), sigmoid (0, 1), linear any number.
        support: where genomes may lie (`StandardNormal`); anywhere by default, for weights may have to be large.
        device: where genomes live and policies act.

    Weights are drawn from N(0, 1).
    """

    sigma = StandardNormal.sigma

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: tuple[int, ...] = (40,),
        activation: Activation = "tanh",
        output: Activation = "tanh",
        support: Support = "free",
        device: torch.device | str = "cpu",
    ) -> None:
        for name, sizes in (("inputs", (inputs,)), ("outputs", (outputs,)), ("hidden", hidden)):
            for size in sizes:
                require_whole(name, size, 1)
        for name, given in (("activation", activation), ("output", output)):
            if given not in MODULES:
                raise InputError(f"{name} is {given!r}: expected one of {', '.join(get_args(Activation))}")
        self.inputs, self.outputs = inputs, outputs
        self.layers = tuple(pairwise((inputs, *hidden, outputs)))
        self._activations = (*(activation,) * len(hidden), output)
        self._genes = [(fan_in + 1) * fan_out for fan_in, fan_out in self.layers]
        super().__init__(StandardNormal(sum(self._genes), support), resolve_device(device))

    def actor(self, genomes: Tensor) -> Callable[[Tensor], Tensor]:
        """Return what acts for `genomes` (B, D): observations float32 (B, E, inputs) to actions (B, E, outputs).

        Raises:
            InputError: if `genomes` is not (B, D).
        """
        layers = self._weights(self.decode(genomes))
        functions = [MODULES[name]() for name in self._activations]

        def act(observations: Tensor) -> Tensor:
            x = observations
            for (biases, weights), function in zip(layers, functions, strict=True):
                x = function(torch.baddbmm(biases, x, weights))
            return x

        return act

    def network(self, genome: Tensor) -> nn.Sequential:
        """Return the policy of one `genome` (D,) as a module of its own: observations (..., inputs) to actions."""
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        weighted = zip(self.layers, self._weights(self.decode(genome.unsqueeze(0))), self._activations, strict=True)
        for number, ((fan_in, fan_out), (biases, weights), name) in enumerate(weighted):
            linear = nn.utils.skip_init(nn.Linear, fan_in, fan_out, device=genome.device, dtype=genome.dtype)
            linear.load_state_dict({"weight": weights[0].T, "bias": biases[0, 0]})
            modules[f"layer_{number}"], modules[f"{name}_{number}"] = linear, MODULES[name]()
        return nn.Sequential(modules)

    def _weights(self, genomes: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return biases (B, 1, outputs) and weights (B, inputs, outputs) of every layer."""
        parts = zip(self.layers, genomes.split(self._genes, dim=1), strict=True)
        tables = [genes.unflatten(1, (fan_in + 1, fan_out)) for (fan_in, fan_out), genes in parts]
        return [(table[:, -1:], table[:, :-1]) for table in tables]

    def _decode(self, genomes: Tensor) -> Tensor:
        return genomes.clone()
