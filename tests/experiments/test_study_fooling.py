"""Fooling images: the classifiers that are fooled, and the searches for what fools them."""

from dataclasses import replace

import pytest
import torch
from methods import classifiers
from methods.elites import LIMIT, SETUPS, breed, choose, polynomial

import evovae
from evovae.base import Streams
from evovae.data import to_unit
from evovae.encodings import PixelEncoding

ENCODING = PixelEncoding((1, 28, 28))


def light(images: torch.Tensor) -> torch.Tensor:
    """Logits that grow with the light in a digit's own rows, and leave the last three digits out."""
    rows = images.flatten(1)[:, :770].unflatten(1, (10, 77)).mean(2)
    return torch.where(torch.arange(10) < 7, 50 * rows, -1e9)


@pytest.mark.parametrize(("kind", "weights"), [("caffe", 431_080), ("pyribs", 44_426)])
def test_classifiers_are_as_large_as_their_sources_and_keep_what_they_learned(kind, weights, tmp_path):
    digits = evovae.load_images("mnist")
    classifier = classifiers.train(kind, digits.train, seed=0, steps=100)
    assert sum(parameter.numel() for parameter in classifier.parameters()) == weights
    images, labels = to_unit(digits.test.images[:500]), digits.test.labels[:500]
    assert (classifier(images).argmax(1) == labels).double().mean() > 0.8
    classifiers.save(classifier, tmp_path / "classifier.safetensors")
    again = classifiers.load(kind, tmp_path / "classifier.safetensors")
    assert torch.equal(again(images), classifier(images))
    other = classifiers.train(kind, digits.train, seed=1, steps=1)
    assert not torch.equal(other[-1].weight, classifiers.train(kind, digits.train, seed=0, steps=1)[-1].weight)


@pytest.mark.parametrize("name", SETUPS)
def test_an_elite_is_the_best_image_that_its_digit_was_tried_for(name):
    how = replace(SETUPS[name], latent=False, batch=20)
    if how.mutate is not None and "latent" in name:
        how = replace(how, mutate=polynomial(0.0, 1.0))
    before = torch.full((10,), -1.0)
    with torch.no_grad():
        for elites in breed(how, ENCODING, light, 15, Streams(3, 1)):
            assert (elites.confidence >= before).all(), "an elite is never lost"
            before = elites.confidence
            there = elites.confidence >= 0
            shown = light(ENCODING.decode(elites.genomes)).softmax(1).diagonal()
            torch.testing.assert_close(shown[there], elites.confidence[there])
            assert ((elites.genomes >= 0) & (elites.genomes <= 1)).all()
    assert elites.generation == 15
    assert there.sum() == (there[:7].sum() if how.seen_alone else 10)
    (again,) = [last for last in breed(how, ENCODING, light, 15, Streams(3, 1)) if last.generation == 15]
    assert torch.equal(again.genomes, elites.genomes)


def test_evolution_beats_as_many_random_images():
    ends = {}
    for name in ("pixels", "pixels, random"):
        *_, last = breed(replace(SETUPS[name], batch=50), ENCODING, light, 30, Streams(0, 1))
        ends[name] = last.confidence[:7]
    assert (ends["pixels"] > ends["pixels, random"]).all()


def test_an_image_is_tried_for_the_digit_seen_alone_only_where_that_is_asked():
    for seen_alone in (True, False):
        how = replace(SETUPS["pixels, random"], batch=1, seen_alone=seen_alone)
        (first,) = breed(how, ENCODING, light, 0, Streams(1, 1))
        assert (first.confidence >= 0).sum() == (1 if seen_alone else 10)


def test_parents_are_the_elites_that_there_are_each_as_often():
    genomes = torch.arange(10.0).unsqueeze(1)
    confidence = torch.where(torch.arange(10) % 2 == 0, 0.5, -1.0)
    parents = choose(genomes, confidence, 5000, Streams(0, 1)).flatten()
    counts = torch.bincount(parents.long(), minlength=10)
    assert counts[1::2].sum() == 0
    assert (counts[::2] - 1000).abs().max() < 150
    assert choose(genomes, torch.full((10,), -1.0), 5000, Streams(0, 1)).unique().numel() == 10


def test_the_rate_of_mutation_is_halved_every_thousand_generations():
    mutate, parents = polynomial(-LIMIT, LIMIT), torch.zeros(1, 200, 784)
    for generation, rate in ((0, 0.1), (999, 0.1), (1000, 0.05), (3500, 0.0125)):
        changed = (mutate(parents, Streams(0, 1), generation) != 0).double().mean().item()
        assert changed == pytest.approx(rate, rel=0.05)


def test_the_published_budgets_are_those_of_the_setups():
    assert (SETUPS["pixels, pyribs"].generations + 1) * SETUPS["pixels, pyribs"].batch == 900_000
    evolved, random = SETUPS["latent"], SETUPS["latent, random"]
    assert (evolved.batch, evolved.generations) == (random.batch, random.generations) == (200, 200)
