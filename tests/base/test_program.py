"""What tyro says of a mistake comes out as one plain line; where its words are new, it comes out as it is."""

import errno
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
import tyro
from refusals import refused

from evovae import cli
from evovae.base import InputError, Interrupted, program, read_options
from evovae.base.program import PLAINER


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InputError("n is 3"), 2, "n is 3"),
        (RuntimeError("it broke\nin many lines"), 1, "it broke"),
        (MemoryError(), 1, "memory is used up"),
        (RuntimeError("cannot alloc memory"), 1, "memory is used up"),
        (OSError(28, "No space left", "here.csv"), 1, "here.csv: No space left"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), 2, "too long a path"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Interrupted(signal.SIGTERM, "stopped; go on"), 143, "stopped; go on"),
    ],
)
def test_how_a_program_ended_is_its_exit_status_and_one_line(error, status, said, capsys):
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        program.run_program("evovae", fail)
    told = capsys.readouterr().err
    assert end.value.code == status
    assert told.startswith(f"evovae: {said}" if status != 2 or "path" not in said else "evovae: ")
    assert said in told
    assert told.count("\n") == 1


def test_a_program_that_ends_ends_nothing(capsys):
    program.run_program("evovae", lambda: print("done"))
    assert capsys.readouterr() == ("done\n", "")


@dataclass(frozen=True)
class Options:
    """Every kind of option that evovae has."""

    out: Path
    files: tyro.conf.Positional[tuple[Path, ...]] = ()
    start: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    count: int = 1
    part: float = 0.5
    most: int | None = None
    target: float | None = None
    length: int | Literal["auto"] | None = None
    rate: float | Literal["auto"] = "auto"
    sizes: tuple[int, ...] = ()
    grid: tuple[int, ...] | None = None
    between: tuple[float, float] | None = None
    weights: tuple[float, ...] | None = None
    kind: Literal["mlp", "conv"] = "mlp"


# The whole line that comes of what is typed, but for the program's name and the pointer to its help.
LINES = {
    "--count three": "--count is 'three': expected a whole number",
    "--count 1.5": "--count is '1.5': expected a whole number",
    "--count " + "9" * 5000: "--count has too many digits: expected a whole number below 2^63",
    "--part half": "--part is 'half': expected a number",
    "--most all": "--most is 'all': expected a whole number",
    "--target far": "--target is 'far': expected a number",
    "--length 1e3": "--length is '1e3': expected a whole number, or auto",
    "--length " + "9" * 5000: f"--length is '{'9' * 60}...': expected a whole number, or auto",
    "--rate fast": "--rate is 'fast': expected a number, or auto",
    "--sizes 8 x": "--sizes is '8', 'x': expected whole numbers",
    "--grid 8 x": "--grid is '8', 'x': expected whole numbers",
    "--between 1 x": "--between is '1', 'x': expected two numbers",
    "--weights 1 x": "--weights is '1', 'x': expected numbers",
    "--kind vit": "--kind is 'vit': expected one of 'mlp', 'conv'",
    "--count": "--count has no value: expected one",
    "--bogus": "--bogus: no such option here, or a value too many",
}
COMMANDS = {
    "": "no command was given: expected one of {train, evolve, illuminate, resume, plot, explore, export, demo, info}",
    "train": "train needs --out PATH Run folder to make.",
    "info more": "more: no such option here, or a value too many",
}


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # a narrow box breaks long words


def said(arguments: str, options: object = Options) -> str:
    """The line that `arguments` end in; those of `Options` have their --out."""
    given = [*(["--out", "x"] if options is Options else []), *arguments.split()]
    with pytest.raises(program.InputError) as caught:
        read_options(options, given, "evovae", None)
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "arguments", "line"),
    [(Options, *row) for row in LINES.items()] + [(cli.Command, *row) for row in COMMANDS.items()],
    ids=lambda value: value[:20] or "nothing" if isinstance(value, str) else "",
)
@pytest.mark.usefixtures("stock_random")  # tyro draws from it
def test_a_mistake_is_told_in_one_plain_line(options: object, arguments: str, line: str) -> None:
    assert said(arguments, options) == f"{line}; see evovae --help"


@pytest.mark.usefixtures("stock_random")
def test_every_pattern_meets_what_tyro_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a new tyro words, or draws, a mistake otherwise than `PLAINER` knows it."""
    monkeypatch.setattr(program, "MAX_MESSAGE", 10**6)
    met = set()
    for number in range(len(PLAINER)):
        monkeypatch.setattr(program, "PLAINER", PLAINER[:number])
        before = [said(a, options) for options, rows in ((Options, LINES), (cli.Command, COMMANDS)) for a in rows]
        met |= {number for line in before if re.search(PLAINER[number][0], line.removesuffix("; see evovae --help"))}
    assert met == set(range(len(PLAINER)))


BOXES = {
    "unicode": "╭─ Error ─╮\n│ The new words of │\n│ --count: 'x' │\n├──────┤\n│ help │\n╰──────╯",
    "ascii": "+- Error -+\n| The new words of |\n| --count: 'x' |\n| ---- |\n| help |\n+------+",
    "warned": "a warning\n╭─ Error ─╮\n│ The new words of --count: 'x' │\n╰─────────╯",
    "coloured": "\x1b[31m╭─ Error ─╮\x1b[0m\n\x1b[31m│\x1b[0m The new words of \x1b[1m--count:\x1b[0m 'x' │\n╰─────╯",
    "no box": "The new words of\n--count: 'x'\n\nhelp",
    "one line": "The new words of --count: 'x'",
}


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_words_that_are_new_come_out_as_they_are(box: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def say(*_: object, **__: object) -> None:
        print(box, file=program.sys.stderr)
        raise SystemExit(2)

    monkeypatch.setattr(tyro, "cli", say)
    with refused("The new words of --count: 'x'; see evovae --help"):
        read_options(Options, [], "evovae", None)


@pytest.mark.parametrize(("box", "line"), [("", "the command line is not understood"), ("no " * 5000, "no " * 99)])
def test_nothing_and_a_whole_book_are_one_short_line(box: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def say(*_: object, **__: object) -> None:
        print(box, file=program.sys.stderr)
        raise SystemExit(2)

    monkeypatch.setattr(tyro, "cli", say)
    with pytest.raises(program.InputError) as caught:
        read_options(Options, [], "evovae", None)
    assert str(caught.value).startswith(line)
    assert len(str(caught.value)) < 500
