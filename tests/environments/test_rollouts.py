"""Policies act as their networks do; what they earn is a fitness, in episodes that are common and new."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from refusals import refused

import evovae
from evovae import evolution
from evovae.base import Draws, Interrupted, Streams
from evovae.encodings import StandardNormal
from evovae.environments import CartPoleSwingUp, Environment, Episodes, Rollouts, rollouts
from evovae.runs import CheckpointConfig

POLICY = evovae.PolicyEncoding(inputs=5, outputs=1, hidden=(10,))
WORLD = CartPoleSwingUp(40)


class Echo(Environment):
    """A world that tells each episode's seed, and pays what is done."""

    inputs, outputs, steps = 1, 1, 2

    def reset(self, seeds: torch.Tensor) -> Episodes:
        return Echoes(seeds)


class Echoes(Episodes):
    def __init__(self, seeds: torch.Tensor) -> None:
        self.seeds, self.alive = seeds, torch.ones_like(seeds, dtype=torch.bool)

    def observe(self) -> torch.Tensor:
        return self.seeds.unsqueeze(-1).float()

    def step(self, actions: torch.Tensor) -> torch.Tensor:
        return actions[..., 0]


@dataclass(frozen=True)
class Stopping(Rollouts):
    """An objective during which somebody presses Ctrl-C, when it is asked for the last time of some."""

    asked_for: int = 1

    def __call__(self, genomes: torch.Tensor, random: Draws | None = None) -> torch.Tensor:
        object.__setattr__(self, "asked_for", self.asked_for - 1)
        if self.asked_for == 0:
            raise KeyboardInterrupt
        return super().__call__(genomes, random)


LINEAR = evovae.PolicyEncoding(1, 1, (), output="linear")
ECHO = Echo(torch.device("cpu"))


def genomes_of(n: int, policy: evovae.PolicyEncoding = POLICY) -> torch.Tensor:
    return policy.sample(n, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
@pytest.mark.parametrize(("activation", "output"), [("tanh", "tanh"), ("relu", "sigmoid"), ("sigmoid", "linear")])
def test_a_population_acts_as_the_networks_of_its_genomes(hidden, activation, output):
    policy = evovae.PolicyEncoding(3, 2, hidden, activation, output)
    genomes = genomes_of(6, policy)
    seen = torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float32)
    actions = policy.actor(genomes)(seen)
    assert actions.shape == (6, 5, 2)
    for genome, own, acted in zip(genomes, seen, actions, strict=True):
        assert torch.allclose(policy.network(genome)(own), acted, atol=1e-6)


def test_a_network_has_weights_of_its_own_and_they_are_kept(tmp_path):
    genome = genomes_of(1)[0]
    network = POLICY.network(genome)
    before = genome.clone()
    evovae.save_state(tmp_path / "policy.safetensors", network.state_dict())
    with torch.no_grad():
        network[0].weight.zero_()
    assert torch.equal(genome, before)
    network.load_state_dict(evovae.load_state(tmp_path / "policy.safetensors"))
    seen = torch.ones(1, 1, 5)
    assert torch.equal(network(seen[0]), POLICY.network(genome)(seen[0]))


def test_genes_are_a_row_for_each_input_and_one_of_biases():
    policy = evovae.PolicyEncoding(2, 1, (), output="linear")
    assert policy.dim == 3
    act = policy.actor(torch.tensor([[10.0, 100.0, 1.0]]))
    assert act(torch.tensor([[[2.0, 3.0]]])).item() == 321.0


def test_the_return_is_the_mean_over_episodes_of_what_their_steps_earn():
    earned = rollouts(ECHO, LINEAR, episodes=3)(torch.tensor([[1.0, 0.0], [0.0, 5.0]]))
    assert earned.tolist() == [[2.0], [10.0]]  # seeds 0, 1, 2, for two steps; 5, for two
    assert rollouts(ECHO, LINEAR).scores(torch.tensor([[1.0, 0.0]]), torch.tensor([4, 7])).tolist() == [[8.0, 14.0]]


