"""Runs survive what happens to processes, disks and folders: the study that injects faults, small."""

from pathlib import Path

import pytest
import survive_faults

from evovae.base import files, make_generator
from evovae.runs import PREVIOUS

pytestmark = pytest.mark.early

KILLS = {"SIGKILL at a random moment": 14, "SIGTERM at a random moment": 12, "SIGINT at a random moment": 12}
TIMES = {fault: 2 for fault in survive_faults.FAULTS} | KILLS | {"SIGKILL within a write, twice": 12}


def test_no_run_is_lost_and_none_ends_otherwise_for_having_been_disturbed() -> None:
    """Fifty kills at random moments, in the middle of a write included; and every other fault twice."""
    table, sums, troubles = survive_faults.survive(TIMES, seed=1)
    assert not troubles, "\n".join(troubles)
    assert table["survived"].sum() == sum(TIMES.values())
    assert {"history.csv", "population.safetensors", "vae.safetensors", "checkpoint.safetensors"} <= set(sums["file"])


def test_a_resumption_that_forgets_the_random_streams_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    resume = survive_faults.resume

    def forgetful(out: Path, errors: Path) -> str:
        path = out / ("checkpoint.safetensors" if (out / "checkpoint.safetensors").exists() else PREVIOUS)
        state, _ = files.load_tensors(path, "checkpoint")
        forgotten = {
            name: make_generator(7).get_state().expand_as(t) for name, t in state.items() if "generator" in name
        }
        files.save_tensors(path, "checkpoint", state | forgotten, {})
        return resume(out, errors)

    monkeypatch.setattr(survive_faults, "resume", forgetful)
    *_, troubles = survive_faults.survive({"environment.json cut": 5}, seed=0)
    assert len(troubles) == 5
    assert all("files differ: " in trouble for trouble in troubles)
