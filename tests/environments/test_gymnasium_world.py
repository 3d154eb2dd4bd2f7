"""Gymnasium's environments, played as Gymnasium plays them."""

import math
import sys
from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from refusals import refused

import evovae
from evovae.environments import GymnasiumEnvironment, rollouts


class Told(gymnasium.Env):
    """An environment that keeps what it was told, and pays a number for each step."""

    observation_space = spaces.Dict({"kind": spaces.Discrete(3), "place": spaces.Box(-1, 1, (2,))})
    taken: list[object] = []  # noqa: RUF012

    def __init__(self, actions: str = "bounded") -> None:
        self.action_space = {
            "bounded": spaces.Box(np.array([0.0, -4.0], np.float32), np.array([1.0, -2.0], np.float32)),
            "free": spaces.Box(-np.inf, np.inf, (2, 1)),
            "from 5": spaces.Discrete(3, start=5),
            "many": spaces.MultiDiscrete([2, 2]),
        }[actions]

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        Told.taken = []
        return {"kind": 1, "place": np.array([0.5, -0.5], np.float32)}, {}

    def step(self, action):
        Told.taken.append(action)
        return {"kind": 2, "place": np.zeros(2, np.float32)}, 1.0, False, False, {}


@pytest.fixture(autouse=True)
def _told() -> Iterator[None]:
    gymnasium.register("Told-v0", Told)
    yield
    del gymnasium.registry["Told-v0"]


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "Acrobot-v1"])
def test_returns_are_those_of_gymnasium_itself(name):
    world = GymnasiumEnvironment(name, steps=60)
    policy = evovae.PolicyEncoding(world.inputs, world.outputs, (4,))
    genomes = policy.sample(3, torch.Generator().manual_seed(0))
    seeds = torch.tensor([3, 8])
    returns = rollouts(world, policy).scores(genomes, seeds)
    env = gymnasium.make(name)
    for genome, row in zip(genomes, returns, strict=True):
        network = policy.network(genome)
        for seed, earned in zip(seeds.tolist(), row.tolist(), strict=True):
            seen, total = env.reset(seed=seed)[0], 0.0
            for _ in range(60):
                given = network(torch.from_numpy(np.float32(seen))).detach().numpy()
                action = int(given.argmax()) if name != "Pendulum-v1" else 2.0 * given
                seen, reward, terminated, truncated, _ = env.step(action)
                total += float(reward)
                if terminated or truncated:
                    break
            assert earned == pytest.approx(total, rel=1e-4)


def test_equal_seeds_begin_alike_and_what_is_over_earns_nothing():
    world = GymnasiumEnvironment("CartPole-v1")
    episodes = world.reset(torch.tensor([[1, 2], [2, 7]]))
    seen = episodes.observe()
    assert seen.shape == (2, 2, 4)
    assert torch.equal(seen[0, 1], seen[1, 0])
    assert not torch.equal(seen[0, 0], seen[1, 1])
    left = torch.tensor([1.0, 0.0]).expand(2, 2, 2)
    earned = torch.zeros(2, 2)
    for _ in range(30):
        earned += episodes.step(left)
    assert not episodes.alive.any()
    assert (earned < 15).all()
    assert episodes.step(left).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("actions", "given", "taken"),
    [
        ("bounded", [0.0, 0.0], [0.5, -3.0]),
        ("bounded", [-1.0, 9.0], [0.0, -2.0]),
        ("free", [-7.0, 0.5], [[-7.0], [0.5]]),
        ("from 5", [0.1, 0.0, 0.3], 7),
    ],
)
def test_what_a_policy_gives_becomes_an_action(actions, given, taken):
    world = GymnasiumEnvironment("Told-v0", steps=2, actions=actions)
    assert (world.inputs, world.outputs, world.steps) == (5, len(given), 2)
    episodes = world.reset(torch.tensor([0]))
    assert episodes.observe().tolist() == [[0.0, 1.0, 0.0, 0.5, -0.5]]
    assert episodes.step(torch.tensor([given])).tolist() == [1.0]
    assert np.asarray(Told.taken[0]).tolist() == taken
    assert episodes.alive.tolist() == [True]
    episodes.step(torch.tensor([given]))
    assert episodes.alive.tolist() == [False]


def test_the_limit_of_steps_is_the_lower_one():
    assert GymnasiumEnvironment("CartPole-v1").steps == 500
    assert GymnasiumEnvironment("CartPole-v1", steps=7).steps == 7
    assert GymnasiumEnvironment("CartPole-v1", steps=9999).steps == 500


def test_settings_reach_the_environment():
    world = GymnasiumEnvironment("Pendulum-v1", steps=1, g=0.0)
    episodes = world.reset(torch.tensor([4]))
    cosine, sine, speed = episodes.observe()[0].tolist()
    episodes.step(torch.zeros(1, 1))
    angle = math.atan2(sine, cosine) + 0.05 * speed  # without gravity and torque speed stays
    assert episodes.observe()[0].tolist() == pytest.approx([math.cos(angle), math.sin(angle), speed], abs=1e-5)


def test_what_cannot_be_played_is_refused(monkeypatch):
    with refused("NoSuch-v0"):
        GymnasiumEnvironment("NoSuch-v0")
    with refused("MultiDiscrete"):
        GymnasiumEnvironment("Told-v0", steps=3, actions="many")
    with refused("limit of steps"):
        GymnasiumEnvironment("Told-v0")
    with refused("steps"):
        GymnasiumEnvironment("CartPole-v1", steps=0)
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with refused("evovae[environments]"):
        GymnasiumEnvironment("CartPole-v1")
