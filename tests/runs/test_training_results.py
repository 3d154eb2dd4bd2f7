"""What a training tells of itself: which epoch is kept, what is wrong with it, and on which images it was measured."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from evovae import runs
from evovae.data import DataConfig, Images, ImageSet
from evovae.models import VAE, TrainConfig, VAEConfig, evaluate
from evovae.runs import Run, kept_epoch, recording
from evovae.runs.trainings import training as module
from evovae.runs.trainings.training_results import find_faults

MODEL = VAEConfig(data_shape=(1, 8, 8), latent_dim=2, hidden=(16,))


def history(folder: Path, **columns: list[float]) -> Run:
    epochs = len(columns["test_elbo"])
    told = {"epoch": range(1, epochs + 1), "test_reconstruction": 1.0, "test_kl": 1.0, "binarisation": "grey"}
    with recording(folder, "training", {}) as run:
        run.write_table("history.csv", pd.DataFrame(told | {"active_units": 3} | columns))
    return run


@pytest.mark.parametrize(
    ("validation", "kept"), [([3.0, 1.0, 2.0], 2), ([float("nan"), 5.0, 4.0], 3), ([float("nan")] * 3, 3), (None, 3)]
)
def test_the_epoch_of_the_least_validation_loss_is_kept_and_else_the_last(tmp_path, validation, kept):
    columns = {"test_elbo": [-110.0, -105.0, -104.0]} | ({} if validation is None else {"validation": validation})
    assert kept_epoch(history(tmp_path / "run", **columns)).epoch == kept


@pytest.mark.parametrize(
    ("elbo", "units", "words"),
    [(-100.0, 3, []), (-200.1, 3, ["learned nothing"]), (-200.0, 3, ["learned nothing"]), (-100.0, 0, ["no latent"])],
)
def test_a_model_that_is_no_better_than_the_mean_picture_or_says_nothing_is_told(tmp_path, elbo, units, words):
    run = history(tmp_path / "run", test_elbo=[elbo], active_units=[units])
    found = find_faults(run, MODEL, mean_picture=200.0)
    assert len(found) == len(words)
    assert all(word in fault for word, fault in zip(words, found, strict=True))


def test_what_is_published_is_the_kept_model_measured_on_test_images(tmp_path, monkeypatch):
    """Learned by heart at a constant rate: an earlier model is the best."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 2, (160, 1, 8, 8), generator=generator).mul(255).to(torch.uint8)
    train, test = (Images(part, torch.zeros(len(part), dtype=torch.int64)) for part in pixels.split([60, 100]))
    images = ImageSet("noise", train, test, ("a",))
    monkeypatch.setattr(module, "load", lambda data: images)
    config = TrainConfig(
        epochs=90, batch_size=10, learning_rate=2e-2, schedule="constant", validation_images=20, device="cpu",
        precision="float32",
    )  # fmt: skip
    run = runs.train(DataConfig(), MODEL, config, tmp_path / "run")
    table, kept = run.history, kept_epoch(run)
    assert kept.epoch < table["epoch"].iloc[-1]
    found = evaluate(VAE.load(run.folder), test)
    assert found.elbo == pytest.approx(kept.test_elbo, rel=1e-4)
    assert found.elbo != pytest.approx(table["test_elbo"].iloc[-1], rel=1e-4)
