"""A cart that swings up a pole and balances it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evovae.base import beside, make_generator, require_whole, resolve_device
from evovae.environments.environment import Environment, Episodes

GRAVITY, CART, POLE, LENGTH, FORCE, STEP, FRICTION = 9.82, 0.5, 0.5, 0.6, 10.0, 0.01, 0.1
"""Metres per second squared; kilograms; metres; newtons; seconds; newtons per metre and second."""
MASS, MOMENT = CART + POLE, POLE * LENGTH
EDGE = 2.4
"""Metres from the middle of the track to its ends."""
START, SPREAD = (0.0, 0.0, math.pi, 0.0), 0.2
"""Means of the first state, the pole hanging, and the standard deviation of each."""
WIDE, HIGH, THIN = 0.5, 0.25, 0.08
"""Metres, in a picture: width and height of the cart, half the thickness of the pole."""


class CartPoleSwingUp(Environment):
    """Cart-pole whose pole hangs at first: to be swung up, and kept up in the middle of the track.

    Physics of Gal, McAllister and Rasmussen 2016 ("Improving PILCO with Bayesian neural network dynamics models"), as
    Ha has them in *estool* and Gaier and Ha 2019 in their study of weight agnostic networks; start, reward and end are
    theirs. The state is the cart's place x (metres) and speed, the pole's angle theta (radians, 0 is up) and its speed,
    integrated by Euler's rule in steps of 0.01 s.

    A policy sees x, its speed, cos theta, sin theta, and theta's speed, and gives one number, a force of 10 N where it
    is 1, clipped to [-1, 1]. A step earns (cos theta + 1) / 2 * cos(pi x / 4.8); the cart leaving the track, |x| > 2.4,
    ends an episode. Hanging still earns nothing; the best possible is a little below 1,000, for swinging up takes time.

    Args:
        steps: the most that an episode has.
        device: where episodes take place.
    """

    inputs, outputs = 5, 1

    def __init__(self, steps: int = 1000, device: torch.device | str = "cpu") -> None:
        require_whole("steps", steps, 1)
        super().__init__(resolve_device(device))
        self.steps = steps

    def reset(self, seeds: Tensor) -> SwingUps:
        """Return new episodes of the shape of `seeds`, int64 (...): states drawn from N((0, 0, pi, 0), 0.2 I)."""
        known, places = seeds.unique(return_inverse=True)
        drawn = torch.stack(
            [torch.randn(4, generator=make_generator(seed), dtype=torch.float32) for seed in known.tolist()]
        )
        states = torch.tensor(START, dtype=torch.float32) + SPREAD * drawn
        return SwingUps(states.to(self.device)[places.to(self.device)], self.steps)


class SwingUps(Episodes):
    """Episodes of `CartPoleSwingUp`.

    Args:
        states: float32 (..., 4): x, its speed, theta and its speed.
        steps: how many there are.

    Attributes:
        alive: bool (...), which of them go on.
    """

    def __init__(self, states: Tensor, steps: int) -> None:
        self.alive = torch.ones(states.shape[:-1], dtype=torch.bool, device=states.device)
        self._left = steps
        self._x, self._speed, self._angle, self._turning = states.unbind(-1)
        self._sine, self._cosine = self._angle.sin(), self._angle.cos()

    @property
    def states(self) -> Tensor:
        """Where each is now: float32 (..., 4), x, its speed, theta and its speed."""
        return torch.stack((self._x, self._speed, self._angle, self._turning), -1)

    def observe(self) -> Tensor:
        """Return x, its speed, cos theta, sin theta and theta's speed: float32 (..., 5)."""
        return torch.stack((self._x, self._speed, self._cosine, self._sine, self._turning), -1)

    def step(self, actions: Tensor) -> Tensor:
        """Push by 10 N times `actions` (..., 1), clipped to [-1, 1], for 0.01 s, and return rewards float32 (...)."""
        sine, cosine, time = self._sine, self._cosine, STEP * self.alive  # what is over stays where it was
        push = FORCE * actions[..., 0].clamp(-1.0, 1.0) - FRICTION * self._speed
        swing = MOMENT * self._turning.square() * sine
        inertia = 4.0 * MASS - 3.0 * POLE * cosine.square()
        gain = (4.0 * push - 2.0 * swing + 3.0 * POLE * GRAVITY * sine * cosine) / inertia
        turn = (6.0 * MASS * GRAVITY * sine + (6.0 * push - 3.0 * swing) * cosine) / (LENGTH * inertia)
        self._x = torch.addcmul(self._x, time, self._speed)
        self._angle = torch.addcmul(self._angle, time, self._turning)
        self._speed = torch.addcmul(self._speed, time, gain)
        self._turning = torch.addcmul(self._turning, time, turn)
        self._sine, self._cosine = self._angle.sin(), self._angle.cos()
        earned = 0.5 * self.alive * (self._cosine + 1.0) * (self._x * (0.5 * math.pi / EDGE)).cos()
        self._left -= 1
        self.alive = self.alive & (self._x.abs() <= EDGE) if self._left > 0 else torch.zeros_like(self.alive)
        return earned

    def pictures(self, size: int = 64) -> Tensor:
        """Return what it looks like, the track from end to end: float32 (..., 1, size, size), white on black.

        A pixel has the part of it that cart or pole cover, to a straight line's approximation.
        """
        require_whole("size", size, 1)
        x, sine, cosine = (value[..., None, None] for value in (self._x, self._sine, self._cosine))
        pixel = 2.0 * EDGE / size
        places = (torch.arange(size, dtype=torch.float32) + 0.5) * pixel - EDGE
        across, up = beside(places, x), -beside(places, x).unsqueeze(-1)
        cart = torch.maximum((across - x).abs() - 0.5 * WIDE, up.abs() - 0.5 * HIGH)
        along = ((across - x) * sine + up * cosine).clamp(0.0, LENGTH)
        pole = torch.hypot(across - x - along * sine, up - along * cosine) - THIN
        return (0.5 - torch.minimum(cart, pole) / pixel).clamp(0.0, 1.0).unsqueeze(-3)
