r"""Electrocardiograms of a GAN: 8 x 5000 numbers, evenly drawn from -1 to 1, -> 8 leads of 10 s, in millivolts.

The generator is Pulse2Pulse (Thambawita et al. 2021, Scientific Reports 11:21896), deepfake-ecg 1.1.2 on PyPI (MIT),
and gives one value each 2 ms for the leads I, II, V1 to V6, as a part of 6 mV.

    pip install --no-deps deepfake-ecg==1.1.2
    evovae evolve --generator experiments/generators/heartbeats.py:generator \
        --objective experiments/generators/heartbeats.py:heart_rate --population 20 --out runs/heart_rate
"""

import runpy
import warnings
from importlib.util import find_spec

import numpy as np
from scipy.signal import find_peaks

import evovae
from evovae.encodings import Uniform

import torch

LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")


def generator() -> evovae.DecoderEncoding:
    package = find_spec("deepfakeecg")  # importing it would take tqdm, too
    if package is None or not package.submodule_search_locations:
        raise evovae.InputError("deepfake-ecg is not installed: pip install --no-deps deepfake-ecg==1.1.2")
    folder, leads = package.submodule_search_locations[0], (8, 5000)
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):
        network = runpy.run_path(f"{folder}/models/pulse2pulse.py")["Pulse2pulseGenerator"]()
    weights = torch.load(f"{folder}/checkpoints/g_stat.pt", "cpu", weights_only=True)
    network.requires_grad_(False).load_state_dict(weights["stat_dict"], assign=True)
    prior, decode = Uniform(40_000, -1.0, 1.0), lambda codes: 6.0 * network(codes)
    return evovae.DecoderEncoding(decode, 40_000, leads, prior=prior, range=None, latent_shape=leads, labels=LEADS)


def beats(leads: torch.Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    """Times in seconds and heights in mV of the R peaks of lead II: narrow, and higher than half of its range."""
    curves = [lead - np.median(lead) for lead in leads[:, 1].cpu().numpy()]
    peaks = [find_peaks(c, distance=125, width=(None, 25), prominence=0.5 * np.ptp(c))[0] for c in curves]
    return [(peak / 500.0, curve[peak]) for peak, curve in zip(peaks, curves, strict=True)]


def heart_rate(leads: torch.Tensor) -> torch.Tensor:
    """Beats a minute (B,), by the mean time between two; 0 where there are fewer than five."""
    rates = [60.0 / np.diff(times).mean() if len(times) > 4 else 0.0 for times, _ in beats(leads)]
    return torch.tensor(rates, dtype=leads.dtype, device=leads.device)


def r_peak(leads: torch.Tensor) -> torch.Tensor:
    """Median height (B,) of the R peaks in mV; 0 where there are fewer than five."""
    heights = [float(np.median(high)) if len(high) > 4 else 0.0 for _, high in beats(leads)]
    return torch.tensor(heights, dtype=leads.dtype, device=leads.device)
