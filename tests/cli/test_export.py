"""evovae export writes a decoder that is read again, or says in one line why not, and writes nothing."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
from generating import DECODERS
from places import FORMATS

from evovae import cli
from evovae.encodings import LatentEncoding, load_generator
from evovae.models import VAE

RUN = FORMATS / "format-1" / "vae"


def evovae(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["evovae", *map(str, arguments)])
    cli.main()


@pytest.mark.parametrize("source", [RUN, RUN / "vae.safetensors"], ids=["run folder", "file"])
def test_the_decoder_of_a_run_is_written_and_named(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "decoder.pt2"
    evovae(monkeypatch, "export", source, "--to", path)
    assert capsys.readouterr().out == f"{path}\n"
    latent, encoding = LatentEncoding(VAE.load(RUN)), load_generator(str(path))
    genomes = latent.sample(3, torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoding.decode(genomes), latent.decode(genomes))


def test_a_file_is_replaced_when_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(shutil.copy(DECODERS / "vae.pt2", tmp_path / "decoder.pt2"))
    evovae(monkeypatch, "export", RUN, "--to", path, "--overwrite")
    assert load_generator(str(path)).dim == VAE.load(RUN).config.latent_dim


BAD = {
    "no run": (("nowhere", "--to", "a.pt2"), "nowhere"),
    "an evolution": ((RUN.parent / "front" / "config.json", "--to", "a.pt2"), "config.json"),
    "another ending": ((RUN, "--to", "a.pth"), "expected a file .pt2 or .onnx"),
    "no folder": ((RUN, "--to", "nowhere/a.pt2"), "no writable folder"),
    "there already": ((RUN, "--to", "there.pt2"), "--overwrite"),
}


@pytest.mark.parametrize(("arguments", "words"), BAD.values(), ids=BAD)
def test_bad_input_ends_with_one_line_and_nothing_written(
    arguments: tuple[object, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.pt2").write_text("mine")
    with pytest.raises(SystemExit) as end:
        evovae(monkeypatch, "export", *arguments)
    printed = capsys.readouterr()
    assert end.value.code == 2
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert words in printed.err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("there.pt2", "mine")]
