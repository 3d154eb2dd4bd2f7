"""What a user's own code is named by finds it, leaves nothing that could shadow another, or is refused in one line."""

import math
import sys
from pathlib import Path

import pytest
from refusals import refused

from evovae.base import load_named, source_of


@pytest.fixture(autouse=True)
def _nothing_is_left_where_imports_look(request: pytest.FixtureRequest):
    path, modules = list(sys.path), set(sys.modules)
    yield
    assert sys.path == path
    left = {name for name in sys.modules.keys() - modules if not name.startswith("_evovae_")}
    assert not left & {"shapes", "helper", "math_beside", "inner", "inner.deep"}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_name_of_a_file_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "shapes.py", "def area(side):\n    return side**2\n")
    assert load_named(f"{path}:area", "objective")(3) == 9
    assert "shapes" not in sys.modules


def test_a_name_of_a_module_is_found() -> None:
    assert load_named("math:sqrt", "objective") is math.sqrt


def test_a_path_may_have_colons_and_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a:b" / "shapes.py", "one = 1\n")
    monkeypatch.chdir(tmp_path)
    assert load_named("a:b/shapes.py:one", "objective") == 1


def test_what_lies_beside_a_file_is_importable_while_it_is_imported(tmp_path: Path) -> None:
    for folder, side in (("first", 1), ("second", 2)):
        write(tmp_path / folder / "helper.py", f"SIDE = {side}\n")
        write(tmp_path / folder / "inner" / "__init__.py", "")
        write(tmp_path / folder / "inner" / "deep.py", f"DEEP = {side}\n")
        path = write(tmp_path / folder / "shapes.py", "import helper\nfrom inner import deep\n\n\ndef both():\n"
                     "    return helper.SIDE, deep.DEEP\n")  # fmt: skip
        assert load_named(f"{path}:both", "objective")() == (side, side)


def test_a_file_may_hold_a_dataclass_with_late_annotations(tmp_path: Path) -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n\n@dataclass\nclass A:\n    x: int\n"
    )
    assert load_named(f"{write(tmp_path / 'shapes.py', text)}:A", "objective")(3).x == 3


def test_a_file_is_imported_once_and_anew_when_it_has_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "shapes.py", "one = [1]\n")
    first = load_named(f"{path}:one", "objective")
    assert load_named(f"{path}:one", "generator") is first
    write(path, "one = [2]\n")
    assert load_named(f"{path}:one", "objective") == [2]


BROKEN = {
    "no such name": ("def generator():\n    pass\n", ["has no 'generater'", "did you mean generator"]),
    "nothing alike": ("x = 1\n", ["has no 'generater'", "give the name of a function"]),
    "it raises": ("import math\n\nx = 1 / 0\n", ["ZeroDivisionError: division by zero", "line 3"]),
    "it raises beside": ("import helper\n", ["KeyError: 'far'", "line 1"]),
    "two lines": ("raise ValueError('one\\ntwo')\n", ["ValueError: one two"]),
    "no Python": ("def f(:\n", ["SyntaxError", "line 1"]),
    "no text": ("\0", ["null bytes"]),
    "it lacks a module": ("import nowhere_at_all\n", ["ModuleNotFoundError", "nowhere_at_all"]),
    "it ends the program": ("import sys\nsys.exit(3)\n", ["SystemExit: 3", "line 2"]),
}


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_imported_is_refused(tmp_path: Path, text: str, words: list[str]) -> None:
    write(tmp_path / "helper.py", "raise KeyError('far')\n")
    path = write(tmp_path / "shapes.py", text)
    for _ in range(2):  # nothing half imported is left
        with refused(f"generator is '{str(path)[:10]}", *words):
            load_named(f"{path}:generater", "generator")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("shapes.py", "expected FILE.py:NAME, or MODULE:NAME"),
        (":f", "expected FILE.py:NAME"),
        ("shapes.py:", "expected FILE.py:NAME"),
        ("shapes.py:a b", "expected FILE.py:NAME"),
        ("nowhere/shapes.py:f", "there is no file"),
        ("nowhere_at_all:f", "there is no module nowhere_at_all here"),
        ("nowhere_at_all.deep:f", "there is no module nowhere_at_all here"),
        ("math.deep:f", "there is no module math.deep here"),
        ("math:sqrtt", "did you mean sqrt"),
        (".relative:f", "it cannot be imported"),
    ],
)
def test_what_is_not_there_is_refused(spec: str, words: str) -> None:
    with refused(f"objective is {spec!r}", words):
        load_named(spec, "objective")


def test_a_module_that_raises_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "shapes.py", "\nraise OSError('full')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with refused("objective is 'shapes:f'", "OSError: full", f"line 2 of {path}"):
        load_named("shapes:f", "objective")


def test_the_file_behind_a_name_is_known_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "shapes.py", "raise ValueError\n")
    monkeypatch.chdir(tmp_path)
    assert source_of("shapes.py:f") == path
    monkeypatch.syspath_prepend(tmp_path)
    assert source_of("shapes:f") == path
    assert [source_of(spec) for spec in ("sys:path", "nowhere_at_all:f", "nowhere_at_all.deep:f", ".a:f", "f")] == [
        None
    ] * 5
