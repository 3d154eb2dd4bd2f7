"""The study of the swing-up: its rule, and those who do not look."""

import pandas as pd
import pytest
import reproduce_swing_up
import torch

from evovae.environments import CartPoleSwingUp


def looks(**changed: float) -> pd.DataFrame:
    """Returns of 910 of three replicates from generation 340 to 400; `changed`, as r0_390=899.0."""
    rows = [{"seed": seed, "generation": gen, "return": 910.0} for seed in range(3) for gen in range(340, 401, 10)]
    table = pd.DataFrame(rows)
    for name, value in changed.items():
        seed, generation = map(int, name[1:].split("_"))
        table.loc[(table["seed"] == seed) & (table["generation"] == generation), "return"] = value
    return table


@pytest.mark.parametrize(
    ("changed", "ours", "verdict"),
    [
        ({}, "910 to 910; 3 of 3", "reproduced, kept"),
        ({"r1_340": 100.0}, "910 to 910; 3 of 3", "reproduced, kept"),  # before the last fifty
        ({"r1_350": 900.0}, "910 to 910; 3 of 3", "reproduced, kept in 2 of 3"),
        ({"r2_400": 899.0, "r0_400": 930.0}, "899 to 930; 2 of 3", "not reproduced"),
    ],
)
def test_the_verdict_follows_the_rule(changed, ours, verdict):
    row = reproduce_swing_up.judge(looks(**changed))
    assert (row["ours"], row["verdict"]) == (ours, verdict)


def test_those_who_do_not_look_do_the_same_in_every_episode_or_what_is_drawn_for_it():
    world, seeds = CartPoleSwingUp(3), torch.tensor([4, 9])
    given = torch.tensor([[0.5], [-1.0], [0.0]])
    episodes, expected = world.reset(seeds), torch.zeros(2)
    for action in given:
        expected += episodes.step(action.expand(2, 1))
    assert torch.equal(reproduce_swing_up.act_blindly(world, given, seeds), expected)
    each = given.expand(3, 2).clone()
    each[:, 1] = 0.3
    found = reproduce_swing_up.act_blindly(world, each, seeds)
    assert found[0] == expected[0]
    assert found[1] != expected[1]
