"""A result names the commit that it was made at, and says when the source was edited since."""

import subprocess
from pathlib import Path

import pytest

from evovae.runs.folders import provenance


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the source of `provenance` in its place, and a file beside it."""
    module = tmp_path / "evovae" / "runs" / "folders" / "provenance.py"
    module.parent.mkdir(parents=True)
    module.write_text("first\n")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "study.py").write_text("first\n")
    (tmp_path / "README.md").write_text("first\n")
    monkeypatch.setattr(provenance, "__file__", str(module))
    monkeypatch.setattr(provenance, "_commit", provenance._commit.__wrapped__)  # asked anew each time
    return tmp_path


def git(folder: Path, *words: str) -> str:
    options = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", "-C", str(folder), *options, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def commit() -> str | None:
    return provenance.describe_environment()["commit"]


def test_without_a_repository_there_is_no_commit(checkout: Path) -> None:
    assert commit() is None


@pytest.mark.parametrize("edited", ["evovae/runs/folders/provenance.py", "experiments/study.py"])
def test_changes_since_the_commit_are_told(checkout: Path, edited: str) -> None:
    git(checkout, "init", "-q")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "first")
    head = git(checkout, "rev-parse", "HEAD")
    assert commit() == head
    (checkout / "README.md").write_text("second\n")  # changes no result
    assert commit() == head
    (checkout / edited).write_text("second\n")
    assert commit() == f"{head}+changes"
