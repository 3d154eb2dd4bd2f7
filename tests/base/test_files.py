"""Files are whole or absent, come back exactly, run nothing, and say in one line why they cannot be read."""

import io
import json
import math
import os
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from places import FORMATS
from refusals import refused
from safetensors import safe_open
from safetensors.torch import save_file

from evovae import cli
from evovae.base import files, shown
from evovae.models import VAE, VAEConfig

GOLDEN = FORMATS / "format-1"

SMALL = {"data_shape": (1, 8, 8), "hidden": (6,), "channels": (2, 3), "latent_dim": 2}
CONFIGS = {
    "mlp": VAEConfig(**SMALL, activation="tanh"),
    "conv": VAEConfig(**SMALL, network="conv", initialisation="glorot"),
    "learned variance": VAEConfig(**SMALL, likelihood="gaussian"),
    "fixed variance": VAEConfig(data_shape=(5,), hidden=(), output="linear", likelihood="gaussian", variance=0.1),
    "autoencoder": VAEConfig(**SMALL, variational=False),
}


def odd_weights(config: VAEConfig) -> VAE:
    """A VAE none of whose numbers are those that a fresh one has."""
    vae = VAE(config, seed=7)
    with torch.no_grad():
        for tensor in vae.state_dict().values():
            tensor.add_(torch.rand(tensor.shape, generator=torch.Generator().manual_seed(1)))
    return vae


@pytest.fixture
def saved(tmp_path) -> Path:
    odd_weights(CONFIGS["mlp"]).save(tmp_path / "vae.safetensors")
    return tmp_path / "vae.safetensors"


def rewrite(path: Path, tensors=None, metadata=None) -> None:
    """Write the file again with some tensors or metadata replaced; None takes one away."""
    with safe_open(path, framework="pt") as file:
        old = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (no mapping)
        described = file.metadata()
    new, described = old | (tensors or {}), described | {"sha256": None} | (metadata or {})
    save_file(
        {name: t for name, t in new.items() if t is not None},
        path,
        {name: text for name, text in described.items() if text is not None},
    )


# There and back


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_saved_vae_comes_back_exactly(tmp_path, config):
    vae = odd_weights(config)
    vae.save(tmp_path / "vae.safetensors")
    loaded = VAE.load(tmp_path / "vae.safetensors")
    assert loaded.config == config
    pairs = zip(vae.state_dict().items(), loaded.state_dict().items(), strict=True)
    assert all(i == j and p.dtype == q.dtype and torch.equal(p, q) for (i, p), (j, q) in pairs)
    z = torch.ones(3, config.latent_dim)
    assert torch.equal(vae.decode(z), loaded.decode(z))
    trained = [[name for name, p in v.named_parameters() if p.requires_grad] for v in (vae, loaded)]
    assert trained[0] == trained[1]


def test_a_vae_is_found_in_its_run_folder_under_either_kind_of_path(saved):
    expected = VAE.load(saved).state_dict()
    for path in (saved.parent, str(saved.parent), str(saved)):
        found = VAE.load(path).state_dict()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_the_same_vae_gives_the_same_bytes(saved):
    first = saved.read_bytes()
    for _ in range(10):
        VAE.load(saved).save(saved)
        assert saved.read_bytes() == first


def test_what_is_loaded_does_not_change_with_the_file(saved):
    loaded = VAE.load(saved)
    before = {name: tensor.clone() for name, tensor in loaded.state_dict().items()}
    VAE(CONFIGS["mlp"]).save(saved)
    assert all(torch.equal(loaded.state_dict()[name], before[name]) for name in before)


def test_tensors_of_any_type_and_their_configuration_come_back(tmp_path):
    tensors = {"b": torch.arange(6, dtype=torch.uint8).view(2, 3), "a": torch.tensor(1.5), "c": torch.zeros(0, 2)}
    config = {"name": "küken 🐣", "text": 'a "quoted"\nline', "parts": [1, None, 0.1]}
    files.save_tensors(tmp_path / "some.safetensors", "some", tensors, config)
    found, found_config = files.load_tensors(tmp_path / "some.safetensors", "some")
    assert found_config == config
    assert found.keys() == tensors.keys()
    assert all(found[name].dtype == t.dtype and torch.equal(found[name], t) for name, t in tensors.items())


