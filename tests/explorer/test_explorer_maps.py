"""Maps of codes: always the same, kept, honest about t-SNE, and no process outlives who asked for it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from events import PATIENCE, wait_for
from refusals import refused
from torch import Tensor

from evovae.base import files
from evovae.explorer.latent_maps import LARGEST, Atlas


def make_codes(count: int, dim: int = 4) -> Tensor:
    """Codes around three centres, of ever less variance."""
    generator = torch.Generator().manual_seed(7)
    centres = 5 * torch.randn(3, dim, generator=generator)
    noise = torch.randn(count, dim, generator=generator) / torch.arange(1, dim + 1)
    return centres[torch.arange(count) % 3] + noise


def make_labels(count: int) -> Tensor:
    return torch.arange(count) % 3


def make_atlas(count: int = 40, dim: int = 4, folder: Path | None = None, digest: str = "ab" * 32) -> Atlas:
    return Atlas(make_codes(count, dim), make_labels(count), folder, digest)


def wait(atlas: Atlas) -> str:
    wait_for(lambda: atlas.state != "computing")
    return atlas.state


def is_alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def wait_for_end(process: int) -> None:
    wait_for(lambda: not is_alive(process))


def worker_of(atlas: Atlas) -> int:
    assert atlas._worker is not None
    assert atlas._worker.pid is not None
    return atlas._worker.pid


def test_pca_is_there_at_once_has_the_true_aspect_and_is_never_mirrored() -> None:
    codes = make_codes(300) * torch.tensor([9.0, 3.0, 0.1, 0.1])
    points = Atlas(codes, make_labels(300), None, "").points("pca")
    assert points.dtype == torch.float32
    assert points.min(0).values.tolist() == [0, 0]
    assert points.max() == 1
    low, high = (points[:, axis].std() for axis in (1, 0))
    variances = torch.linalg.eigvalsh(torch.cov(codes.T.double()))
    assert high / low == pytest.approx(float((variances[-1] / variances[-2]).sqrt()), rel=1e-5)
    other = Atlas(codes.flip(0), make_labels(300), None, "").points("pca")
    torch.testing.assert_close(other.flip(0), points)


@pytest.mark.parametrize(("count", "dim"), [(1, 1), (1, 3), (2, 1), (4, 1), (2, 5)])
def test_pca_takes_the_smallest_sets(count: int, dim: int) -> None:
    points = make_atlas(count, dim).points("pca")
    assert points.shape == (count, 2)
    assert points.isfinite().all()
    assert points.max() == (count > 1)
    if dim == 1:
        assert not points[:, 1].any()


def test_the_first_images_alone_are_mapped() -> None:
    atlas = make_atlas(LARGEST + 10, 2)
    assert atlas.points("pca").shape == (LARGEST, 2)
    assert torch.equal(atlas.labels, make_labels(LARGEST))


def test_a_place_on_a_point_is_its_code_and_between_points_a_mean_of_the_nearest() -> None:
    atlas, codes = make_atlas(), make_codes(40)
    points = atlas.points("pca")
    for index in (0, 17, 39):
        genome, nearest = atlas.genome_at("pca", *points[index].tolist())
        assert torch.equal(genome, codes[index])
        assert nearest[0] == index
        assert len(nearest) == 8
    x, y = 0.5, 0.25
    genome, nearest = atlas.genome_at("pca", x, y, 3)
    distances = (points.double() - torch.tensor([x, y])).norm(dim=1)
    assert nearest.tolist() == distances.argsort()[:3].tolist()
    weights = distances[nearest] ** -2
    torch.testing.assert_close(genome, (weights / weights.sum() @ codes[nearest].double()).float())


@pytest.mark.parametrize("place", [(1e308, -1e308), (-1e308, 0.0), (5e-324, 1.0), (1e9, 1e9)])
def test_any_place_has_a_genome(place: tuple[float, float]) -> None:
    codes = make_codes(40)
    genome, nearest = make_atlas().genome_at("pca", *place)
    assert (genome >= codes[nearest].min(0).values - 1e-5).all()
    assert (genome <= codes[nearest].max(0).values + 1e-5).all()


def test_where_points_coincide_the_genome_is_finite() -> None:
    atlas = Atlas(torch.zeros(3, 2), make_labels(3), None, "")
    genome, nearest = atlas.genome_at("pca", 0.0, 0.0)
    assert genome.tolist() == [0, 0]
    assert nearest.tolist() == [0, 1, 2]


def test_what_is_no_place_no_map_or_no_code_is_refused() -> None:
    atlas = make_atlas()
    for value in (float("nan"), float("inf")):
        with refused("finite", str(value)):
            atlas.genome_at("pca", 0.0, value)
    with refused("'umap'", "pca or tsne"):
        atlas.points("umap")
    with refused("being computed"):
        atlas.points("tsne")
    with refused("not finite"):
        Atlas(torch.tensor([[float("nan")]]), make_labels(1), None, "")


@pytest.mark.parametrize(("count", "dim"), [(4, 3), (1, 1), (40, 1)])
def test_too_little_for_tsne_is_told(count: int, dim: int) -> None:
    atlas = make_atlas(count, dim)
    atlas.start()
    assert atlas.state == "failed"
    assert f"{count} x {dim}" in atlas.reason
    with refused("no t-SNE map", f"{count} x {dim}"):
        atlas.points("tsne")
    atlas.close()


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evovae.explorer.latent_maps.find_spec", lambda name: None)
    atlas = make_atlas()
    atlas.start()
    assert atlas.state == "failed"
    assert "pip install openTSNE" in atlas.reason


def test_tsne_keeps_neighbours_is_kept_and_comes_out_the_same_again(tmp_path: Path) -> None:
    first = make_atlas(90, folder=tmp_path)
    assert first.state == "computing"
    first.start()
    assert wait(first) == "ready", first.reason
    first.close()
    points = first.points("tsne")
    assert points.min(0).values.tolist() == [0, 0]
    assert points.max() == 1
    distances = torch.cdist(points, points).fill_diagonal_(9.0)
    assert (make_labels(90)[distances.argmin(1)] == make_labels(90)).all()

    (kept,) = tmp_path.iterdir()
    assert kept.name == f"map-{'ab' * 8}.safetensors"
    second = make_atlas(90, folder=tmp_path)
    second.start()
    assert second.state == "ready"
    assert torch.equal(second.points("tsne"), points)
    assert second._worker is None

    before = kept.read_bytes()
    kept.unlink()
    third = make_atlas(90, folder=tmp_path)
    third.start()
    assert wait(third) == "ready"
    third.close()
    assert kept.read_bytes() == before


@pytest.mark.parametrize("count", [5, 6])
def test_tsne_of_a_handful(count: int, tmp_path: Path) -> None:
    atlas = make_atlas(count, 2, folder=tmp_path / "not there")
    atlas.start()
    assert wait(atlas) == "ready", atlas.reason
    assert atlas.points("tsne").isfinite().all()
    assert not list(tmp_path.iterdir())
    atlas.close()


def test_a_map_of_anything_else_is_not_taken(tmp_path: Path) -> None:
    atlas = make_atlas(folder=tmp_path)
    path, config = tmp_path / f"map-{'ab' * 8}.safetensors", atlas._config
    good = torch.rand(40, 2, generator=torch.Generator().manual_seed(0))
    files.save_tensors(path, "map", {"points": good}, config)
    assert atlas._read() is not None
    for tensors, settings in [
        ({"points": good[:39]}, config),
        ({"points": torch.full((40, 2), torch.inf)}, config),
        ({"points": good.double()}, config),
        ({"other": good}, config),
        ({"points": good}, config | {"digest": "ab" * 31 + "cd"}),
    ]:
        files.save_tensors(path, "map", tensors, settings)
        assert atlas._read() is None
    files.save_tensors(path, "map", {"points": good}, config)
    relabelled = Atlas(make_codes(40), make_labels(40).flip(0), tmp_path, "ab" * 32)
    assert relabelled._read() is None, "another image set under the same VAE"
    path.write_bytes(b"cut")
    assert atlas._read() is None


def test_what_tsne_cannot_do_is_told() -> None:
    atlas = Atlas(torch.ones(20, 3), make_labels(20), None, "")
    atlas.start()
    assert wait(atlas) == "failed"
    assert atlas.reason.startswith("t-SNE failed: ")
    assert "\n" not in atlas.reason
    atlas.close()


def test_closing_ends_the_process_and_computes_no_further(tmp_path: Path) -> None:
    atlas = make_atlas(LARGEST, folder=tmp_path)
    atlas.start()
    worker = worker_of(atlas)
    assert is_alive(worker)
    atlas.close()
    atlas.close()
    assert not is_alive(worker)
    assert atlas.state == "failed"
    assert not list(tmp_path.iterdir())


def test_a_process_that_dies_is_told() -> None:
    atlas = make_atlas(LARGEST)
    atlas.start()
    os.kill(worker_of(atlas), signal.SIGKILL)
    assert wait(atlas) == "failed"
    assert "ended" in atlas.reason
    atlas.close()


PARENT = """
if __name__ == "__main__":  # the process that computes imports this file, too
    import sys, time, torch
    from evovae.explorer.latent_maps import Atlas
    codes = torch.randn(10_000, 8, generator=torch.Generator().manual_seed(0))
    atlas = Atlas(codes, torch.zeros(10_000), None, "")
    atlas.start()
    print(atlas._worker.pid, flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None])
