"""The variational autoencoder: encoder Q(z|X), decoder P(X|z), and the noise between them.

An autoencoder has three parts: an encoding function, a decoding function, and a distance that says how much was lost
between the data and its reconstruction. A variational one (Kingma and Welling 2014) makes the code a random variable:
the encoder gives the mean and the log-variance of a normal distribution Q(z|X), the distance is the negative
log-likelihood of the data under P(X|z), and the Kullback-Leibler divergence from Q(z|X) to the prior N(0, I) keeps the
codes where the prior can find them, so that a draw from the prior decodes to something believable.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evovae.base import MAX_NUMBER, InputError, files, from_json, make_generator, using_configuration
from evovae.models.config import VAEConfig
from evovae.models.networks import build_decoder, build_encoder, initialise, require_room

VAE_FILE = "vae.safetensors"
_OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "linear": lambda mean: mean,
}
_RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "linear": (-MAX_NUMBER, MAX_NUMBER)}


class _CrossEntropy(torch.autograd.Function):
    """Cross-entropy of sigmoid(logits) and x, elementwise; x may be broadcast to logits.

    Written out, and with the gradient sigmoid(logits) - x given, it takes a fifth of the time of softplus and of what
    autograd makes of it. |l|/2 + (1/2 - x) l + log(1 + e^-|l|) never overflows.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(logits, x)
        size = logits.abs()
        return ((0.5 - x) * logits).add_(size, alpha=0.5).add_(size.neg_().exp_().add_(1.0).log_())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        logits, x = ctx.saved_tensors
        return torch.sigmoid(logits).sub_(x).mul_(gradient), None


def require_values(name: str, data: Tensor, config: VAEConfig) -> None:
    """Refuse `data` (N, *data_shape) that a model of `config` can neither read nor give back.

    Args:
        name: what they are called in a message.
        data: floats; empty ones pass.
        config: sigmoid and tanh outputs bound what can be given back.

    Raises:
        InputError: if a number is not finite, or outside the range of the output; it names the first such place.
    """
    low, high = _RANGES[config.output]
    if data.numel() == 0 or bool(((data >= low) & (data <= high)).all()):
        return
    place = torch.unravel_index((~((data >= low) & (data <= high))).flatten().nonzero()[0, 0], data.shape)
    index = ", ".join(str(int(i)) for i in place)
    value = float(data[place])
    if not math.isfinite(value):
        raise InputError(f"{name}[{index}] is {value}: expected finite numbers; leave out or fill what is missing")
    remedy = "divide by 255" if low == 0.0 and 1.0 < value <= 255.0 else "scale them, or choose another output"
    raise InputError(
        f"{name}[{index}] is {value:g}: expected numbers in [{low:g}, {high:g}], "
        f"the range of a {config.output} output; {remedy}"
    )


