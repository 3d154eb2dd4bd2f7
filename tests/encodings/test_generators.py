"""Decoders of other people, and evovae's own exports, decode to what they were made for; nothing in a file is run."""

import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from generating import DECODERS, Generator, edited, export, records, repacked
from onnx import TensorProto, helper
from refusals import refused

import evovae
from evovae import evolution
from evovae.encodings import DecoderEncoding, Encoding, LatentEncoding, export_decoder, load_generator

PT2, ONNX = DECODERS / "generator.pt2", DECODERS / "generator.onnx"
TOLERANCE = {".pt2": 1e-6, ".onnx": 1e-5}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


def drawn(genomes: torch.Tensor) -> torch.Tensor:
    return (Generator().eval()(genomes.view(-1, 6, 1, 1)) + 1) / 2


# What is read


@pytest.mark.parametrize("path", [PT2, ONNX], ids=lambda path: path.suffix)
@pytest.mark.parametrize("count", [1, 3, 300])
def test_somebodys_generator_decodes_as_it_did(path: Path, count: int) -> None:
    encoding = load_generator(str(path), range=(-1, 1), support="shell")
    genomes = normal(count, 6)
    torch.testing.assert_close(encoding.decode(genomes), drawn(genomes), atol=TOLERANCE[path.suffix], rtol=0)
    assert isinstance(encoding, DecoderEncoding)
    assert (encoding.dim, encoding.latent_shape, encoding.shape) == (6, (6, 1, 1), (3, 8, 8))
    assert encoding.project(genomes)[0].norm().item() == pytest.approx(6**0.5)


@pytest.mark.parametrize("path", [PT2, ONNX], ids=lambda path: path.suffix)
def test_what_was_read_is_the_same_in_another_process(path: Path) -> None:
    encoding = load_generator(str(path), range=(-1, 1))
    again, genomes = pickle.loads(pickle.dumps(encoding)), normal(4, 6)
    assert torch.equal(again.decode(genomes), encoding.decode(genomes))
    assert again.differentiable == encoding.differentiable


@pytest.mark.parametrize("ending", [".pt2", ".onnx"])
def test_exports_of_earlier_versions_decode_as_their_vae(ending: str) -> None:
    latent = LatentEncoding(evovae.VAE.load(DECODERS / "vae.safetensors"))
    genomes = normal(5, latent.dim)
    images = load_generator(str(DECODERS / f"vae{ending}")).decode(genomes)
    torch.testing.assert_close(images, latent.decode(genomes), atol=TOLERANCE[ending], rtol=0)


def test_gradients_pass_through_a_pt2_as_through_its_module() -> None:
    encoding = load_generator(str(PT2), range=(-1, 1))
    found, expected = (
        torch.autograd.grad(decode(genomes).square().sum(), genomes)[0]
        for decode in (encoding.decode, drawn)
        for genomes in [normal(4, 6).requires_grad_()]
    )
    assert encoding.differentiable
    torch.testing.assert_close(found, expected)


def test_gradient_ascent_refuses_an_onnx_file_and_evolution_does_not() -> None:
    encoding = load_generator(str(ONNX), range=(-1, 1))
    assert not encoding.differentiable
    toolbox = evolution.toolbox(encoding, lambda images: images.mean((1, 2, 3))[:, None], weights=(1.0,))
    population = toolbox.population(8, 2, 0)
    with refused("the decoder passes no gradient", ".onnx"):
        evolution.gradient_ascent(population, toolbox, 16)
    better, _ = evolution.eaSimple(population, toolbox, cxpb=0.5, mutpb=0.5, ngen=3)
    assert better.best().fitness.isfinite().all()


def test_an_onnx_file_takes_the_threads_that_torch_takes() -> None:
    decode = load_generator(str(ONNX), range=(-1, 1)).decoder  # type: ignore[attr-defined]
    assert decode.session.get_session_options().intra_op_num_threads == torch.get_num_threads()