def test_episodes_are_common_to_a_replicate_new_in_each_generation_and_its_own():
    objective = rollouts(ECHO, LINEAR, episodes=2)
    genomes = torch.tensor([1.0, 0.0]).expand(3, 4, 2)
    streams = Streams(0, 3)
    found = [objective(genomes, streams)[..., 0] for _ in range(2)]
    for returns in found:
        assert (returns == returns[:, :1]).all()
        assert len(returns[:, 0].unique()) == 3
    assert not torch.equal(*found)
    alone = objective(genomes[:1], Streams(0, [1]))[0, :, 0]
    assert torch.equal(alone, found[0][1])


def test_individuals_earn_the_same_whoever_else_plays():
    objective, genomes = rollouts(WORLD, POLICY, episodes=2), genomes_of(9)
    everyone = objective(genomes)
    assert everyone.shape == (9, 1)
    assert torch.allclose(everyone[3:4], objective(genomes[3:4]), atol=1e-4)
    assert torch.equal(objective(genomes), everyone)


def test_a_toolbox_evaluates_every_individual_in_every_generation():
    toolbox = evolution.toolbox(POLICY, rollouts(WORLD, POLICY))
    population = toolbox.population(n=6, replicates=3, seed=0)
    evolved, logbook = evolution.eaSimple(population, toolbox, cxpb=0.5, mutpb=0.2, ngen=3)
    assert evolved.fitness.shape == (3, 6, 1)
    assert evolved.fitness.isfinite().all()
    assert [np.unique(nevals).tolist() for nevals in logbook.select("nevals")] == [[6]] * 4


def test_a_strategy_learns_to_swing_the_pole():
    policy, world = evovae.PolicyEncoding(5, 1, ()), CartPoleSwingUp(200)
    objective = rollouts(world, policy)
    toolbox = evolution.toolbox(policy, objective)
    population = toolbox.population(n=12, replicates=3, seed=0)
    strategy = evolution.SeparableCMAES(population, sigma=0.5, lambda_=12)
    strategy.register(toolbox)
    seeds = torch.arange(20)
    before = objective.scores(strategy.centroid.float(), seeds).mean()
    evolution.eaGenerateUpdate(toolbox, ngen=12)
    assert objective.scores(strategy.centroid.float(), seeds).mean() > before + 20.0


def test_a_recorded_run_of_policies_resumes_to_the_same_bits(tmp_path):
    problem = evovae.Problem(POLICY, rollouts(WORLD, POLICY))
    assert problem.objective.names == ("return",)
    config = evovae.EvolveConfig(
        population=8, replicates=2, generations=6, algorithm="eaGenerateUpdate", baselines=(), device="cpu"
    )
    whole = evovae.evolve(problem, config, out=tmp_path / "whole").folder
    cut_short = evovae.Problem(POLICY, Stopping(WORLD, POLICY, 1, asked_for=5))
    with pytest.raises(Interrupted):
        evovae.evolve(cut_short, config, tmp_path / "half", checkpoint=CheckpointConfig(checkpoint_every=1))
    half = evovae.resume(tmp_path / "half", problem).folder
    for name in ("history.csv", "population.safetensors", "hall_of_fame.csv"):
        assert (half / name).read_bytes() == (whole / name).read_bytes(), name


def test_what_does_not_fit_is_refused():
    with refused("3 inputs"):
        rollouts(WORLD, evovae.PolicyEncoding(3, 1))
    with refused("2 outputs"):
        rollouts(WORLD, evovae.PolicyEncoding(5, 2))
    with refused("episodes"):
        rollouts(WORLD, POLICY, episodes=0)
    with refused("hidden"):
        evovae.PolicyEncoding(3, 1, (0,))
    with refused("activation"):
        evovae.PolicyEncoding(3, 1, activation="sine")
    with refused("(B, 71)"):
        POLICY.actor(torch.zeros(71))
    assert POLICY.sigma == StandardNormal.sigma