def test_json_comes_back_as_it_was(tmp_path):
    content = {"b": [1, 2.5, None], "a": {"name": "küken"}}
    files.write_json(tmp_path / "config.json", content)
    assert files.read_json(tmp_path / "config.json") == content


# Not a file of ours


def test_a_missing_file_is_refused(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path / "no" / "folder", tmp_path):
        with refused(str(path), "not there", "vae"):
            VAE.load(path)


@pytest.mark.parametrize("part", [0, 0.0005, 0.01, 0.2, 0.5, 0.99, -1], ids=str)
def test_a_truncated_file_is_refused(saved, part):
    content = saved.read_bytes()
    length = len(content) - 1 if part == -1 else int(part * len(content))
    saved.write_bytes(content[:length])
    with refused(str(saved), "no complete safetensors file"):
        VAE.load(saved)


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_refused(saved, seed):
    random = np.random.default_rng(seed)
    saved.write_bytes(random.bytes(int(random.integers(1, 5000))))
    with refused(str(saved), "no complete safetensors file"):
        VAE.load(saved)


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_a_pickle_is_refused_and_not_run(saved, writer):
    marker = saved.with_name("marker")
    buffer = io.BytesIO()
    (pickle.dump if writer == "pickle" else torch.save)(Payload(marker), buffer)
    saved.write_bytes(buffer.getvalue())
    with refused(str(saved), "no complete safetensors file"):
        VAE.load(saved)
    assert not marker.exists()
    # It would have gone off.
    buffer.seek(0)
    pickle.load(buffer) if writer == "pickle" else torch.load(buffer, weights_only=False)
    assert marker.exists()


@pytest.mark.parametrize("kind", ["judge", "population\n", None])
def test_a_file_of_another_kind_is_refused(saved, kind):
    rewrite(saved, metadata={"evovae": kind})
    with refused(str(saved), f"of kind {kind!r}", "expected a vae file"):
        VAE.load(saved)


@pytest.mark.parametrize("version", ["0", "2", "", None])
def test_another_format_version_is_refused(saved, version):
    rewrite(saved, metadata={"format": version})
    with refused(str(saved), f"format {version!r}", "reads format 1"):
        VAE.load(saved)


