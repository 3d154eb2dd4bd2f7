"""What a run's figures are drawn from: known models and known files in, known pictures and labels out."""

import shutil
from pathlib import Path

import numpy as np
import torch
from places import FORMATS

from evovae.analysis import plots
from evovae.base import files
from evovae.models import VAE, VAEConfig
from evovae.runs import Run, figures


def test_the_manifold_has_the_first_latent_variable_to_the_right_and_the_second_upwards(tmp_path, monkeypatch):
    """Of this VAE a pixel follows each latent variable."""
    folder = Path(shutil.copytree(FORMATS / "format-1" / "vae", tmp_path / "vae"))
    vae = VAE(VAEConfig(latent_dim=2, hidden=())).requires_grad_(False)
    layer = next(module for module in vae.decoder if isinstance(module, torch.nn.Linear))
    layer.weight.zero_()
    layer.bias.zero_()
    layer.weight[0, 0] = layer.weight[1, 1] = 1.0
    vae.save(folder / "vae.safetensors")
    drawn, draw = [], plots.manifold
    monkeypatch.setattr(plots, "manifold", lambda images: drawn.append(images) or draw(images))
    paths = figures.draw(Run.open(folder))
    assert folder / "figures" / "manifold.png" in paths
    codes = drawn[0].flatten(3)[:, :, 0, :2].logit()  # rows, columns, latent variables
    assert codes.shape == (20, 20, 2)
    across, upwards = codes[..., 0], codes[..., 1].flip(0)
    torch.testing.assert_close(across, across[:1].expand_as(across))
    torch.testing.assert_close(upwards, upwards[:, :1].expand_as(upwards))
    for steps in (across[0], upwards[:, 0]):
        probability = 0.5 + 0.5 * torch.erf(steps / 2**0.5)
        np.testing.assert_allclose(probability, np.linspace(0.02, 0.98, 20), atol=1e-4)


def test_a_front_is_drawn_with_each_objective_along_its_own_axis(tmp_path, monkeypatch):
    folder = Path(shutil.copytree(FORMATS / "format-1" / "front", tmp_path / "front"))
    drawn, draw = [], plots.pareto_front
    monkeypatch.setattr(plots, "pareto_front", lambda *given: drawn.append(draw(*given)) or drawn[-1])
    figures.draw(Run.open(folder))
    (ax,) = drawn
    assert ax.get_xlabel().startswith("ink (maximised")
    assert ax.get_ylabel().startswith("symmetry (maximised")
    fitness = files.load_tensors(folder / "population.safetensors", "population")[0]["hall_fitness"].flatten(0, 1)
    points = {tuple(point) for line in ax.lines for point in line.get_xydata().round(5).tolist()}
    assert {tuple(np.round(point, 5)) for point in fitness[fitness.isfinite().all(1)].tolist()} <= points