class VAE(nn.Module):
    """A variational autoencoder, or a plain one (`config.variational=False`).

    Args:
        config: its shape and likelihood.
        seed: seed of the initial weights; the global random state is neither read nor written. None leaves them on the
            meta device, without numbers and without memory, to be loaded.
    """

    data_mean: Tensor
    data_log_variance: Tensor
    code_mean: Tensor
    code_cholesky: Tensor

    def __init__(self, config: VAEConfig | None = None, seed: int | None = 0) -> None:
        super().__init__()
        self.config = config or VAEConfig()
        require_room(self.config, torch.device("cpu"))
        # Layers made on the meta device hold no numbers yet: torch's own initialisation would draw global ones.
        with torch.device("meta"):
            self.encoder = build_encoder(self.config).float()
            self.decoder = build_decoder(self.config).float()
        if seed is not None:
            self.to_empty(device="cpu")
            initialise(self, self.config.initialisation, make_generator(seed))
        with torch.device("meta" if seed is None else "cpu"):
            self._add_constants()

    def _add_constants(self) -> None:
        real = torch.float32  # whatever torch's default may be
        # Subtracted from what the encoder reads: centred inputs make learning faster, and its rate a matter of the data
        # no more (LeCun et al. 1998, "Efficient BackProp", sec. 4.3). Zero until `centre`.
        self.register_buffer("data_mean", torch.zeros(self.config.data_shape, dtype=real))
        if self.config.likelihood == "gaussian":
            if self.config.variance is None:
                self.data_log_variance = nn.Parameter(torch.zeros((), dtype=real))
            else:
                self.register_buffer("data_log_variance", torch.full((), math.log(self.config.variance), dtype=real))
        if not self.config.variational:
            # A plain autoencoder has no prior. A normal distribution fitted to its codes afterwards takes that place
            # (Ghosh et al. 2020, "From variational to deterministic autoencoders", sec. 4).
            self.register_buffer("code_mean", torch.zeros(self.config.latent_dim, dtype=real))
            self.register_buffer("code_cholesky", torch.eye(self.config.latent_dim, dtype=real))

    @property
    def device(self) -> torch.device:
        """The device that the weights are on."""
        return next(self.parameters()).device

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return Q(z|X): mean and log-variance, both (B, D), of data `x` (B, *data_shape).

        The log-variance log(sigma^2), and not sigma, is what the encoder puts out: it may take any value, while sigma
        must stay positive. A plain autoencoder's code is a point: its log-variance is minus infinity.

        Raises:
            InputError: if `x` is not of floats, has another shape than the model reads, or holds numbers that are not
                finite or lie outside the range of the model's output.
        """
        require_values("x", x, self.config)
        return self.posterior(x)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `encode` does, without looking at the numbers of `x`: where they are known to be sound."""
        if not x.is_floating_point():
            raise InputError(
                f"x holds {x.dtype}: expected floats in [0, 1], such as evovae.data.to_unit makes of bytes"
            )
        if tuple(x.shape[1:]) != self.config.data_shape:
            shape = ", ".join(map(str, self.config.data_shape))
            raise InputError(f"x has shape {tuple(x.shape)}: expected (B, {shape})")
        code = self.encoder(x - self.data_mean)
        if not self.config.variational:
            return code, torch.full_like(code, -math.inf)
        mean, log_variance = code.chunk(2, dim=1)
        return mean, log_variance

    @staticmethod
    def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
        """Return a draw z = mean + sigma * noise from Q(z|X); all shapes broadcast to that of `noise`.

        A random node passes no gradient to the parameters of its distribution. Moving the draw outside (`noise` is
        N(0, 1) whatever the parameters are) leaves a deterministic function of mean and variance, and the gradient
        passes (Kingma and Welling 2014, sec. 2.4). `noise` takes its shape from the batch at hand, of any size.
        """
        return mean + torch.exp(0.5 * log_variance) * noise

    def decode_logits(self, z: Tensor) -> Tensor:
        """Return the mean of P(X|z) before its output function: `z` (B, D) -> (B, *data_shape)."""
        if z.ndim != 2 or z.shape[1] != self.config.latent_dim:
            raise InputError(f"z has shape {tuple(z.shape)}: expected (B, {self.config.latent_dim})")
        return self.decoder(z)

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean of P(X|z): `z` (B, D) -> (B, *data_shape), images in [0, 1].

        Raises:
            InputError: if `z` is not (B, D).
        """
        return _OUTPUTS[self.config.output](self.decode_logits(z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the decoded posterior mean of `x` (B, *data_shape), in the same shape."""
        return self.decode(self.encode(x)[0])

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` latent vectors (n, D) from the prior N(0, I); from the fitted codes for a plain autoencoder."""
        shape = (n, self.config.latent_dim)
        noise = torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float32)
        return self.codes_from_noise(noise.to(self.device))

    def codes_from_noise(self, noise: Tensor) -> Tensor:
        """Return the latent vectors (B, D) of standard normal `noise` (B, D): itself for a VAE."""
        return noise if self.config.variational else self.code_mean + noise @ self.code_cholesky.T

    def reconstruction_error(self, logits: Tensor, x: Tensor) -> Tensor:
        """Return -log P(x|z) in nats, summed over the data: `logits` (..., *data_shape) -> (...).

        Bernoulli: the cross-entropy, also for grey values in [0, 1], where it is a bound on no likelihood but the
        convention of the field. Gaussian: the density with one variance for all pixels (Rybkin et al. 2021).
        """
        dims = tuple(range(-len(self.config.data_shape), 0))
        if self.config.likelihood == "bernoulli":
            return _CrossEntropy.apply(logits, x).sum(dims)
        error = (_OUTPUTS[self.config.output](logits) - x).square().sum(dims)
        log_variance = self.data_log_variance
        constant = 0.5 * math.prod(self.config.data_shape) * (math.log(2 * math.pi) + log_variance)
        return 0.5 * error / log_variance.exp() + constant

    @staticmethod
    def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return KL(Q(z|X) || N(0, I)) in nats for each latent variable, in the shape of `mean`.

        Kingma and Welling 2014, eq. 10 and app. B.
        """
        return 0.5 * (log_variance.exp() + mean.square() - 1.0 - log_variance)

    @torch.no_grad()
    def centre(self, mean: Tensor, variance: float) -> None:
        """Begin from the data: the encoder reads them minus their `mean` (*data_shape), a gaussian learns from there.

        `variance`, around that mean and averaged over pixels, is where a learned variance of the likelihood begins.
        """
        self.data_mean.copy_(mean)
        if isinstance(getattr(self, "data_log_variance", None), nn.Parameter):
            self.data_log_variance.fill_(math.log(variance))

    def fit_codes(self, codes: Tensor) -> None:
        """Fit the normal distribution that stands in for a plain autoencoder's prior to `codes` (B, D)."""
        codes = codes.detach().double()
        jitter = 1e-10 * torch.eye(codes.shape[1], dtype=codes.dtype, device=codes.device)
        covariance = torch.atleast_2d(torch.cov(codes.T, correction=0))
        self.code_mean.copy_(codes.mean(0))
        self.code_cholesky.copy_(torch.linalg.cholesky(covariance + jitter * (1.0 + covariance.trace())))

    def save(self, path: str | Path) -> None:
        """Write weights and configuration to one safetensors file, atomically."""
        files.save_tensors(Path(path), "vae", self.state_dict(), dataclasses.asdict(self.config))

    @classmethod
    def load(cls, path: str | Path) -> VAE:
        """Read a VAE, on the CPU, from a file that `save` wrote or from a run folder that holds one.

        Raises:
            InputError: if the file is missing, truncated, of another kind or version, or does not fit itself.
        """
        path = Path(path)
        path = path / VAE_FILE if path.is_dir() else path
        tensors, values = files.load_tensors(path, "vae")
        config = from_json(VAEConfig, values, path)
        with using_configuration(path):
            vae = cls(config, seed=None)
        tensors.setdefault("data_mean", torch.zeros(config.data_shape, dtype=torch.float32))  # of files older than it
        files.load_weights(vae, path, tensors)
        return vae
