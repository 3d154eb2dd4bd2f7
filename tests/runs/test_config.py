"""Settings that make no model, no training and no evolution are refused before anything starts."""

import dataclasses
import inspect
import math
import subprocess
import sys
import typing

import numpy as np
import pytest
import torch
from refusals import refused

from evovae import evolution
from evovae.base import require_number, require_whole, shown
from evovae.models import TrainConfig, VAEConfig
from evovae.runs import EvolveConfig
from evovae.runs.evolutions.operators import CROSSOVERS, SELECTIONS, Mate, Select
from evovae.runs.searches import BASELINES, SEARCHES, Baseline

BASE = {VAEConfig: {"likelihood": "gaussian"}, TrainConfig: {"corruption": "gaussian"}, EvolveConfig: {}}


def fields_of(*types: str) -> list:
    """Every setting of one of these types, with its configuration: new ones come under test by themselves."""
    return [
        pytest.param(config, field.name, id=f"{config.__name__}.{field.name}")
        for config in BASE
        for field in dataclasses.fields(config)
        if field.type in types
    ]


@pytest.mark.parametrize("config", BASE)
def test_the_defaults_are_accepted(config):
    assert config() == config(**{field.name: field.default for field in dataclasses.fields(config)})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("config", "name"), fields_of("float", "float | None"))
def test_a_number_that_is_not_finite_is_refused(config, name, value):
    with refused(str(value), "expected"):
        config(**{**BASE[config], name: value})


@pytest.mark.parametrize("value", [math.nan, math.inf, 2.5, True, "3", -1])
@pytest.mark.parametrize(("config", "name"), fields_of("int", "int | None"))
def test_a_count_that_is_no_whole_number_is_refused(config, name, value):
    with refused(name.replace("_", " "), repr(value), "whole number"):
        config(**{name: value})