@pytest.mark.parametrize(
    "config", [None, "", "no json", "[1, 2]", "null", "{", "[" * 100_000, '{"latent_dim": ' + "1" * 6000 + "}"],
    ids=["missing", "empty", "text", "list", "null", "open", "deep", "endless number"],
)  # fmt: skip
def test_a_configuration_that_is_no_json_object_is_refused(saved, config):
    rewrite(saved, metadata={"config": config})
    with refused(str(saved), "configuration that is no JSON"):
        VAE.load(saved)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"colour": "red"}, "colour"),
        ({"latent_dim": "2"}, "latent dim is '2'"),
        ({"latent_dim": 2.0}, "latent dim is 2.0"),
        ({"latent_dim": None}, "latent dim is None"),
        ({"latent_dim": 10**30}, "below 2^63"),
        ({"latent_dim": 2**62}, "memory"),
        ({"hidden": 6}, "hidden is 6"),
        ({"hidden": {"a": 6}}, "hidden is {'a': 6}"),
        ({"hidden": [[6]]}, "hidden is ([6],)"),
        ({"data_shape": "abc"}, "data shape is 'abc'"),
        ({"network": "conv", "data_shape": [1, 2**20, 2**20], "channels": [1] * 20}, "at most 256 pixels a side"),
        ({"network": ["mlp"]}, "network is ('mlp',)"),
        ({"variational": "yes"}, "variational is 'yes'"),
        ({"likelihood": "gaussian", "variance": "small"}, "variance is 'small'"),
        ({"likelihood": "gaussian", "variance": float("nan")}, "variance is nan"),
    ],
)
def test_a_configuration_that_makes_no_vae_is_refused(saved, changes, word):
    with safe_open(saved, framework="pt") as file:
        config = json.loads(file.metadata()["config"])
    rewrite(saved, metadata={"config": json.dumps(config | changes)})
    with refused(str(saved), "configuration that this evovae cannot read", word):
        VAE.load(saved)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"encoder.1.weight": None}, ("encoder.1.weight", "missing")),
        ({"encoder.9.weight": torch.zeros(3)}, ("encoder.9.weight", "too many")),
        ({"encoder.1.bias": torch.zeros(7)}, ("encoder.1.bias", "(7,)", "(6,)")),
        ({"encoder.1.bias": torch.zeros(())}, ("encoder.1.bias", "()", "(6,)")),
        ({"encoder.1.bias": torch.zeros(6, dtype=torch.complex64)}, ("encoder.1.bias", "complex64", "float32")),
        ({"encoder.1.bias": torch.zeros(6, dtype=torch.float16)}, ("encoder.1.bias", "float16", "float32")),
        ({"encoder.1.bias": torch.tensor([1.0, math.nan, 0, 0, 0, 0])}, ("encoder.1.bias", "not finite")),
        ({"encoder.1.bias": torch.tensor([1.0, -math.inf, 0, 0, 0, 0])}, ("encoder.1.bias", "not finite")),
    ],
)
def test_weights_that_do_not_fit_the_configuration_are_refused(saved, tensors, words):
    rewrite(saved, tensors)
    with refused(str(saved), "does not fit its own configuration", *words):
        VAE.load(saved)


@pytest.mark.parametrize("changes", [{"latent_dim": 10**6}, {"hidden": [10**4, 10**4]}, {"data_shape": [10**5, 8, 8]}])
def test_no_memory_is_taken_for_weights_that_a_configuration_only_claims(saved, monkeypatch, changes):
    with safe_open(saved, framework="pt") as file:
        config = json.loads(file.metadata()["config"])
    rewrite(saved, metadata={"config": json.dumps(config | changes)})
    monkeypatch.setattr(torch.nn.Module, "to_empty", lambda *_, **__: pytest.fail("memory was taken"))
    with refused(str(saved), "does not fit its own configuration"):
        VAE.load(saved)


def test_a_configuration_from_before_a_setting_was_there_takes_its_default(saved):
    with safe_open(saved, framework="pt") as file:
        config = json.loads(file.metadata()["config"])
    del config["variational"], config["variance"]
    rewrite(saved, metadata={"config": json.dumps(config)})
    assert VAE.load(saved).config == CONFIGS["mlp"]


def test_a_file_that_is_cut_short_after_it_was_read_does_no_harm(saved):
    tensors, _ = files.load_tensors(saved, "vae")
    os.truncate(saved, 0)
    assert all(tensor.isfinite().all() for tensor in tensors.values())  # mapped, it would kill the process


