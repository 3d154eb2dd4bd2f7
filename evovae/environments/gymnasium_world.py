"""Any environment that Gymnasium knows by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from evovae.base import InputError, failure, require_whole
from evovae.environments.environment import Environment, Episodes

if TYPE_CHECKING:
    import gymnasium
    from gymnasium import spaces


class GymnasiumEnvironment(Environment):
    """A world of Gymnasium's registry, such as CartPole-v1, in as many copies as there are episodes.

        world = evovae.environments.GymnasiumEnvironment("CartPole-v1")
        policy = evovae.PolicyEncoding(world.inputs, world.outputs, hidden=())

    A policy sees what there is to observe as a row of numbers, flattened by Gymnasium's own rules. Of discrete actions
    it gives a number each, and the largest is taken. Of continuous ones it gives numbers that are clipped to [-1, 1],
    which stand for the lowest and the highest value; numbers without bounds are taken as they are.

    Copies take their steps one after the other, on the CPU, those alone whose episode goes on; Gymnasium's own vectors
    of environments would begin others, and some take no seed for each.

    Args:
        name: as Gymnasium's registry has it; one that another module registers is "module:name".
        steps: the most that an episode has; Gymnasium's limit where that is lower, or this is left out.
        settings: of the environment, as `gymnasium.make` takes them.

    Raises:
        InputError: if Gymnasium is not installed, or cannot make the environment; if that has no limit of steps, or
            actions of another kind.
    """

    def __init__(self, name: str, steps: int | None = None, **settings: Any) -> None:
        super().__init__(torch.device("cpu"))
        try:
            from gymnasium import spaces
        except ImportError as error:
            needed = f"{name} needs Gymnasium, which is not installed: pip install 'evovae[environments]'"
            raise InputError(needed) from error
        if steps is not None:
            require_whole("steps", steps, 1)
        self._name, self._settings = name, settings
        try:
            world = self._make()
        except Exception as error:
            raise InputError(f"Gymnasium cannot make {name!r}: {failure(error, None)}") from error
        limits = [limit for limit in (steps, world.spec and world.spec.max_episode_steps) if limit]
        actions = world.action_space
        if not limits:
            raise InputError(f"{name} has no limit of steps: expected one, as steps")
        if isinstance(actions, spaces.Discrete):
            self._take: _Choice | _Levels = _Choice(actions)
        elif isinstance(actions, spaces.Box):
            self._take = _Levels(actions)
        else:
            raise InputError(f"{name} has actions of {type(actions).__name__}: expected Discrete or Box")
        self.steps, self.inputs = min(limits), math.prod(world.observation_space.shape or ())
        self.outputs = self._take.outputs
        world.close()

    def reset(self, seeds: Tensor) -> GymnasiumEpisodes:
        """Return new episodes of the shape of `seeds`, int64 (...)."""
        worlds = [self._make() for _ in range(seeds.numel())]
        return GymnasiumEpisodes(worlds, seeds, self._take, self.inputs, self.steps)

    def _make(self) -> gymnasium.Env[Any, Any]:
        import gymnasium

        made = gymnasium.make(self._name, disable_env_checker=True, **self._settings)
        return gymnasium.wrappers.FlattenObservation(made)


class GymnasiumEpisodes(Episodes):
    """Episodes of a `GymnasiumEnvironment`.

    Args:
        worlds: one an episode.
        seeds: int64 (...), which begin them.
        take: what a policy gives (outputs,), as an action.
        inputs: numbers of an observation.
        steps: the most that there are.

    Attributes:
        alive: bool (...), which of them go on.
    """

    def __init__(
        self,
        worlds: list[gymnasium.Env[Any, Any]],
        seeds: Tensor,
        take: Callable[[np.ndarray], Any],
        inputs: int,
        steps: int,
    ) -> None:
        self._worlds, self._shape, self._take, self._left = worlds, seeds.shape, take, steps
        self._seen = np.empty((len(worlds), inputs), np.float32)
        for seen, world, seed in zip(self._seen, worlds, seeds.flatten().tolist(), strict=True):
            seen[:] = world.reset(seed=seed)[0]
        self.alive = torch.ones(self._shape, dtype=torch.bool)

    def observe(self) -> Tensor:
        """Return what there is to see now, of those that are over what was seen last: float32 (..., inputs)."""
        return torch.from_numpy(self._seen.copy()).view(*self._shape, -1)

    def step(self, actions: Tensor) -> Tensor:
        """Act, `actions` (..., outputs), and return the rewards float32 (...), 0 where an episode was over before."""
        given, alive = actions.reshape(len(self._worlds), -1).double().numpy(), self.alive.flatten().clone()
        rewards = torch.zeros(len(alive), dtype=torch.float32)
        self._left -= 1
        for i in alive.nonzero()[:, 0].tolist():
            self._seen[i], reward, terminated, truncated, _ = self._worlds[i].step(self._take(given[i]))
            rewards[i] = float(reward)
            if terminated or truncated or self._left == 0:
                alive[i] = False
                self._worlds[i].close()
        self.alive = alive.view(self._shape)
        return rewards.view(self._shape)


class _Choice:
    """Discrete actions: a number for each, of which the largest is taken."""

    def __init__(self, space: spaces.Discrete[Any]) -> None:
        self.outputs, self._first = int(space.n), int(space.start)

    def __call__(self, given: np.ndarray) -> Any:
        return self._first + int(given.argmax())


class _Levels:
    """Continuous actions: numbers in [-1, 1], from the lowest to the highest; those without bounds as they are."""

    def __init__(self, space: spaces.Box) -> None:
        self._space, self.outputs = space, math.prod(space.shape)
        self._bounded = (np.isfinite(space.low) & np.isfinite(space.high)).ravel()
        low, high = np.float64(space.low).ravel(), np.float64(space.high).ravel()
        self._low, self._high = np.where(self._bounded, low, -1.0), np.where(self._bounded, high, 1.0)

    def __call__(self, given: np.ndarray) -> Any:
        shares = 0.5 + 0.5 * np.where(self._bounded, given.clip(-1.0, 1.0), given)
        levels = (1.0 - shares) * self._low + shares * self._high
        return levels.astype(self._space.dtype).reshape(self._space.shape)