@pytest.mark.parametrize("config", BASE)
def test_an_unknown_choice_is_refused_with_the_known_ones(config):
    choices = {name: typing.get_args(t) for name, t in typing.get_type_hints(config).items()}
    choices = {name: known for name, known in choices.items() if known and all(isinstance(k, str) for k in known)}
    assert choices
    for name, known in choices.items():
        with refused(name, "'nonsense'", ", ".join(known)):
            config(**{name: "nonsense"})
        for value in known:
            if name != "output":  # only vectors may choose it
                assert getattr(config(**{**BASE[config], name: value}), name) == value


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"data_shape": (28, 28)}, ("data shape", "(28, 28)", "(C, H, W)")),
        ({"data_shape": ()}, ("data shape", "()")),
        ({"data_shape": (1, 0, 28)}, ("data shape", "(1, 0, 28)")),
        ({"data_shape": [1, 28, 28]}, ("data shape", "tuple")),
        ({"data_shape": 784}, ("data shape", "784")),
        ({"data_shape": "abc"}, ("data shape", "'abc'")),
        ({"hidden": (128, 0)}, ("hidden", "(128, 0)")),
        ({"hidden": (12.5,)}, ("hidden", "12.5")),
        ({"hidden": (math.nan,)}, ("hidden", "nan")),
        ({"channels": (8, -1)}, ("channels", "(8, -1)")),
        ({"latent_dim": 0}, ("latent dim", "0")),
        ({"data_shape": (9,), "network": "conv"}, ("conv", "(9,)", "use mlp")),
        ({"network": "conv", "channels": ()}, ("channels", "empty")),
        ({"output": "linear", "likelihood": "gaussian"}, ("output", "'linear'", "images need sigmoid")),
        ({"data_shape": (9,), "output": "tanh"}, ("output", "'tanh'", "--likelihood gaussian")),
        ({"variance": 0.1}, ("variance", "0.1", "--likelihood gaussian")),
        ({"likelihood": "gaussian", "variance": 0.0}, ("variance", "0.0", "positive")),
        ({"variational": "no"}, ("variational", "'no'", "true or false")),
    ],
)
def test_settings_that_make_no_model_are_refused(settings, words):
    with refused(*words):
        VAEConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epochs": 0}, ("epochs", "0", "1 or more")),
        ({"iterations": 0}, ("iterations", "0", "1 or more")),
        ({"batch_size": 0}, ("batch size", "0", "1 or more")),
        ({"train_images": 0}, ("train images", "0", "1 or more")),
        ({"learning_rate": 0.0}, ("learning rate", "0.0", "positive")),
        ({"beta": -0.5}, ("beta", "-0.5", "0 or more")),
        ({"beta_warmup": 1.5}, ("beta warmup", "1.5", "0 to 1")),
        ({"corruption_level": -0.1}, ("corruption level", "-0.1")),
        ({"corruption": "masking", "corruption_level": 1.5}, ("corruption level", "1.5", "probability")),
        ({"corruption": "salt-and-pepper", "corruption_level": 1.5}, ("corruption level", "1.5", "probability")),
        ({"seed": 2**63}, ("seed", str(2**63))),
    ],
)
def test_settings_that_train_nothing_are_refused(settings, words):
    with refused(*words):
        TrainConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"population": 1}, ("population", "1", "2 or more")),
        ({"replicates": 0}, ("replicates", "0", "1 or more")),
        ({"tournsize": 0}, ("tournsize", "0", "1 or more")),
        ({"hall_of_fame": 0}, ("hall of fame", "0", "1 or more")),
        *(({name: 1.01}, (name, "1.01", "probability")) for name in ("cxpb", "mutpb", "indpb", "swap")),
        *(({name: -0.01}, (name, "-0.01", "probability")) for name in ("cxpb", "mutpb", "indpb", "swap")),
        ({"alpha": -1.0}, ("alpha", "-1.0", "0 or more")),
        ({"sigma": -1.0}, ("sigma", "-1.0", "0 or more")),
        ({"eta": math.nan}, ("eta", "nan", "0 or more")),
        ({"offspring": 0}, ("offspring", "0", "1 or more")),
        ({"offspring": 9, "algorithm": "eaSimple"}, ("offspring", "eaMuPlusLambda", "not for eaSimple")),
        ({"offspring": 9, "algorithm": "eaGenerateUpdate"}, ("offspring", "not for eaGenerateUpdate")),
        ({"offspring": 9, "algorithm": "eaMuCommaLambda"}, ("offspring", "9", "at least the population, 200")),
        ({"elites": -1}, ("elites", "-1", "0 to 199")),
        ({"elites": 200}, ("elites", "200", "0 to 199")),
        ({"elites": 1, "algorithm": "eaMuPlusLambda"}, ("elites", "only eaSimple", "not eaMuPlusLambda")),
        ({"algorithm": "eaMuPlusLambda", "mutpb": 0.6}, ("0.5 and 0.6", "eaMuPlusLambda", "at most 1")),
        ({"algorithm": "eaGenerateUpdate", "sigma": 0.0}, ("sigma", "is 0.0", "positive")),
        ({"algorithm": "magic"}, ("algorithm", "'magic'", "eaSimple")),
        ({"select": "selMagic"}, ("select", "'selMagic'", "selTournament")),
        ({"baselines": ("luck",)}, ("luck", "random-search")),
        ({"baselines": ("random-search", "random-search")}, ("baselines", "once")),
        ({"stop_target": math.inf}, ("stop target", "inf", "finite")),
        ({"stop_stagnation": 0}, ("stop stagnation", "0", "1 or more")),
        ({"stop_evaluations": 0}, ("stop evaluations", "0", "1 or more")),
        ({"stop_seconds": 0.0}, ("stop seconds", "0.0", "positive")),
        ({"seed": 2**63}, ("seed", str(2**63))),
    ],
)
def test_settings_that_evolve_nothing_are_refused(settings, words):
    with refused(*words):
        EvolveConfig(**settings)


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        (VAEConfig, {"data_shape": (5,), "hidden": (), "latent_dim": 1}),
        (VAEConfig, {"data_shape": (3, 4, 5), "network": "conv", "channels": (2, 2)}),
        (TrainConfig, {"beta": 0.0, "beta_warmup": 1.0, "corruption": "masking", "corruption_level": 1.0}),
        (TrainConfig, {"corruption": "gaussian", "corruption_level": 2.0, "seed": 2**63 - 1}),
        (EvolveConfig, {"algorithm": "eaMuCommaLambda", "offspring": 200, "cxpb": 0.5, "mutpb": 0.5, "baselines": ()}),
        (EvolveConfig, {"elites": 199, "stop_stagnation": 1, "stop_evaluations": 1, "stop_seconds": 1e-9}),
        (EvolveConfig, {"generations": 0, "population": 2, "cxpb": 0.0, "mutpb": 1.0, "sigma": 0.0, "tournsize": 1}),
    ],
)
def test_settings_at_their_limits_are_accepted(config, settings):
    assert dataclasses.replace(config(**settings)) == config(**settings)