@pytest.mark.parametrize(("name", "read"), [("x.safetensors", VAE.load), ("x.json", files.read_json)])
def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path, name, read):
    path = tmp_path / name
    path.touch()
    os.truncate(path, files.MAX_BYTES + 1)  # holes: it takes no place
    with refused(str(path), f"{files.MAX_BYTES + 1} bytes", "at most"):
        read(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    with refused(str(tmp_path / "config.json"), "not there"):
        files.read_json(tmp_path / "config.json")


def test_a_header_that_is_too_large_is_refused_before_it_is_parsed(saved):
    header = b'{"__metadata__":{"evovae":"vae"}' + b" " * files.MAX_JSON + b"}"
    saved.write_bytes(len(header).to_bytes(8, "little") + header)
    with refused(str(saved), "no complete safetensors file", f"header of {len(header)} bytes"):
        VAE.load(saved)


SHAPES = {"genomes": "float32 R N D", "fitness": "float32 R N M", "counts": "int64 N"}
GOOD = {"genomes": torch.zeros(2, 3, 4), "fitness": torch.zeros(2, 3, 1), "counts": torch.zeros(3, dtype=torch.int64)}


def test_tensors_that_fit_each_other_pass(tmp_path):
    files.check_tensors(tmp_path, GOOD | {"other": torch.zeros(0)}, SHAPES, R=2, M=1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"genomes": None}, ("no genomes", "float32 R N D")),
        ({"genomes": torch.zeros(2, 3, 4, dtype=torch.float64)}, ("genomes as torch.float64",)),
        ({"genomes": torch.zeros(2, 3)}, ("genomes", "(2, 3)")),
        ({"genomes": torch.zeros(3, 3, 4)}, ("genomes", "(3, 3, 4)", "R = 2")),
        ({"fitness": torch.zeros(2, 5, 1)}, ("fitness", "(2, 5, 1)", "N = 3")),
        ({"fitness": torch.zeros(2, 3, 2)}, ("fitness", "M = 1")),
        ({"counts": torch.zeros(2, dtype=torch.int64)}, ("counts", "(2,)", "N = 3")),
        ({"genomes": torch.zeros(2, 3, 0)}, ("genomes", "(2, 3, 0)")),
    ],
)
def test_tensors_that_do_not_fit_each_other_are_refused(tmp_path, changes, words):
    tensors = {name: tensor for name, tensor in (GOOD | changes).items() if tensor is not None}
    with refused(str(tmp_path), *words):
        files.check_tensors(tmp_path, tensors, SHAPES, R=2, M=1)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "not there"),
        (b"", "cannot be read as JSON"),
        (b"{", "cannot be read as JSON"),
        (b"\xff\xfe{}", "utf-8"),
        (b"[" * 100_000, "recursion"),
        (b"[1, 2]", "no JSON object"),
        (b'"text"', "no JSON object"),
    ],
    ids=["missing", "empty", "open", "binary", "deep", "list", "text"],
)
def test_json_that_is_no_object_is_refused(tmp_path, content, word):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)
    with refused(str(path), word):
        files.read_json(path)


def test_a_folder_is_refused_as_json(tmp_path):
    with refused(str(tmp_path), "not there"):
        files.read_json(tmp_path)


def test_a_value_is_shown_in_one_short_line():
    for value in ["a\nb" * 1000, [[[[[[[[[[1]]]]]]]]]], {str(i): "x" * 100 for i in range(100)}, 10**4000, "\u2028"]:
        assert len(shown(value).splitlines()) == 1
        assert len(shown(value)) < 600


# Pickles under our names, given to the program

OURS = {
    "vae.safetensors": ["plot", "vae"],
    "examples.safetensors": ["plot", "vae"],
    "population.safetensors": ["plot", "eight"],
    "judge.safetensors": ["evolve", "--vae", "own", "--out", "run", "--objective", "digit:1", "--device", "cpu"],
    "checkpoint.safetensors": ["resume", "unfinished"],
}