def test_no_process_computes_on_when_its_parent_has_ended(number: signal.Signals | None, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PARENT)
    command = [sys.executable, str(program), "0" if number is None else "600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        if number is not None:
            wait_for(lambda: worker_is_at_work(worker))
            parent.send_signal(number)
        parent.wait(PATIENCE)
    wait_for_end(worker)


INTERRUPTED = """
def program():
    import time, torch
    from evovae.explorer.latent_maps import Atlas
    atlas = Atlas(torch.eye(10), torch.zeros(10), None, "")
    atlas.start()
    print(atlas._worker.pid, flush=True)
    while True:
        time.sleep(0.1)  # a wait without end may not hear a signal that comes just before it
if __name__ == "__main__":
    from evovae.base import run_program
    run_program("it", program)
"""


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_ctrl_c_while_the_process_starts_is_one_line(seconds: float, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(INTERRUPTED)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, str(program)], text=True, start_new_session=True, **pipes) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        time.sleep(seconds)
        os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
        _, said = parent.communicate(timeout=PATIENCE)
    assert (parent.returncode, said) == (130, "it: interrupted\n")
    wait_for_end(worker)


def worker_is_at_work(process: int) -> bool:
    """Whether it has lowered its priority, which it does before it computes."""
    return os.getpriority(os.PRIO_PROCESS, process) >= 10
