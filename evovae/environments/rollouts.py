"""What policies earn in a world, as an objective."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evovae.base import Draws, InputError, counts_are_free, require_whole
from evovae.encodings import PolicyEncoding
from evovae.environments.environment import Environment

SEEDS = 2**31
"""Seeds of episodes that are drawn, from 0."""


@dataclass(frozen=True)
class Rollouts:
    """The objective that `rollouts` makes."""

    world: Environment
    policy: PolicyEncoding
    episodes: int
    names = ("return",)
    weights = (1.0,)
    population = True
    """All of a generation meet the same episodes."""
    random = True
    """Which are others in each generation."""

    def __call__(self, genomes: Tensor, random: Draws | None = None) -> Tensor:
        """Return the mean return float32 (..., 1) of `genomes` (..., D) as the policy decodes them.

        With `random`, streams of R replicates, genomes are (R, N, D) and the N of a replicate meet the episodes that it
        draws; without, all meet those of seeds 0, 1, ...
        """
        replicates = 1 if random is None else len(genomes)
        shape = (replicates, self.episodes)
        seeds = torch.arange(self.episodes).unsqueeze(0) if random is None else random.integers(SEEDS, *shape).cpu()
        individuals = genomes.flatten(0, -2).unflatten(0, (replicates, -1))  # R N D
        everyone = seeds.unsqueeze(1).expand(-1, individuals.shape[1], -1)
        returns = self._play(individuals.flatten(0, 1), everyone.flatten(0, 1))
        return returns.mean(1, keepdim=True).view(*genomes.shape[:-1], 1)

    def scores(self, genomes: Tensor, seeds: Tensor) -> Tensor:
        """Return the return float32 (B, E) of each of `genomes` (B, D) in the episodes of `seeds`, int64 (E,)."""
        return self._play(genomes, seeds.expand(len(genomes), -1))

    @torch.no_grad()
    def _play(self, genomes: Tensor, seeds: Tensor) -> Tensor:
        """Return the returns (B, E) of `genomes` (B, D), each in the episodes of its row of `seeds` (B, E)."""
        act, episodes = self.policy.actor(genomes), self.world.reset(seeds)
        earned = torch.zeros(seeds.shape, dtype=torch.float32, device=genomes.device)
        for _ in range(self.world.steps):
            earned += episodes.step(act(episodes.observe()))
            if counts_are_free(episodes.alive) and not episodes.alive.any():
                break
        return earned


def rollouts(world: Environment, policy: PolicyEncoding, episodes: int = 1) -> Rollouts:
    """Return the objective that is what policies earn in `world`, the mean of some `episodes`; maximised.

        policy = evovae.PolicyEncoding(inputs=5, outputs=1, hidden=(10,))
        world = evovae.environments.CartPoleSwingUp()
        toolbox = evolution.toolbox(policy, evovae.environments.rollouts(world, policy))

    Episodes are new in each generation, and the same for all individuals of a replicate: its own stream draws their
    seeds. So fitness does not last, and parents are evaluated again. Called with genomes (B, D) alone it plays the
    episodes of seeds 0, 1, ..., and gives (B, 1).

    Raises:
        InputError: if the policy does not see, or give, as many numbers as the world has, or lives on another device.
    """
    require_whole("episodes", episodes, 1)
    for name in ("inputs", "outputs"):
        asked, given = getattr(world, name), getattr(policy, name)
        if asked != given:
            raise InputError(f"the policy has {given} {name}: expected {asked}, as {type(world).__name__} has")
    if world.device != policy.device:
        raise InputError(f"the policy lives on {policy.device}: expected {world.device}, where the world is")
    return Rollouts(world, policy, episodes)
