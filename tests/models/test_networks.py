"""The layers: initial weights of the variance their scheme promises, and a decoder that mirrors the encoder."""

import pytest
import torch
from refusals import refused
from torch import nn

from evovae.models import VAEConfig, initialise
from evovae.models.networks import build_decoder, build_encoder

# Inputs of one output, and outputs of one input, counted by hand. A 3x3 convolution of stride 2 reads 9 places and is
# read by 9/4 of them on average; a transposed one the other way round.
LAYERS = {
    "linear": (lambda: nn.Linear(300, 200), 300, 200),
    "conv": (lambda: nn.Conv2d(16, 32, 3, stride=2, padding=1), 16 * 9, 32 * 9 / 4),
    "transposed conv": (lambda: nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1), 32 * 9 / 4, 16 * 9),
}


@pytest.fixture(autouse=True)
def _own_random_state():
    with torch.random.fork_rng(devices=[]):  # torch's own layers draw from the global state when they are made
        yield


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("scheme", ["lecun", "he", "glorot", "unit"])
def test_initial_weights_have_the_variance_of_their_scheme(kind, scheme):
    make, n_in, n_out = LAYERS[kind]
    layer = make()
    initialise(layer, scheme, generator())
    expected = {"lecun": 1 / n_in, "he": 2 / n_in, "glorot": 2 / (n_in + n_out), "unit": 1}[scheme]
    assert layer.weight.var().item() == pytest.approx(expected, rel=0.08)
    assert abs(layer.weight.mean().item()) < 4 * (expected / layer.weight.numel()) ** 0.5
    assert not layer.bias.any()


@pytest.mark.parametrize("kind", LAYERS)
def test_the_scheme_called_torch_is_what_torchs_own_layers_begin_with(kind):
    own, ours = LAYERS[kind][0](), LAYERS[kind][0]()
    torch.manual_seed(3)
    own.reset_parameters()
    initialise(ours, "torch", generator(3))
    for name, numbers in own.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name), numbers, rtol=1e-5, atol=1e-7)
        assert numbers.std() > 0


@pytest.mark.parametrize(
    ("kind", "x_shape"), [("linear", (200, 300)), ("conv", (20, 16, 32, 32)), ("transposed conv", (20, 32, 16, 16))]
)
def test_lecun_weights_keep_the_variance_of_what_passes_a_linear_layer(kind, x_shape):
    layer = LAYERS[kind][0]()
    initialise(layer, "lecun", generator())
    with torch.no_grad():
        y = layer(torch.randn(x_shape, generator=generator(1)))
    inside = y[..., 2:-2, 2:-2] if y.ndim == 4 else y
    assert inside.var().item() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize(("scheme", "kept"), [("he", True), ("lecun", False)])
def test_he_weights_keep_the_variance_through_a_deep_relu_stack(scheme, kept):
    encoder = build_encoder(VAEConfig(data_shape=(512,), hidden=(512,) * 16, activation="relu"))
    initialise(encoder, scheme, generator())
    x, variances = torch.randn(256, 512, generator=generator(1)), []
    with torch.no_grad():
        for layer in encoder:
            x = layer(x)
            if isinstance(layer, nn.Linear):
                variances.append(x.var().item())
    # The first layer's input is no output of a ReLU: compare from the first hidden layer to the last.
    assert (0.5 < variances[15] / variances[0] < 2) == kept


@pytest.mark.parametrize("scheme", ["he", "torch"])
def test_initialisation_is_decided_by_the_generator_and_leaves_no_weight_out(scheme):
    layers = [build_encoder(VAEConfig(data_shape=(1, 8, 8), network="conv", channels=(4, 8))) for _ in range(3)]
    for layer, seed in zip(layers, (1, 1, 2), strict=True):
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.fill_(torch.nan)
        initialise(layer, scheme, generator(seed))
    first, again, other = (nn.utils.parameters_to_vector(layer.parameters()) for layer in layers)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_decoder_mirrors_the_encoder():
    config = VAEConfig(data_shape=(3, 17, 23), network="conv", channels=(4, 8, 6), hidden=(30, 20), latent_dim=5)
    encoder, decoder = build_encoder(config), build_decoder(config)
    convolutions = [(m.in_channels, m.out_channels) for m in encoder if isinstance(m, nn.Conv2d)]
    transposed = [(m.out_channels, m.in_channels) for m in decoder if isinstance(m, nn.ConvTranspose2d)]
    assert convolutions == transposed[::-1] == [(3, 4), (4, 8), (8, 6)]
    # 17x23 -> 9x12 -> 5x6 -> 3x3
    dense = [(m.in_features, m.out_features) for m in encoder if isinstance(m, nn.Linear)]
    assert dense == [(6 * 3 * 3, 30), (30, 20), (20, 2 * 5)]
    dense = [(m.in_features, m.out_features) for m in decoder if isinstance(m, nn.Linear)]
    assert dense == [(5, 20), (20, 30), (30, 6 * 3 * 3)]


@pytest.mark.parametrize(("activation", "layer"), [("silu", nn.SiLU), ("relu", nn.ReLU), ("tanh", nn.Tanh)])
@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_the_nonlinearity_stands_between_all_layers_and_not_at_the_end(network, activation, layer):
    config = VAEConfig(data_shape=(1, 8, 8), network=network, channels=(4, 4), hidden=(6, 6), activation=activation)
    for stack in (build_encoder(config), build_decoder(config)):
        kinds = [type(m) for m in stack if not isinstance(m, nn.Flatten | nn.Unflatten)]
        assert kinds[1::2] == [layer] * (len(kinds) // 2)
        assert layer not in kinds[::2]
        assert len(kinds) % 2 == 1


def test_more_levels_than_an_image_can_be_halved_are_refused() -> None:
    build_encoder(VAEConfig(data_shape=(1, 8, 28), network="conv", channels=(4, 4, 4)))
    with refused("3 levels", "(7, 28)", "fewer"):
        build_encoder(VAEConfig(data_shape=(1, 7, 28), network="conv", channels=(4, 4, 4)))
