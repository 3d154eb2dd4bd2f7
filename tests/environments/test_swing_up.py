"""The cart and its pole move as a plain scalar version says, begin by seeds, end at the track's ends, can be seen."""

import math

import pytest
import torch
from refusals import refused

from evovae.environments import CartPoleSwingUp, SwingUps


def scalar_step(state: tuple[float, ...], action: float) -> tuple[tuple[float, ...], float]:
    """The next state and the reward, in plain numbers: Ha's and Gal's equations as they are written."""
    x, x_dot, theta, theta_dot = state
    g, m_c, m_p, l, b, dt = 9.82, 0.5, 0.5, 0.6, 0.1, 0.01  # noqa: E741
    total_m, m_p_l = m_c + m_p, m_p * l
    push = 10.0 * min(max(action, -1.0), 1.0)
    s, c = math.sin(theta), math.cos(theta)
    above = -2 * m_p_l * theta_dot**2 * s + 3 * m_p * g * s * c + 4 * push - 4 * b * x_dot
    x_acc = above / (4 * total_m - 3 * m_p * c**2)
    above = -3 * m_p_l * theta_dot**2 * s * c + 6 * total_m * g * s + 6 * (push - b * x_dot) * c
    theta_acc = above / (4 * l * total_m - 3 * m_p_l * c**2)
    moved = (x + dt * x_dot, x_dot + dt * x_acc, theta + dt * theta_dot, theta_dot + dt * theta_acc)
    return moved, (math.cos(moved[2]) + 1) / 2 * math.cos(math.pi * moved[0] / 4.8)


def states_of(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def test_every_step_is_that_of_the_scalar_version():
    episodes = CartPoleSwingUp(300).reset(torch.arange(6).view(2, 3))
    actions = 3.0 * torch.rand(300, 2, 3, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float32) - 1.5
    for action in actions:
        before, alive = episodes.states, episodes.alive
        rewards = episodes.step(action)
        for i in range(2):
            for j in range(3):
                if not alive[i, j]:
                    continue
                state, reward = scalar_step(tuple(before[i, j].tolist()), float(action[i, j, 0]))
                assert episodes.states[i, j].tolist() == pytest.approx(state, abs=2e-6, rel=2e-6)
                assert float(rewards[i, j]) == pytest.approx(reward, abs=2e-6)
    assert episodes.states[..., 3].abs().max() > 1.0, "the poles hardly moved"


def test_what_is_observed_is_the_state_with_the_angle_as_cosine_and_sine():
    seen = SwingUps(states_of((0.5, -1.0, 2.0, 3.0)), 1).observe()
    assert seen[0].tolist() == pytest.approx([0.5, -1.0, math.cos(2.0), math.sin(2.0), 3.0])


def test_seeds_begin_episodes_alike_whoever_else_begins():
    world = CartPoleSwingUp()
    states = world.reset(torch.tensor([[3, 5], [5, 2**31 - 1]])).states
    assert states.shape == (2, 2, 4)
    assert states.dtype == torch.float32
    assert torch.equal(states[0, 1], states[1, 0])
    assert torch.equal(world.reset(torch.tensor([3])).states[0], states[0, 0])
    assert len(states.flatten(0, 1).unique(dim=0)) == 3


def test_starts_have_the_mean_and_the_spread_that_are_told():
    states = CartPoleSwingUp().reset(torch.arange(1000)).states
    assert states.mean(0).tolist() == pytest.approx([0.0, 0.0, math.pi, 0.0], abs=0.03)
    assert states.std(0).tolist() == pytest.approx([0.2] * 4, abs=0.02)


def test_a_cart_that_leaves_the_track_earns_that_step_and_no_more():
    episodes = SwingUps(states_of((2.395, 1.0, 0.0, 0.0), (-2.395, -1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)), 10)
    still = torch.zeros(3, 1)
    first = episodes.step(still)
    assert episodes.alive.tolist() == [False, False, True]
    assert first[:2].tolist() == pytest.approx([math.cos(math.pi * 2.405 / 4.8)] * 2, abs=1e-5)
    place = episodes.states[:2]
    second = episodes.step(still)
    assert second[:2].tolist() == [0.0, 0.0]
    assert second[2] > 0.9
    assert torch.equal(episodes.states[:2], place)


def test_an_episode_ends_after_its_steps():
    episodes = CartPoleSwingUp(3).reset(torch.tensor([0]))
    alive = []
    for _ in range(3):
        episodes.step(torch.zeros(1, 1))
        alive.append(bool(episodes.alive))
    assert alive == [True, True, False]
    assert episodes.step(torch.zeros(1, 1)).tolist() == [0.0]


def test_hanging_still_earns_nothing_and_standing_still_everything():
    episodes = SwingUps(states_of((0.0, 0.0, math.pi, 0.0), (0.0, 0.0, 0.0, 0.0)), 1)
    assert episodes.step(torch.zeros(2, 1)).tolist() == pytest.approx([0.0, 1.0], abs=1e-6)


def test_pictures_show_where_cart_and_pole_are():
    pictures = SwingUps(states_of((0.0, 0.0, 0.0, 0.0), (1.2, 0.0, math.pi / 2, 0.0)), 1).pictures(96)
    assert pictures.shape == (2, 1, 96, 96)
    assert pictures.min() == 0.0
    assert pictures.max() == 1.0
    upright, tilted = pictures[:, 0]

    def at(picture: torch.Tensor, x: float, y: float) -> float:
        return float(picture[int((2.4 - y) / 4.8 * 96), int((x + 2.4) / 4.8 * 96)])

    assert at(upright, 0.0, 0.5) == at(upright, 0.2, 0.0) == 1.0
    assert at(upright, 0.5, 0.0) == at(upright, 0.0, -0.5) == 0.0
    assert at(tilted, 1.7, 0.0) == 1.0  # leans towards positive x
    assert at(tilted, 0.8, 0.0) == at(tilted, 1.2, 0.5) == 0.0
    assert torch.allclose(upright, upright.flip(1), atol=1e-5)


def test_a_world_refuses_what_is_none():
    with refused("steps"):
        CartPoleSwingUp(0)
    with refused("size"):
        SwingUps(states_of((0.0, 0.0, 0.0, 0.0)), 1).pictures(0)
