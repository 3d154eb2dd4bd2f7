"""What does a GAN of MNIST look like that twelve minutes on one core train?

The networks of pyribs' tutorial on latent space illumination (`generators/mnist_gan.py` has them), with its 30% dropout
in the discriminator. The tutorial brings weights; how they are trained here is ours: binary cross-entropy, Adam 2e-4,
and what is kept of the generator is the running average of its weights, for a GAN's last step is a step in a circle
(Yazici et al. 2019). Expect digits of all classes, some of them broken.

    python experiments/train_gan.py            about 12 minutes on one core, into runs/gan
    python experiments/train_gan.py --smoke    seconds, into a temporary folder

Stopped, the same command resumes it after the last whole epoch. The same seed, versions and kind of CPU give the same
weights, with one thread.
"""

import copy
import tempfile
from dataclasses import dataclass
from pathlib import Path

from generators.mnist_gan import DISCRIMINATOR, GENERATOR, WEIGHTS, stack

import evovae
from evovae.analysis import plots
from evovae.base import (
    InputError,
    State,
    adam_state,
    join,
    make_generator,
    require_counts,
    require_number,
    restore_adam,
    track,
)
from evovae.studies import start

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

DROPPED = 0.3
"""Share of the discriminator's units that a step goes without."""
AVERAGED = 0.998
"""Of the average of weights, what a step keeps."""


@dataclass(frozen=True)
class Arguments:
    """Settings of the training."""

    epochs: int = 15
    """Passes through the training images."""
    batch_size: int = 64
    """Images a step, and as many of the generator's."""
    learning_rate: float = 2e-4
    """Of both Adams."""
    seed: int = 0
    """Of weights, order and noise."""
    out: Path = WEIGHTS.parent
    """Folder for the weights."""
    smoke: bool = False
    """Train 2 epochs on 300 images, into a temporary folder instead of `out`."""

    def __post_init__(self) -> None:
        """Refuse what trains nothing."""
        require_counts(self, "epochs", "batch_size")
        require_number("learning rate", self.learning_rate)


class GAN:
    """Two networks that learn from one another, with what their optimisers know."""

    def __init__(self, arguments: Arguments) -> None:
        draws = make_generator(arguments.seed, 0)
        self.generator, self.discriminator = made(GENERATOR, draws), made(DISCRIMINATOR, draws)
        self.average = copy.deepcopy(self.generator)
        networks = (self.generator, self.discriminator)
        self.adams = [
            torch.optim.Adam(n.parameters(), arguments.learning_rate, betas=(0.5, 0.999), fused=True) for n in networks
        ]

    def step(self, real: Tensor, draws: torch.Generator) -> tuple[float, float]:
        """Learn from real images (B, 784) in [-1, 1]; return the losses of discriminator and generator, in nats."""
        noise = torch.randn(len(real), GENERATOR[0], generator=draws)
        false = self.generator(noise).tanh()
        told = self.verdict(torch.cat([real, false.detach()]), draws)
        answers = torch.cat([torch.ones(len(real), 1), torch.zeros(len(real), 1)])
        losses = [self._learn(1, binary_cross_entropy_with_logits(told, answers))]
        told = self.verdict(false, draws)  # non-saturating: that what it makes is real
        losses.append(self._learn(0, binary_cross_entropy_with_logits(told, torch.ones_like(told))))
        with torch.no_grad():
            for kept, weights in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                kept.lerp_(weights, 1.0 - AVERAGED)
        return losses[0], losses[1]

    def verdict(self, images: Tensor, draws: torch.Generator) -> Tensor:
        """Return the logits (B, 1) that images (B, 784) are real, some units dropped."""
        for layer in self.discriminator:
            images = layer(images)
            if isinstance(layer, nn.LeakyReLU):
                images = images * (torch.rand(images.shape, generator=draws) >= DROPPED) / (1.0 - DROPPED)
        return images

    def _learn(self, which: int, loss: Tensor) -> float:
        self.adams[which].zero_grad()
        loss.backward()
        self.adams[which].step()
        return loss.item()

    def state(self) -> State:
        """Return all that the next epoch hangs on."""
        networks = {name: getattr(self, name).state_dict() for name in ("generator", "discriminator", "average")}
        return join(**networks, first=adam_state(self.adams[0]), second=adam_state(self.adams[1]))

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        for name in ("generator", "discriminator", "average"):
            network = getattr(self, name)
            network.load_state_dict(state.part(name).all_like(network.state_dict()))
        for adam, name in zip(self.adams, ("first", "second"), strict=True):
            restore_adam(adam, state.part(name))


def made(sizes: tuple[int, ...], draws: torch.Generator) -> nn.Sequential:
    """Return a network with torch's usual initial weights, drawn from `draws`."""
    with torch.device("meta"):
        network = stack(sizes)
    network.to_empty(device="cpu")
    with torch.no_grad():
        for layer in network:
            if isinstance(layer, nn.Linear):
                for weights in (layer.weight, layer.bias):
                    weights.uniform_(-(layer.in_features**-0.5), layer.in_features**-0.5, generator=draws)
    return network


def main(arguments: Arguments) -> None:
    torch.set_num_threads(1)
    if arguments.smoke:
        with tempfile.TemporaryDirectory() as folder:
            train(arguments, Path(folder), epochs=2, images=300)
    else:
        train(arguments, arguments.out, arguments.epochs, 60_000)


def train(arguments: Arguments, out: Path, epochs: int, images: int) -> None:
    """Train up to `epochs`, on the first of MNIST's images, and leave the weights and a picture in `out`."""
    real = evovae.load_images("mnist").train.images[:images].flatten(1) / 127.5 - 1.0
    settings = {name: float(getattr(arguments, name)) for name in ("seed", "batch_size", "learning_rate")}
    gan, done, checkpoint = GAN(arguments), 0, out / "checkpoint.safetensors"
    out.mkdir(parents=True, exist_ok=True)
    if checkpoint.is_file():
        state = State(evovae.load_state(checkpoint))
        kept = {name: float(state[name]) for name in settings}
        if kept != settings:
            raise InputError(
                f"{checkpoint} was made with {kept}: remove it to train with {settings}, or ask for the same"
            )
        gan.restore(state.part("gan"))
        done = state.number("epochs")
    with track("GAN", epochs, done) as advance:
        for epoch in range(done, epochs):
            draws = make_generator(arguments.seed, 1, epoch)
            order = torch.randperm(len(real), generator=draws).split(arguments.batch_size)
            losses = torch.tensor([gan.step(real[batch], draws) for batch in order]).mean(0)
            evovae.save_state(checkpoint, join(gan=gan.state(), epochs=epoch + 1, **settings))
            advance(epoch + 1, f"epoch {epoch + 1}: loss of discriminator {losses[0]:.3f}, generator {losses[1]:.3f}")
    path = out / WEIGHTS.name
    evovae.save_state(path, join(generator=gan.average.state_dict(), discriminator=gan.discriminator.state_dict()))
    with torch.no_grad():
        drawn = gan.average(torch.randn(100, GENERATOR[0], generator=make_generator(arguments.seed, 2))).tanh()
    plots.save(plots.prior_samples((drawn.unflatten(1, (1, 28, 28)) + 1.0) / 2.0), out / "samples.png")
    print(f"weights in {path}, some of its digits in {out / 'samples.png'}")


if __name__ == "__main__":
    start(main, Arguments, __doc__)