@pytest.mark.usefixtures("stock_random")  # tyro, which reads the command line, draws from it
@pytest.mark.parametrize("writer", ["pickle", "torch"])
@pytest.mark.parametrize("name", OURS)
def test_a_pickle_under_any_name_of_ours_is_refused_by_the_program_and_not_run(
    tmp_path, monkeypatch, capsys, name, writer
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(GOLDEN / "vae", tmp_path / "vae")
    shutil.copytree(GOLDEN / "eight", tmp_path / "eight")
    shutil.copytree(GOLDEN / "vae", tmp_path / "unfinished")
    files.write_json(tmp_path / "unfinished" / "environment.json", {"status": "interrupted"})
    make_own_run(tmp_path / "own")
    folder = {"resume": "unfinished", "evolve": "own"}.get(OURS[name][0], OURS[name][1])
    with (tmp_path / folder / name).open("wb") as file:
        (pickle.dump if writer == "pickle" else torch.save)(Payload(tmp_path / "marker"), file)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(sys, "argv", ["evovae", *OURS[name]])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code in (1, 2)
    *_, message = capsys.readouterr().err.splitlines()  # before it, perhaps, what was read
    assert message.startswith("evovae: ")
    assert name in message
    assert "no complete safetensors file" in message
    assert not (tmp_path / "marker").exists()
    if name != "judge.safetensors":  # judges are asked for when the run has begun
        assert sorted(tmp_path.rglob("*")) == before


def make_own_run(folder: Path) -> None:
    """A run that remembers an image set of its own, whose judges would be found beside it."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8)
    (folder / "images").mkdir(parents=True)
    for what, values in (("images", pixels), ("labels", np.arange(12, dtype=np.uint8) % 2)):
        header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
        (folder / "images" / f"train-{what}-idx{values.ndim}-ubyte").write_bytes(header + values.tobytes())
    VAE(CONFIGS["mlp"]).save(folder / "vae.safetensors")
    config = files.read_json(GOLDEN / "vae" / "config.json")
    config["data"]["dataset"] = str(folder / "images")
    files.write_json(folder / "config.json", config)


# Whole or absent


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("old", [b"old", None], ids=["replacing", "new"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step, error, old):
    path = tmp_path / "vae.safetensors"
    if old:
        path.write_bytes(old)
    held = []

    def fail(*_):
        held.append(path.read_bytes() if path.exists() else None)
        raise error

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(type(error)):
        files.write_bytes(path, b"new" * 1000)
    assert held == [old]
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([old] if old else [])


def test_a_write_is_synced_before_it_gets_its_name_and_leaves_one_file(tmp_path, monkeypatch):
    path, steps = tmp_path / "config.json", []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: (steps.append("sync"), fsync(file)))
    monkeypatch.setattr(Path, "replace", lambda old, new: (steps.append("rename"), replace(old, new)))
    for content in ({"a": 1}, {"a": 2}):
        files.write_json(path, content)
    assert steps == ["sync", "rename"] * 2
    assert files.read_json(path) == {"a": 2}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_files_get_the_permissions_that_any_file_gets(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        VAE(CONFIGS["mlp"]).save(tmp_path / "vae.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "vae.safetensors").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("place", ["header", "tensors"])
def test_content_that_was_altered_is_refused(saved: Path, place: str) -> None:
    content = bytearray(saved.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    at = content.index(b"latent_dim") if place == "header" else start + 5
    content[at] ^= 1
    saved.write_bytes(content)
    with refused("checksum"):
        files.load_tensors(saved, "vae")


# The content of a file that came some other way


def test_content_is_what_would_be_written_and_is_read_as_a_file_is(tmp_path):
    tensors, config = {"a": torch.arange(3.0)}, {"b": 1}
    content = files.tensors_to_bytes("some", tensors, config)
    files.save_tensors(tmp_path / "some.safetensors", "some", tensors, config)
    assert content == (tmp_path / "some.safetensors").read_bytes()
    found, found_config = files.parse_tensors(content, "some", "upload")
    assert torch.equal(found["a"], tensors["a"])
    assert found_config == config
    assert files.parse_json(b'{"a": 1}', "upload") == {"a": 1}


def test_content_that_cannot_be_read_is_refused_by_its_name(monkeypatch):
    content = files.tensors_to_bytes("some", {"a": torch.arange(3.0)}, {})
    for damaged in (content[:-1], b"", b"{}"):
        with refused("upload", "no complete safetensors file"):
            files.parse_tensors(damaged, "some", "upload")
    with refused("upload", "kind 'some'", "a session file"):
        files.parse_tensors(content, "session", "upload")
    with refused("upload", "as JSON"):
        files.parse_json(b"{", "upload")
    with refused("upload", "no JSON object"):
        files.parse_json(b"[]", "upload")
    monkeypatch.setattr(files, "MAX_JSON", 3)
    with refused("upload holds 8 bytes", "at most 3"):
        files.parse_json(b'{"a": 1}', "upload")
