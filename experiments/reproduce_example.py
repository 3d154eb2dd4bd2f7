"""Does the VAE of PyTorch's examples, set up with evovae, end with the same test loss?

github.com/pytorch/examples, vae/main.py: 784-400-20, ReLU, minibatches of 128, Adam 1e-3, ten epochs on grey MNIST; the
loss is the summed cross-entropy plus the KL divergence, in nats per image. One run of that script ends with a test loss
of 105.59. The rule, fixed beforehand: reproduced if the mean over our seeds is within 0.5 nats of it, close within 1.

    python experiments/reproduce_example.py            about 3 minutes on one core
    python experiments/reproduce_example.py --smoke    seconds, leaving no results

Deviations: initial weights are normal with variance 1/N_in and biases 0, where torch's layers begin with uniform ones
of a third of that variance.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

import evovae
from evovae import plots, statistics
from evovae.checks import require_counts
from evovae.progress import track
from evovae.studies import curves, start, study

PUBLISHED = 105.59
REPRODUCED, CLOSE = 0.5, 1.0
LOSSES = ("train_loss", "test_loss")


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    seeds: int = 10
    """Independent runs."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_counts(self, "seeds")


def main(arguments: Arguments) -> None:
    torch.set_num_threads(1)
    digits = evovae.load_images("mnist")
    seeds, epochs, images = (2, 2, 2000) if arguments.smoke else (arguments.seeds, 10, None)
    rows = []
    with study("reproduce_example", arguments.smoke) as results, track("epochs", seeds * epochs) as advance:
        for seed in range(seeds):
            vae = evovae.VAE(evovae.VAEConfig(latent_dim=20, hidden=(400,), activation="relu"), seed=seed)
            config = evovae.TrainConfig(
                epochs,
                batch_size=128,
                learning_rate=1e-3,
                schedule="constant",
                precision="float32",
                train_images=images,
                seed=seed,
            )
            for record in evovae.fit(vae, digits.train, config):
                found = evovae.evaluate(vae, digits.test, seed=seed)
                row = {"seed": seed, "epoch": record.epoch, "train_loss": -record.elbo, "test_loss": -found.elbo}
                rows.append(row | {"kl": found.kl, "active_units": found.active_units})
                advance(len(rows), f"seed {seed}, test loss {-found.elbo:.2f}")
        history = pd.DataFrame(rows)
        results.table("history", history, show=False)
        last = history[history["epoch"] == epochs]
        ours = statistics.bootstrap(last["test_loss"].to_numpy(), statistic=np.mean)
        distance = abs(ours.estimate - PUBLISHED)
        verdict = "reproduced" if distance <= REPRODUCED else "close" if distance <= CLOSE else "not reproduced"
        row = {"replicates": seeds, "published": PUBLISHED, "ours": ours.estimate, "low": ours.low, "high": ours.high}
        results.table("summary", pd.DataFrame([row | {"verdict": verdict}]))
        losses = {name.split("_")[0]: curves(history.assign(one=name), "one", "epoch", name)[name] for name in LOSSES}
        results.figure("training", plots.trend(losses, "epoch", "loss (nats per image)"))


if __name__ == "__main__":
    start(main, Arguments, __doc__)