def test_a_pt2_may_limit_its_batch(tmp_path: Path) -> None:
    def limit(program: dict[str, Any]) -> None:
        (batch,) = program["range_constraints"].values()
        batch["max_val"] = 5

    path = tmp_path / "a.pt2"
    path.write_bytes(edited(PT2, limit))
    encoding, sizes = load_generator(str(path), range=(-1, 1)), []
    encoding.decoder.register_forward_hook(lambda module, given, made: sizes.append(len(made)))  # type: ignore[attr-defined]
    assert len(encoding.decode(normal(12, 6))) == 12
    assert sizes == [5, 5, 2]


# What is never run


def test_nothing_in_a_pt2_is_unpickled_or_evaluated(tmp_path: Path) -> None:
    traces = [tmp_path / name for name in ("unpickled", "evaluated", "guarded")]

    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
            return __import__("os").system, (f"touch {traces[0]}",)

    def plant(program: dict[str, Any]) -> None:
        code = f"__import__('os').system('touch {traces[1]}')"
        for values in program["graph_module"]["graph"]["tensor_values"].values():
            for size in values["sizes"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = code
        program["guards_code"] = [f"__import__('os').system('touch {traces[2]}')"]

    path = tmp_path / "trap.pt2"
    path.write_bytes(edited(PT2, plant))
    files = records(path)
    (name,) = (name for name in files if name.endswith("sample_inputs/model.pt"))
    path.write_bytes(repacked(files | {name: pickle.dumps(Trap())}))
    images = load_generator(str(path), range=(-1, 1)).decode(normal(3, 6))
    torch.testing.assert_close(images, drawn(normal(3, 6)))
    assert not any(trace.exists() for trace in traces)


FORBIDDEN = [
    "torch.os.system",
    "torch.ops.aten.from_file.default",
    "torch.ops.aten.save.default",
    "torch.ops.aten.set_.source_Tensor",
    "torch.ops.aten.resize_.default",
    "torch.ops.aten.tanh.out",
    "torch.ops.aten.tanh.__class__",
    "torch.ops.aten.tanh.overloads",
    "torch.ops.aten.nothing_like_it.default",
    "torch.ops.higher_order.cond",
    "_operator.attrgetter",
    "math.floor",
    "os.system",
]


@pytest.mark.parametrize("target", FORBIDDEN)
def test_a_pt2_calls_nothing_but_operators_that_compute(tmp_path: Path, target: str) -> None:
    path = tmp_path / "a.pt2"
    path.write_bytes(edited(PT2, lambda program: program["graph_module"]["graph"]["nodes"][-1].update(target=target)))
    with refused(str(path), f"calls '{target}'"):
        load_generator(str(path), range=(-1, 1))


PICKLED = [
    "data/weights/model.pt",
    "data/weights/custom_obj_0",
    "data/constants/model.pt",
    "data/constants/custom_obj_0",
    "data/constants/opaque_obj_0",
]


@pytest.mark.parametrize("name", PICKLED)
def test_an_archive_with_pickled_parts_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.pt2"
    path.write_bytes(repacked(records(PT2) | {f"generator/{name}": b"cos\nsystem\n(S'exit 1'\ntR."}))
    with refused(str(path), "holds a pickled part", name, "torch 2.9"):
        load_generator(str(path))


def test_a_weight_that_says_it_is_pickled_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt2"
    say = lambda values: next(iter(values["config"].values())).update(use_pickle=True)  # noqa: E731
    path.write_bytes(edited(PT2, say, "model_weights_config.json"))
    with refused(str(path), "'layers.0.weight' pickled"):
        load_generator(str(path))


# What is refused


def graph(change: Callable[[dict[str, Any]], object]) -> Callable[[], bytes]:
    return lambda: edited(PT2, lambda program: change(program["graph_module"]["graph"]))


def signature(change: Callable[[dict[str, Any]], object]) -> Callable[[], bytes]:
    return lambda: edited(PT2, lambda program: change(program["graph_module"]["signature"]))


def node(target: str, name: str, value: Any) -> Callable[[dict[str, Any]], object]:
    """Give an argument of the call of an operator another value."""

    def change(graph: dict[str, Any]) -> None:
        for call in graph["nodes"]:
            for given in call["inputs"]:
                if call["target"].split(".")[3] == target and given["name"] == name:
                    given["arg"] = value

    return change


def older(program: dict[str, Any]) -> None:
    program["schema_version"]["major"], program["torch_version"] = 5, "2.4.0"


def two_inputs(signature: dict[str, Any]) -> None:
    signature["input_specs"].append(signature["input_specs"][-1])


def of_codes(graph: dict[str, Any]) -> dict[str, Any]:
    codes: dict[str, Any] = graph["tensor_values"]["z"]
    return codes


def reach(values: dict[str, Any]) -> None:
    values["config"]["layers.0.weight"]["tensor_meta"]["storage_offset"] = {"as_int": 1}


def swell(program: dict[str, Any]) -> None:
    graph = program["graph_module"]["graph"]
    node("upsample_nearest2d", "scale_factors", {"as_floats": [1e4, 1e4]})(graph)
    for described in graph["tensor_values"].values():
        described["sizes"] = [{"as_expr": {}} if size == {"as_int": 8} else size for size in described["sizes"]]


def stretch(values: dict[str, Any]) -> None:
    described = values["config"]["layers.0.weight"]["tensor_meta"]
    described["sizes"], described["strides"] = [{"as_int": 2**40}], [{"as_int": 0}]


def damaged() -> bytes:
    content = bytearray(PT2.read_bytes())
    content[200] ^= 1
    return bytes(content)


NEGATE = {
    "target": "torch.ops.aten.neg_.default",
    "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "z"}}}],
    "outputs": [{"as_tensor": {"name": "neg_"}}],
}

ODD_PT2: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "empty": (lambda: b"", ["no zip archive"]),
    "no zip": (lambda: b"PK" + bytes(100), ["no zip archive"]),
    "truncated": (lambda: PT2.read_bytes()[:-100], ["holds 0 programs", "is it complete?"]),
    "a bit flipped": (damaged, ["CRC-32"]),
    "compressed": (lambda: repacked(records(PT2), zipfile.ZIP_DEFLATED), ["is compressed"]),
    "another zip": (lambda: repacked({"a.txt": b""}), ["holds 0 programs", "expected one"]),
    "of old torch": (lambda: repacked({"serialized_exported_program.json": b""}), ["torch 2.7 or older", "2.9"]),
    "of another torch": (lambda: edited(PT2, older), ["torch 2.4.0 in format 5", "expected 8"]),
    "compiled": (lambda: repacked({"a/data/aotinductor/model/b.so": b""}), ["compiled for one machine"]),
    "no JSON": (lambda: repacked(records(PT2) | {"generator/models/model.json": b"{"}), ["cannot be read as JSON"]),
    "nothing in it": (lambda: repacked(records(PT2) | {"generator/models/model.json": b"{}"}), ["schema_version"]),
    "a fixed batch": (graph(lambda g: of_codes(g)["sizes"].__setitem__(0, {"as_int": 2})), ["batch is fixed to 2"]),
    "no fixed code": (graph(lambda g: of_codes(g)["sizes"].reverse()), ["batch is fixed to 1"]),
    "codes of doubles": (graph(lambda g: of_codes(g).update(dtype=8)), ["reads codes of torch.float64"]),
    "two inputs": (signature(two_inputs), ["2 inputs and 1 outputs"]),
    "two outputs": (signature(lambda s: s["output_specs"].append(s["output_specs"][0])), ["1 inputs and 2 outputs"]),
    "a state": (signature(lambda s: s["input_specs"].append({"token": {}})), ["input of kind 'token'"]),
    "a changed buffer": (signature(lambda s: s["output_specs"].append({"buffer_mutation": {}})), ["evaluation mode"]),
    "in training": (graph(node("batch_norm", "training", {"as_bool": True})), ["training mode", "eval()"]),
    "dropping out": (graph(node("dropout", "train", {"as_bool": True})), ["training mode", "eval()"]),
    "a bound object": (graph(node("dropout", "p", {"as_custom_obj": {}})), ["kind 'as_custom_obj'"]),
    "large": (graph(node("upsample_nearest2d", "scale_factors", {"as_floats": [1e4, 1e4]})), ["says [None, 8,"]),
    "consistent and too large": (lambda: edited(PT2, swell), ["expected fewer numbers"]),
    "misfits": (graph(node("upsample_nearest2d", "scale_factors", {"as_floats": [3.0]})), ["generator", "export it"]),
    "weights beyond": (lambda: edited(PT2, reach, "model_weights_config.json"), ["out of bounds"]),
    "a weight of 4 TiB": (lambda: edited(PT2, stretch, "model_weights_config.json"), ["in 768 numbers"]),
    "random": (
        graph(lambda g: g["nodes"][-1].update(target="torch.ops.aten.randn_like.default")),
        ["draws random numbers"],
    ),
    "in place": (
        graph(lambda g: g["nodes"].insert(0, NEGATE)),
        ["changes its input"],
    ),
    "of a newer evovae": (
        lambda: repacked(records(PT2) | {"generator/extra/evovae.json": b'{"format": 9}'}),
        ["format 9", "reads format 1"],
    ),
    "of a bad range": (
        lambda: repacked(records(PT2) | {"generator/extra/evovae.json": b'{"format": 1, "range": [1, 0]}'}),
        ["range [1, 0]"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "words"), ODD_PT2.values(), ids=ODD_PT2)
def test_an_odd_pt2_is_refused(tmp_path: Path, content: Callable[[], bytes], words: list[str]) -> None:
    path = tmp_path / "generator.pt2"
    path.write_bytes(content())
    with refused(str(path), *words):
        load_generator(str(path), range=(-1, 1))


def written(inputs: dict[str, list], outputs: dict[str, list], kind: int = TensorProto.FLOAT) -> bytes:
    """An .onnx file that gives the sigmoid of its first input."""
    name, *_ = inputs
    nodes = [helper.make_node("Sigmoid", [name], [output]) for output in outputs]
    described = ([helper.make_tensor_value_info(*one) for one in ((n, kind, s) for n, s in values.items())]
                 for values in (inputs, outputs))  # fmt: skip
    model = helper.make_model(helper.make_graph(nodes, "g", *described), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()


def beside() -> bytes:
    model = onnx.load(ONNX)
    weights = model.graph.initializer[0]
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights.bin")
    weights.ClearField("raw_data")
    return model.SerializeToString()


ODD_ONNX: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "empty": (lambda: b"", ["cannot be read"]),
    "no onnx": (lambda: b"PK" + bytes(100), ["cannot be read"]),
    "truncated": (lambda: ONNX.read_bytes()[:-1000], ["cannot be read"]),
    "a fixed batch": (lambda: written({"z": [2, 3]}, {"x": [2, 3]}), ["batch fixed to 2"]),
    "no batch": (lambda: written({"z": []}, {"x": []}), ["no batch"]),
    "no fixed code": (lambda: written({"z": ["b", "d"]}, {"x": ["b", "d"]}), ["only the first varies"]),
    "two inputs": (lambda: written({"z": ["b", 3], "y": ["b", 2]}, {"x": ["b", 3]}), ["2 inputs and 1 outputs"]),
    "two outputs": (lambda: written({"z": ["b", 3]}, {"x": ["b", 3], "y": ["b", 3]}), ["1 inputs and 2 outputs"]),
    "codes of doubles": (
        lambda: written({"z": ["b", 3]}, {"x": ["b", 3]}, TensorProto.DOUBLE),
        ["tensor(double)", "expected tensor(float)"],
    ),
    "weights elsewhere": (beside, ["in another file", "external_data=False"]),
}


@pytest.mark.parametrize(("content", "words"), ODD_ONNX.values(), ids=ODD_ONNX)
def test_an_odd_onnx_file_is_refused(
    tmp_path: Path, content: Callable[[], bytes], words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "generator.onnx"
    path.write_bytes(content())
    with refused(str(path), *words):
        load_generator(str(path), range=(-1, 1))
    assert capfd.readouterr() == ("", "")


def test_without_onnxruntime_an_onnx_file_is_refused_and_a_pt2_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with refused(str(ONNX), "onnxruntime, which is not installed", "pip install 'evovae[onnx]'"):
        load_generator(str(ONNX))
    assert load_generator(str(PT2), range=(-1, 1)).dim == 6


@pytest.mark.parametrize("path", [PT2, ONNX], ids=lambda path: path.suffix)
def test_phenotypes_out_of_range_ask_for_the_range(path: Path) -> None:
    with refused(str(path), "expected range 0 to 1", "such as --range -1 1"):
        load_generator(str(path))
    with refused(str(path), "expected range 0 to 0.5") as caught:
        load_generator(str(path), range=(0, 0.5))
    assert caught is None


def test_evovaes_own_export_says_its_range_itself() -> None:
    assert load_generator(str(DECODERS / "vae.pt2"), range=(0, 1)).dim == 4
    with refused("range is (-1, 1)", "leave range out"):
        load_generator(str(DECODERS / "vae.pt2"), range=(-1, 1))


@pytest.mark.parametrize("name", ["generator", "generator.pt", "nowhere.pt2", "nowhere.onnx", ""])
def test_a_name_of_nothing_is_refused(name: str) -> None:
    with refused(repr(name) if "nowhere" not in name else name, "expected"):
        load_generator(name)


# Factories


FACTORY = """
import torch
from evovae.encodings import DecoderEncoding, Encoding, StandardNormal

def decode(z):
    return torch.sigmoid(z).view(-1, 1, 2, 2)

def good(): return DecoderEncoding(decode, 4, (1, 2, 2))
def of_another_shape(): return DecoderEncoding(decode, 4, (1, 4))
def out_of_range(): return DecoderEncoding(lambda z: 3 * decode(z), 4, (1, 2, 2))
def not_finite(): return DecoderEncoding(lambda z: decode(z) / 0, 4, (1, 2, 2))
def a_module(): return torch.nn.Identity()
def nothing(): pass
def asks(dim): return good()
def raises(): raise KeyError("weights.bin")
number = 3

class Own(Encoding):
    sigma = 1.0
    factor = 1.0
    def __init__(self): super().__init__(StandardNormal(4, "ball"), torch.device("cpu"))
    def _decode(self, genomes): return self.factor * genomes

class Holes(Own):
    factor = torch.nan

class Fails(Own):
    def _decode(self, genomes): return genomes @ genomes
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FACTORY)
    return path


@pytest.mark.parametrize("name", ["good", "Own"])
def test_a_factorys_encoding_is_taken(code: Path, name: str) -> None:
    encoding = load_generator(f"{code}:{name}")
    assert isinstance(encoding, Encoding)
    assert encoding.decode(normal(3, 4)).shape == ((3, 1, 2, 2) if name == "good" else (3, 4))


BAD_FACTORIES = {
    "goood": ["has no 'goood'", "did you mean good"],
    "of_another_shape": ["the decoder gives torch.float32 (2, 1, 2, 2)"],
    "out_of_range": ["expected range 0 to 1"],
    "not_finite": ["not finite"],
    "a_module": ["returns Identity", "evovae.DecoderEncoding(module, dim, shape)"],
    "nothing": ["returns NoneType"],
    "asks": ["failed: TypeError", "'dim'"],
    "raises": ["failed: KeyError: 'weights.bin'", "line 15"],
    "number": ["is int: expected a function"],
    "Holes": ["decodes two genomes to", "finite floats"],
    "Fails": ["an encoding that fails: RuntimeError", "line 28"],
}


@pytest.mark.parametrize(("name", "words"), BAD_FACTORIES.items(), ids=BAD_FACTORIES)
def test_a_factory_that_gives_no_encoding_is_refused(code: Path, name: str, words: list[str]) -> None:
    with refused(f"{code}:{name}"[:20], *words):
        load_generator(f"{code}:{name}")


def test_a_factory_says_its_range_itself(code: Path) -> None:
    with refused("range is (-1, 1)", "leave range out"):
        load_generator(f"{code}:good", range=(-1, 1))


# What is written


@pytest.fixture(scope="module")
def vae() -> evovae.VAE:
    return evovae.VAE(evovae.VAEConfig((1, 6, 5), latent_dim=3, hidden=(4,)), seed=1)


@pytest.mark.parametrize("ending", [".pt2", ".onnx"])
def test_an_export_decodes_as_the_vae(vae: evovae.VAE, ending: str, tmp_path: Path) -> None:
    vae.train().requires_grad_(True)
    path, latent = tmp_path / f"a{ending}", LatentEncoding(evovae.VAE(vae.config, seed=1))
    export_decoder(vae, path)
    encoding = load_generator(str(path))
    for count in (1, 3, 300):
        genomes = normal(count, 3)
        torch.testing.assert_close(encoding.decode(genomes), latent.decode(genomes), atol=TOLERANCE[ending], rtol=0)
    assert vae.training
    assert next(vae.parameters()).requires_grad
    assert str(Path(__file__).parents[2]).encode() not in path.read_bytes()  # nothing of the machine that wrote it
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_an_export_of_the_same_vae_is_the_same_file(vae: evovae.VAE, tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        export_decoder(vae, tmp_path / "a.pt2", overwrite=True)
        contents.append((tmp_path / "a.pt2").read_bytes())
    assert contents[0] == contents[1]


def test_an_exported_pt2_holds_no_pickle_and_no_encoder_and_torch_reads_it(vae: evovae.VAE, tmp_path: Path) -> None:
    path = tmp_path / "a.pt2"
    export_decoder(vae, path)
    files = records(path)
    assert files["archive/data/sample_inputs/model.pt"] == b""
    weights = sum(len(content) for name, content in files.items() if "weights/weight_" in name)
    assert weights == 4 * sum(tensor.numel() for tensor in vae.decoder.parameters())
    codes = normal(7, 3)
    torch.testing.assert_close(torch.export.load(path).module()(codes), vae.decode(codes))


def test_an_export_of_the_golden_autoencoder_is_what_it_was(tmp_path: Path) -> None:
    export_decoder(evovae.VAE.load(DECODERS / "vae.safetensors"), tmp_path / "vae.pt2")
    genomes = normal(3, 4)
    now, then = (load_generator(str(folder / "vae.pt2")).decode(genomes) for folder in (tmp_path, DECODERS))
    assert torch.equal(now, then)


def test_what_cannot_be_written_is_refused_before_anything_is(
    vae: evovae.VAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there.pt2").write_text("mine")
    (tmp_path / "folder.onnx").mkdir()
    for name, words in {
        "there.pt2": "--overwrite",
        "folder.onnx": "is a folder",
        "a.pt": "expected a file .pt2 or .onnx",
        "a": "expected a file .pt2 or .onnx",
        "nowhere/a.pt2": "no writable folder",
    }.items():
        with refused(name, words):
            export_decoder(vae, tmp_path / name)
    vectors = evovae.VAE(evovae.VAEConfig((5,), latent_dim=2, likelihood="gaussian", output="linear"))
    with refused("output is linear"):
        export_decoder(vectors, tmp_path / "a.pt2")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with refused("onnxscript, which is not installed", "pip install 'evovae[onnx]'"):
        export_decoder(vae, tmp_path / "a.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.onnx", "there.pt2"]
    assert (tmp_path / "there.pt2").read_text() == "mine"


def test_an_export_that_torch_cannot_follow_here_still_runs_there(tmp_path: Path) -> None:
    """What others export now, with the layers of today's generators, is read as what they export next year."""

    class Attention(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            with torch.random.fork_rng():
                self.first = torch.nn.Linear(5, 2 * 6 * 6)
                self.norm = torch.nn.GroupNorm(1, 2)
                self.attention = torch.nn.MultiheadAttention(6, 1, batch_first=True)
                self.last = torch.nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect")

        def forward(self, codes: torch.Tensor) -> torch.Tensor:
            maps = self.norm(self.first(codes).view(codes.shape[0], 2, 6, 6))
            rows = maps.flatten(1, 2)
            maps = maps + self.attention(rows, rows, rows)[0].view_as(maps)
            maps = torch.nn.functional.interpolate(maps, scale_factor=2, mode="bilinear")
            left, right = maps.chunk(2, dim=1)
            return self.last(torch.cat([left * torch.arange(12) / 12, right], 1)).sigmoid()

    module = Attention().float()
    export(module, tmp_path / "a.pt2", (5,))
    genomes = normal(7, 5)
    images = load_generator(str(tmp_path / "a.pt2")).decode(genomes)
    np.testing.assert_allclose(images, module(genomes).detach(), atol=1e-6)
