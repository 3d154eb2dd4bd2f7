"""Judges know their digits, train alike from one seed, touch nothing global, and refuse files that are not theirs."""

import json
import math
import random
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from precision import default_dtype
from safetensors.torch import load_file, save_file

from evovae.base import InputError, State, files
from evovae.data import Images, ImageSet
from evovae.objectives import (
    ROLES,
    Judge,
    JudgeStore,
    JudgeTraining,
    Reliability,
    accuracy,
    judges_for,
    log_odds,
    measure,
    train_judge,
)
from evovae.objectives.judges import training

WEIGHTS = Path(str(resources.files("evovae.objectives.judges") / "weights"))


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory) -> Path:
    """The folder of the user's cache that judges are kept in, empty at first; trainings are brief."""
    monkeypatch.setattr(training, "MAX_STEPS", 24)
    monkeypatch.setattr(training, "ROUND", 6)
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "evovae" / "judges"


@pytest.fixture
def trainings(monkeypatch) -> list[str]:
    """The roles whose judges are trained, one after another."""
    begun: list[str] = []
    train = JudgeStore._train
    monkeypatch.setattr(JudgeStore, "_train", lambda self, role: begun.append(role) or train(self, role))
    return begun


def stripes(name: str = "stripes", shape=(1, 16, 16), n: int = 64, seed: int = 3) -> ImageSet:
    """Images with noise whose upper or lower half is bright: classes that anything can learn."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 100, (n, *shape), generator=generator)
    labels = torch.arange(n) % 2
    half = shape[1] // 2
    pixels[labels == 0, :, :half] += 150
    pixels[labels == 1, :, half:] += 150
    images = Images(pixels.to(torch.uint8), labels)
    return ImageSet(name, images, images, ("upper", "lower"))


def trained(architecture, seed: int, image_set: ImageSet) -> tuple[Judge, list]:
    judge = Judge(architecture, image_set.shape, len(image_set.classes), seed)
    return judge, list(train_judge(judge, image_set.train, seed))


@pytest.mark.parametrize("architecture", ["lenet", "convnext"])
def test_a_judge_learns_and_reads_the_same_whatever_torchs_default_type(architecture):
    expected, rounds = trained(architecture, 1, stripes())
    with default_dtype(torch.float64):
        found, others = trained(architecture, 1, stripes())
    assert same(found, expected)
    assert [(one.loss, one.accuracy) for one in others] == [(one.loss, one.accuracy) for one in rounds]


def same(a: Judge, b: Judge) -> bool:
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return all(i == j and torch.equal(p, q) for (i, p), (j, q) in pairs)


@pytest.mark.parametrize("position", [0, 1])
def test_shipped_judges_read_the_mnist_test_set(digits, position):
    judge = judges_for(digits)[position]
    assert accuracy(judge, digits.test) >= 0.989
    assert judge.architecture == list(ROLES.values())[position][0]
    assert not judge.training
    assert not any(p.requires_grad for p in judge.parameters())


def test_shipped_files_are_small():
    sizes = {path.name: path.stat().st_size for path in WEIGHTS.glob("*.safetensors")}
    assert sorted(sizes) == ["heldout-mnist.safetensors", "judge-mnist.safetensors"]
    assert max(sizes.values()) <= 300_000


@pytest.mark.parametrize("architecture", ["lenet", "convnext"])
def test_a_seed_decides_every_bit(architecture):
    first, records = trained(architecture, 5, stripes())
    again, _ = trained(architecture, 5, stripes())
    other, _ = trained(architecture, 6, stripes())
    assert same(first, again)
    assert not same(first, other)
    assert records[-1].step == records[-1].steps
    assert not same(Judge(architecture, (1, 16, 16), 2, 5), Judge(architecture, (1, 16, 16), 2, 6))


def test_training_images_are_moved_by_up_to_a_pixel_each_way(monkeypatch):
    """White images with a black pixel in the middle: it is seen in all nine places, and no border is drawn in."""
    monkeypatch.setattr(training, "ROUND", 1000)
    pixels = torch.full((64, 1, 16, 16), 255, dtype=torch.uint8)
    pixels[:, :, 8, 8] = 0
    judge, seen = Judge("lenet", (1, 16, 16), 2), []
    judge.layers.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    learning = JudgeTraining(judge, Images(pixels, torch.arange(64) % 2), steps=80)
    while learning.iteration < 79:  # the step after would look at the held-back images, too
        learning.step()
    assert {tuple(place) for x in seen for place in (x == 0).nonzero()[:, 2:].tolist()} == {
        (row, column) for row in (7, 8, 9) for column in (7, 8, 9)
    }
    assert all(((x == 0).sum((1, 2, 3)) == 1).all() and ((x == 1).sum((1, 2, 3)) == 255).all() for x in seen)


@pytest.mark.parametrize("architecture", ["lenet", "convnext"])
def test_global_random_state_is_neither_read_nor_written(architecture):
    before = torch.get_rng_state(), random.getstate(), str(np.random.get_state())  # noqa: NPY002 (the state itself)
    first, _ = trained(architecture, 5, stripes())
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), str(np.random.get_state()))  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        assert same(first, trained(architecture, 5, stripes())[0])


@pytest.mark.parametrize("architecture", ["lenet", "convnext"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 33, 17), (3, 64, 64), (3, 128, 70)])
def test_image_sizes_from_8_to_128_train(architecture, shape):
    image_set = stripes(shape=shape, n=8)
    judge, records = trained(architecture, 0, image_set)
    assert records[-1].loss < math.log(2), "that of knowing nothing of two classes"
    assert judge(torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))).shape == (3, 2)
    assert sum(p.numel() for p in judge.parameters()) * 4 < 300_000


@pytest.mark.parametrize("architecture", ["lenet", "convnext"])
def test_a_judge_scores_an_image_alone_as_it_does_among_others(architecture):
    judge = Judge(architecture, (1, 28, 28), 10).train()
    x = torch.rand(9, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(judge(x)[4:5], judge(x[4:5]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["lenet", "convnext"])
def test_a_loaded_judge_is_the_saved_one(architecture, tmp_path):
    judge = Judge(architecture, (3, 20, 24), 7, seed=4)
    judge.trained_on, judge.digest = "pictures", "0123"
    judge.reliability = Reliability(100, 0.9, 0.5, 1.0)
    judge.save(tmp_path / "judge.safetensors")
    loaded = Judge.load(tmp_path / "judge.safetensors")
    assert same(judge, loaded)
    x = torch.rand(5, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    assert torch.equal(judge(x), loaded(x))
    assert (loaded.architecture, loaded.data_shape, loaded.classes) == (architecture, (3, 20, 24), 7)
    assert (loaded.trained_on, loaded.digest, loaded.reliability) == ("pictures", "0123", judge.reliability)
    assert [p.name for p in tmp_path.iterdir()] == ["judge.safetensors"]


def bad_files(path: Path) -> dict[str, bytes]:
    """Bytes of files that are no judge, made from the judge at `path`."""
    whole, tensors = path.read_bytes(), load_file(path)
    metadata = {"evovae": "judge", "format": "1"}
    config = {"architecture": "lenet", "data_shape": [1, 16, 16], "classes": 2, "trained_on": ""}
    name, tensor = next(iter(tensors.items()))

    def file(tensors=tensors, config=config, **changed) -> bytes:
        save_file(tensors, path, metadata | {"config": json.dumps(config)} | changed)
        return path.read_bytes()

    return {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "no safetensors": b"these are not the weights you are looking for",
        "no metadata": file(evovae=""),
        "another kind": file(evovae="vae"),
        "another format": file(format="99"),
        "no configuration": file(config="null"),
        "unknown architecture": file(config=config | {"architecture": "resnet"}),
        "words for numbers": file(config=config | {"classes": "ten"}),
        "a shape of two": file(config=config | {"data_shape": [16, 16]}),
        "a shape of halves": file(config=config | {"data_shape": [1.5, 16, 16]}),
        "true for a number": file(config=config | {"classes": True}),
        "nothing for a name": file(config=config | {"trained_on": None}),
        "more than a configuration": file(config=config | {"colour": "red"}),
        "a share of two": file(config=config | {"reliability": {"test": 2.0}}),
        "no reliability": file(config=config | {"reliability": "good"}),
        "half a configuration": file(config={"architecture": "lenet"}),
        "other classes": file(config=config | {"classes": 3}),
        "astronomically many classes": file(config=config | {"classes": 10**15}),
        "tensor missing": file({k: v for k, v in tensors.items() if k != name}),
        "tensor too many": file(tensors | {"more": torch.zeros(1)}),
        "tensor of another shape": file(tensors | {name: tensor[..., :1].contiguous()}),
    }


def test_no_memory_is_taken_for_weights_that_a_configuration_only_claims(tmp_path, monkeypatch):
    path = tmp_path / "judge.safetensors"
    Judge("lenet", (1, 16, 16), 2).save(path)
    tensors, config = files.load_tensors(path, "judge")
    files.save_tensors(path, "judge", tensors, config | {"data_shape": [10**6, 16, 16]})
    monkeypatch.setattr(torch.nn.Module, "to_empty", lambda *_, **__: pytest.fail("memory was taken"))
    with pytest.raises(InputError, match="does not fit its own configuration"):
        Judge.load(path)


def test_a_bad_file_is_refused_in_one_line_that_names_it(tmp_path):
    path = tmp_path / "judge.safetensors"
    Judge("lenet", (1, 16, 16), 2).save(path)
    for what, content in bad_files(path).items():
        path.write_bytes(content)
        with pytest.raises(InputError) as refused:
            Judge.load(path)
        assert str(path) in str(refused.value), what
        assert "\n" not in str(refused.value), what
    with pytest.raises(InputError, match=r"nowhere\.safetensors"):
        Judge.load(tmp_path / "nowhere.safetensors")


def test_judges_of_other_images_are_trained_once_and_kept_beside_the_vae_and_in_the_cache(tmp_path, cache, trainings):
    first = judges_for(stripes(), tmp_path / "run")
    assert trainings == ["judge", "heldout"]
    names = ["heldout.safetensors", "judge.safetensors"]
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == names
    assert sorted(p.name for p in (cache / stripes().digest).iterdir()) == names
    assert first.judge.architecture != first.held_out.architecture
    assert all(accuracy(judge, stripes().test) > 0.9 for judge in first)
    second = judges_for(stripes(), tmp_path / "run")
    assert len(trainings) == 2
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    assert not any(p.requires_grad for judge in second for p in judge.parameters())


def test_judges_belong_to_pictures_whatever_these_are_called_and_wherever_they_lie(tmp_path, trainings):
    first = judges_for(stripes("here"))
    for place in (None, tmp_path / "a new VAE"):
        moved = judges_for(stripes("/moved/elsewhere"), place)
        assert all(same(a, b) for a, b in zip(first, moved, strict=True))
    assert len(trainings) == 2
    assert (tmp_path / "a new VAE" / "judge.safetensors").is_file()


def corrected(image_set: ImageSet) -> ImageSet:
    labels = image_set.train.labels.clone()
    labels[0] = 1 - labels[0]
    return ImageSet(image_set.name, Images(image_set.train.images, labels), image_set.test, image_set.classes)


@pytest.mark.parametrize(
    "other",
    [corrected(stripes()), stripes(seed=4), stripes(shape=(3, 16, 16))],
    ids=["labels", "pictures", "shape"],
)
def test_judges_of_other_labels_or_pictures_are_trained_anew(tmp_path, other, trainings):
    judges_for(stripes(), tmp_path)
    found = judges_for(other, tmp_path)
    assert trainings == ["judge", "heldout"] * 2
    assert found.judge.digest == other.digest == Judge.load(tmp_path / "judge.safetensors").digest


def test_a_judge_from_before_digests_is_trained_anew(tmp_path, trainings):
    judge = Judge("lenet", (1, 16, 16), 2)
    judge.trained_on = "stripes"
    judge.save(tmp_path / "judge.safetensors")
    JudgeStore(stripes(), [tmp_path], torch.device("cpu")).get("judge")
    assert trainings == ["judge"]


def test_the_shipped_judges_are_found_by_the_digits_and_not_by_a_name(digits, trainings):
    renamed = ImageSet("/copies/of/mnist", digits.train, digits.test, digits.classes)
    assert judges_for(renamed).judge.trained_on == "mnist"
    assert not trainings
    few = digits.train.subset(300, seed=0)
    judges_for(ImageSet("mnist", few, few, digits.classes))
    assert trainings == ["judge", "heldout"]


def test_judges_are_had_where_nothing_can_be_written(tmp_path, monkeypatch, trainings):
    taken = tmp_path / "file"
    taken.write_text("where folders cannot be made")
    monkeypatch.setenv("XDG_CACHE_HOME", str(taken))
    judges_for(stripes(), taken / "vae")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "expanduser", lambda _: (_ for _ in ()).throw(RuntimeError("no home")))
    judges_for(stripes(), tmp_path / "run")
    judges_for(stripes(), tmp_path / "run")
    assert trainings == ["judge", "heldout"] * 2


def test_one_judge_alone_is_trained_when_it_is_asked_for(cache, trainings):
    store = JudgeStore(stripes(), [], torch.device("cpu"))
    assert store.found() is None
    assert store.known() == {}
    assert not cache.exists()
    judge = store.get("judge")
    assert trainings == ["judge"]
    assert store.known() == {"judge": judge}
    assert store.found() is None
    assert store.both() == store.found() == (judge, store.get("heldout"))


def test_images_of_one_class_have_no_judges(trainings):
    image_set = stripes()
    single = ImageSet("one", *(Images(image_set.train.images, torch.zeros(64, dtype=torch.int64)),) * 2, ("all",))
    store = JudgeStore(single, [], torch.device("cpu"))
    assert store.found() is store.both() is None
    assert not trainings
    with pytest.raises(InputError, match="2 or more"):
        judges_for(single)


@pytest.mark.parametrize("architecture", ["lenet", "convnext"])
@pytest.mark.parametrize("stop", [1, 6, 17, 23])
def test_a_training_goes_on_where_it_was_left(architecture, stop, tmp_path):
    image_set = stripes(n=300)
    whole = JudgeTraining(Judge(architecture, (1, 16, 16), 2), image_set.train, 5)
    records = [record for _ in iter(lambda: whole.done, True) if (record := whole.step()) is not None]
    first = JudgeTraining(Judge(architecture, (1, 16, 16), 2), image_set.train, 5)
    for _ in range(stop):
        first.step()
    files.save_tensors(tmp_path / "state", "judge training", first.state(), {})
    second = JudgeTraining(Judge(architecture, (1, 16, 16), 2), image_set.train, 5)
    second.restore(State(files.load_tensors(tmp_path / "state", "judge training")[0]))
    rest = [record for _ in iter(lambda: second.done, True) if (record := second.step()) is not None]
    assert same(whole.judge, second.judge)
    known = [(record.step, record.loss, record.accuracy) for record in records if record.step > stop]
    assert known == [(record.step, record.loss, record.accuracy) for record in rest]


@pytest.mark.parametrize("damaged", [False, True])
def test_a_training_that_is_stopped_is_kept_and_goes_on(cache, damaged, monkeypatch):
    steps: list[int] = []
    step = JudgeTraining.step
    monkeypatch.setattr(JudgeTraining, "step", lambda self: steps.append(self.iteration) or step(self))

    def stop() -> None:
        if len(steps) == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        JudgeStore(stripes(), [], torch.device("cpu"), stop).get("judge")
    (kept,) = (cache / stripes().digest).iterdir()
    if damaged:
        kept.write_bytes(kept.read_bytes()[:-9])
    gone_on = JudgeStore(stripes(), [], torch.device("cpu")).get("judge")
    assert steps[10] == (0 if damaged else 10)
    assert [p.name for p in kept.parent.iterdir()] == ["judge.safetensors"]
    (kept.parent / "judge.safetensors").unlink()
    assert same(gone_on, JudgeStore(stripes(), [], torch.device("cpu")).get("judge"))


def test_a_training_ends_when_held_back_images_are_read_no_better(monkeypatch):
    monkeypatch.setattr(training, "MAX_STEPS", 500)
    _, records = trained("lenet", 0, stripes(n=300))
    assert records[-1].step == records[-1].steps < 200
    assert records[-1].accuracy == 1


def test_images_that_are_held_back_are_looked_at_and_not_learned(monkeypatch):
    """Each image is of one grey, which no move changes: it tells which image is met."""
    monkeypatch.setattr(training, "ROUND", 30)
    greys = torch.arange(240, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 16, 16)
    learning = JudgeTraining(Judge("lenet", (1, 16, 16), 2), Images(greys, torch.arange(240) % 2), steps=30)
    met = []
    learning.judge.layers.register_forward_pre_hook(lambda _, given: met.append((given[0][:, 0, 0, 0] * 255).round()))
    while learning.step() is None:
        pass
    learned, seen = (set(torch.cat(batches).int().tolist()) for batches in (met[:30], met[30:]))
    assert len(seen) == 24
    assert learned == set(range(240)) - seen


def test_how_well_a_judge_reads_is_measured_on_either_split_and_against_naming_one_class_alone():
    class Bright(torch.nn.Module):
        """Says 1 of bright images, and 0 of dark ones."""

        device = torch.device("cpu")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([1 - x.mean((1, 2, 3), keepdim=True), x.mean((1, 2, 3), keepdim=True)], 1).flatten(1)

    def images(*labels: int, wrong: int) -> Images:
        bright = torch.tensor([label if i >= wrong else 1 - label for i, label in enumerate(labels)])
        pixels = (255 * bright).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
        return Images(pixels, torch.tensor(labels))

    train, test = images(0, 1, 0, 1, wrong=0), images(0, 0, 0, 1, 1, wrong=2)
    found = measure(Bright(), ImageSet("grey", train, test, ("dark", "bright")))
    assert found == Reliability(images=5, test=0.6, chance=0.6, train=1.0)


@pytest.mark.parametrize(
    ("found", "doubt"),
    [
        (Reliability(), ""),
        (Reliability(10_000, 0.99, 0.11, 0.99), ""),
        (Reliability(200, 0.47, 0.5, 0.92), "chance"),
        (Reliability(3, 0.67, 0.34, 1.0), "chance"),
        (Reliability(200, 1.0, 1.0, 1.0), "chance"),
        (Reliability(2000, 0.3, 0.05, 1.0), "by heart"),
        (Reliability(200, 0.6, 0.05, 1.0), ""),
        (Reliability(20, 0.5, 0.1, 1.0), ""),
    ],
)
def test_a_judge_that_counts_for_little_says_so(found, doubt):
    assert doubt in found.doubt
    assert bool(found.doubt) == bool(doubt)
    assert found.doubt in str(found)


def test_a_judge_of_labels_that_mean_nothing_says_so():
    image_set = stripes(n=60)
    labels = torch.randint(0, 2, (60,), generator=torch.Generator().manual_seed(0))
    noise = ImageSet("noise", *(Images(image_set.train.images[h], labels[h]) for h in (slice(40), slice(40, 60))), "ab")
    judge, _ = trained("lenet", 0, noise)
    assert measure(judge.eval(), noise).doubt == "no better than chance"


def test_a_broken_judge_in_the_folder_is_not_overwritten(tmp_path):
    path = tmp_path / "judge.safetensors"
    path.write_bytes(b"broken")
    with pytest.raises(InputError, match=r"judge\.safetensors"):
        judges_for(stripes(), tmp_path)
    assert path.read_bytes() == b"broken"


def test_mnist_in_another_size_is_not_judged_by_the_shipped_weights():
    assert judges_for(stripes("mnist")).judge.data_shape == (1, 16, 16)


def test_log_odds_are_those_of_the_probabilities():
    logits = torch.randn(50, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    for k in range(10):
        p = logits.softmax(1)[:, k]
        torch.testing.assert_close(log_odds(logits, k), p.log() - (1 - p).log(), rtol=1e-9, atol=1e-9)


def test_log_odds_tell_images_apart_where_probabilities_no_longer_do():
    logits = torch.tensor([[50.0, 0, 0], [60.0, 0, 0], [-3e4, 0, 0], [3e4, 0, 0]], requires_grad=True)
    assert logits[0].softmax(0)[0] == logits[1].softmax(0)[0] == 1
    odds = log_odds(logits, 0)
    assert odds.isfinite().all()
    assert odds[0] < odds[1] < odds[3]
    odds.sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("k", [-1, 10])
def test_log_odds_of_no_class(k):
    with pytest.raises(InputError, match="0 to 9"):
        log_odds(torch.zeros(2, 10), k)


@pytest.mark.parametrize(
    "arguments",
    [("resnet", (1, 28, 28), 10), ("lenet", (28, 28), 10), ("lenet", (1, 7, 28), 10), ("lenet", (1, 28, 28), 1)],
)
def test_a_judge_that_cannot_be_built(arguments):
    with pytest.raises(InputError):
        Judge(*arguments)


def test_images_and_judge_must_fit(digits):
    judge = Judge("lenet", (1, 16, 16), 2)
    with pytest.raises(InputError, match="28"):
        train_judge(judge, digits.train)
    with pytest.raises(InputError, match="28"):
        judge(torch.zeros(1, 1, 28, 28))
    with pytest.raises(InputError, match="label 9"):
        train_judge(Judge("lenet", (1, 28, 28), 2), digits.train)
