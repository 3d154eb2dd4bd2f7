"""The study of denoising: what is chosen is chosen on training images, and known figures have known verdicts."""

import math

import denoising
import pandas as pd
import pytest
import torch
from denoising import CALIBRATED, CONTROLS, DENOISING, LINEAR
from methods.denoisers import Chosen

from evovae.data import to_unit
from evovae.runs import recording


@pytest.mark.parametrize("method", ["median filter", f"wavelets{CALIBRATED}", LINEAR])
def test_a_control_is_chosen_by_training_images_and_measured_on_test_images(monkeypatch, tmp_path, digits, method):
    met, streams, damage = [], [], denoising.damage
    monkeypatch.setattr(denoising, "damage", lambda *how: streams.append(how[-1]) or damage(*how))

    def choose(filters, noisy, clean, calibrated=False):
        met.append((noisy, clean, calibrated))
        return Chosen(lambda images: torch.full_like(images, 0.5), "grey")

    monkeypatch.setattr(denoising, "choose", choose)
    monkeypatch.setattr(denoising, "fit_linear", lambda noisy, clean: choose(None, noisy, clean))
    with recording(tmp_path / "run", "cell", {}) as run:
        denoising.repair(run, method, "none", 0.0, {"gaussian": [0.4]}, seed=0, smoke=True)
    ((_, clean, calibrated),) = met
    assert calibrated == method.endswith(CALIBRATED)
    train, test = ({image.numpy().tobytes() for image in to_unit(part.images)} for part in (digits.train, digits.test))
    chosen = {image.numpy().tobytes() for image in clean}
    assert chosen <= train
    assert not chosen & test
    tested = to_unit(digits.test.subset(100).images)
    row = run.read_table("found.csv").iloc[0]
    assert row["psnr"] == pytest.approx((-10 * (0.5 - tested).square().mean((1, 2, 3)).log10()).mean().item())
    assert (row["method"], row["setting"], row["trained_level"]) == (method, "grey", 0)
    assert len(set(streams)) == 2, "noise of its own"


def test_the_same_noise_is_met_by_all_who_ask_and_another_in_each_stream_level_and_kind(digits):
    def noisy(*how):
        return denoising.damage(digits.test, 50, *how)[1]

    first = noisy("gaussian", 0.4, 21)
    assert torch.equal(first, noisy("gaussian", 0.4, 21))
    for other in (("gaussian", 0.4, 20), ("gaussian", 0.2, 21), ("masking", 0.4, 21)):
        assert not torch.equal(first, noisy(*other))


def found(controls: dict[str, float], models: dict[tuple[str, float], list[float]], level: float = 0.4) -> pd.DataFrame:
    rows = [(name, 0.0, 0, controls.get(name, 1.0)) for name in CONTROLS]
    rows += [
        (name, trained, seed, value) for (name, trained), values in models.items() for seed, value in enumerate(values)
    ]
    table = pd.DataFrame(rows, columns=["method", "trained_level", "seed", "psnr"])
    return table.assign(noise="gaussian", level=level, ssim=table["psnr"] / 100)


@pytest.mark.parametrize(
    ("seeds", "verdict"), [([20.1, 22.0, 25.0], "wins"), ([19.0, 22.0, 25.0], "open"), ([17.0, 18.0, 19.9], "loses")]
)
def test_a_denoising_model_wins_where_all_its_seeds_beat_the_best_control(seeds, verdict):
    controls = {"median filter": 20.0, LINEAR: 15.0}
    models = {(DENOISING[0], 0.4): seeds, (DENOISING[0], 0.2): [1.0, 99.0, 5.0], (DENOISING[1], 0.4): [0.0] * 3}
    table = denoising.judge(found(controls, models)).set_index(["measure", "model"])
    for measure, scale in (("psnr", 1.0), ("ssim", 0.01)):
        row = table.loc[(measure, DENOISING[0])]
        assert (row["verdict"], row["control"]) == (verdict, "median filter")
        assert [row[name] / scale for name in ("best", "lowest", "highest")] == pytest.approx([20, seeds[0], seeds[-1]])
        assert table.loc[(measure, DENOISING[1]), "verdict"] == "loses"
    assert not math.isnan(row["best"])
