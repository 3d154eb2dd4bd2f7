"""What the study of denoising concludes."""

import denoising
import pandas as pd
import pytest


@pytest.mark.parametrize(
    ("seeds", "verdict"), [((20.1, 21.0), "wins"), ((18.0, 19.9), "loses"), ((19.9, 20.1), "open"), ((20.0,), "open")]
)
def test_a_model_wins_where_all_its_seeds_are_above_the_best_control(seeds: tuple[float, ...], verdict: str) -> None:
    controls = [("linear map", 0.0, 20.0), ("median filter", 0.0, 15.0), ("VAE", 0.0, 30.0)]
    models = [(name, 0.2, value) for name in denoising.DENOISING for value in seeds]
    models += [(name, 0.8, 25.0) for name in denoising.DENOISING]  # of another level: not judged here
    found = pd.DataFrame(controls + models, columns=["method", "trained_level", "psnr"])
    table = denoising.judge(found.assign(noise="gaussian", level=0.2, ssim=found["psnr"] / 100))
    assert table["verdict"].tolist() == [verdict] * 4
    assert set(table["control"]) == {"linear map"}