def test_the_notebook_s_run_is_the_founding_one():
    model, training = VAEConfig.notebook(), TrainConfig.notebook()
    assert (model.data_shape, model.hidden, model.latent_dim) == ((1, 28, 28), (128,), 100)
    assert (model.activation, model.initialisation, model.likelihood) == ("relu", "he", "bernoulli")
    assert (training.iterations, training.batch_size, training.train_images) == (100_000, 64, 55_000)
    assert (training.learning_rate, training.schedule, training.beta) == (1e-3, "constant", 1.0)


@pytest.mark.parametrize("module", ["evovae", "evovae.models.config", "evovae.runs.config"])
def test_settings_are_shown_without_importing_torch(module):
    script = f"import sys, {module}; print(*({{'torch', 'numpy'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (np.float32(0.5), "0.5"),
        (np.int64(3), "3"),
        (True, "True"),
        ("a\nb", r"'a\nb'"),
        ([1.0] * 9, "[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, ...]"),
        (np.zeros((2, 3)), "ndarray of shape (2, 3)"),
        (torch.zeros(2, 300), "Tensor of shape (2, 300)"),
        (torch.tensor(2.0), "tensor(2.)"),
        (torch.Tensor, "<class 'torch.Tensor'>"),
        ([torch.zeros(2, 2)], "[tensor([[0., 0.], [0., 0.]])]"),
    ],
)
def test_a_value_is_shown_in_one_short_line(value, text):
    assert shown(value) == text


@pytest.mark.parametrize("value", [None, "3", 2.5, True, [3], math.nan])
def test_what_is_no_whole_number_is_refused_where_one_is_expected(value):
    with refused(f"number is {value!r}: expected a whole number, 1 to 9"):
        require_whole("number", value, 1, 9)
    require_whole("number", np.int64(9), 1, 9)


@pytest.mark.parametrize("value", [None, "3", [3.0], math.nan, -0.5])
def test_what_is_no_number_is_refused_where_one_is_expected(value):
    with refused(f"number is {value!r}: expected 0 or more"):
        require_number("number", value)


def test_every_baseline_of_the_register_can_be_asked_for() -> None:
    assert typing.get_args(Baseline) == tuple(BASELINES)
    assert EvolveConfig(baselines=tuple(BASELINES)).baselines == tuple(BASELINES)


def test_every_operator_of_the_registers_can_be_asked_for_and_takes_settings_that_there_are() -> None:
    settings = {field.name for field in dataclasses.fields(EvolveConfig)}
    for names, register in ((Mate, CROSSOVERS), (Select, SELECTIONS)):
        assert typing.get_args(names) == tuple(register)
        for name, operator in register.items():
            asked = inspect.signature(getattr(evolution, name)).parameters.keys()
            assert operator.parameters.keys() == asked - {"first", "second", "random", "population", "k"}
            assert set(operator.parameters.values()) <= settings


def test_searches_are_kept_apart_from_one_another() -> None:
    for names in zip(*(method[:3] for method in SEARCHES.values()), strict=True):  # labels, histories, prefixes
        assert len(set(names)) == len(SEARCHES)
