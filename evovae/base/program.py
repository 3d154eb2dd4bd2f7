"""What every program of evovae does with its command line: options from dataclasses, errors of one line."""

from __future__ import annotations

import contextlib
import errno
import io
import re
import signal
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import tyro

from evovae.base.errors import UNPRINTABLE, InputError
from evovae.base.printing import GONE, safe_output
from evovae.base.signals import heeding

NO_MEMORY = "memory is used up: ask for less, such as a smaller model, --batch-size, --population or --replicates"
MAX_MESSAGE = 400
"""Most characters of tyro's message that are shown."""
_KINDS = {"INT": "a whole number", "FLOAT": "a number"}


def _expect_number(said: re.Match[str]) -> str:
    option, kind, word, given = said.groups()
    return f"{option} is {given}: expected {_KINDS[kind]}{f', or {word}' if word else ''}"


PLAINER: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"^Error parsing (\S+): invalid literal for int\(\) with base 10: (.+)", r"\1 is \2: expected a whole number"),
    (r"^Error parsing (\S+): Exceeds the limit.*", r"\1 has too many digits: expected a whole number below 2^63"),
    (r"^Error parsing (\S+): could not convert string to float: (.+)", r"\1 is \2: expected a number"),
    (r"from \['(.{60}).+'\]$", r"from ['\1...']"),
    (r"^Error parsing (\S+): no type matching .*FLOAT FLOAT.* from \[(.+)\]", r"\1 is \2: expected two numbers"),
    (r"^Error parsing (\S+): no type matching .*\[FLOAT .* from \[(.+)\]", r"\1 is \2: expected numbers"),
    (r"^Error parsing (\S+): no type matching .*\[INT .* from \[(.+)\]", r"\1 is \2: expected whole numbers"),
    (
        r"^Error parsing (\S+): no type matching .*(INT|FLOAT)(?:\|\{(\w+)\})? could be .* from \[(.+)\]",
        _expect_number,
    ),
    (r"^Error parsing (\S+): Could not find valid parse .* \[(.+)\]", r"\1 is \2: expected whole numbers"),
    (r"^invalid choice (.+) for argument '(\S+)'. Expected one of \((.+?),?\)", r"\2 is \1: expected one of \3"),
    (r"^Missing value for argument '(\S+)'. Expected 1 values", r"\1 has no value: expected one"),
    (r"^Unrecognized (?:or misplaced )?options: (.+)", r"\1: no such option here, or a value too many"),
    (r"^Missing from evovae (\w+): ", r"\1 needs "),
    (r"^Expected one of \{", "no command was given: expected one of {"),
)
"""What tyro 1.0.14 to 1.0.17 say of Python's types, and what is said instead; other words are shown as they are."""


def run_program(name: str, program: Callable[[], None], go_on: str = "") -> None:
    """Run a program; what it cannot recover from ends the process with one line on standard error.

    The exit status is 0, 1 (failed), 2 (bad input), 130 (Ctrl-C) or 143 (SIGTERM). A program does not fail because what
    it prints cannot be written, but when all is done that is reported, and is a failure unless its reader has gone.

    Args:
        name: of the program, before the line.
        program: what to run.
        go_on: what an interrupted program says, where the interruption does not say it itself.
    """
    with safe_output() as output:
        _run(name, program, go_on)
        output.flush()
        if isinstance(output.failure, OSError) and output.failure.errno not in GONE:
            lost = f"standard output cannot be written ({output.failure.strerror})"
            _end(name, f"{lost}: what is printed is lost, all else is done", 1)


def _run(name: str, program: Callable[[], None], go_on: str) -> None:
    try:
        with heeding():
            program()
    except SystemExit as end:
        if end.code:
            raise
    except InputError as error:
        _end(name, error, 2)
    except KeyboardInterrupt as error:
        _end(name, go_on or str(error) or "interrupted", 128 + getattr(error, "number", signal.SIGINT))
    except MemoryError:
        _end(name, NO_MEMORY, 1)
    except RuntimeError as error:
        _end(name, NO_MEMORY if "memory" in str(error) and "alloc" in str(error) else error, 1)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            _end(name, f"{error.filename} is too long a path: expected names of up to 255 bytes; use a shorter one", 2)
        _end(name, f"{error.filename}: {error.strerror}" if error.filename else error, 1)


def read_options(options: Any, arguments: list[str], name: str, description: str | None, default: Any = None) -> Any:
    """Return `options`, a dataclass or a union of subcommands, as `arguments` of the program `name` fill them.

    What they leave out is that of `default`, one of `options`, if it is given.

    Raises:
        InputError: if they do not; the message is one line.
        SystemExit: after printing help.
    """
    _check_text(arguments)
    errors = io.StringIO()
    config = (tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes)
    try:
        with contextlib.redirect_stderr(errors):
            given = {} if default is None else {"default": default}
            return tyro.cli(options, prog=name, description=description, args=arguments, config=config, **given)
    except SystemExit as end:
        if not end.code:
            raise
        raise InputError(f"{_one_line(errors.getvalue())}; see {name} --help") from None
    except AssertionError as error:  # of tyro's own options for shell completion
        raise InputError(str(error)) from None


def _check_text(arguments: list[str]) -> None:
    """Refuse what no file system, no file of a run or no message of one line can hold."""
    for before, argument in pairwise(["evovae", *arguments]):
        option, given, value = argument.partition("=") if argument.startswith("--") else (before, "=", argument)
        if UNPRINTABLE.search(argument):
            raise InputError(f"{argument!r} has control characters or is no UTF-8: expected plain text; rename it")
        if given and not value.strip():
            raise InputError(f"{option} has an empty value: expected some text; give one, or leave {option} out")


def _one_line(said: str) -> str:
    """Return what tyro said as one line, in plainer words: the text of its box, of Unicode or ASCII, up to a rule.

    What is drawn or worded as in no tyro that is known here stays as it is, but for its length.
    """
    lines = re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines()
    title = next((number for number, line in enumerate(lines[:-1]) if line.startswith(("╭", "+"))), -1)
    body: list[str] = []
    for line in lines[title + 1 :]:
        text = line.strip("│╭╮╰╯├┤|+ ")
        is_rule = set(text) <= {"─", "-"}
        if is_rule and body:
            break
        if not is_rule:
            body.append(text)
    text = re.sub(r"^Error parsing __tyro\S*: |\(required\)|\.$", "", " ".join(" ".join(body).split()))
    for pattern, plainer in PLAINER:
        text = re.sub(pattern, plainer, text)
    return text.strip()[:MAX_MESSAGE] or "the command line is not understood"


def _end(name: str, error: object, status: int) -> None:
    message = str(error).partition("\n")[0]  # torch's may continue with a stack trace
    print(f"{name}: {message}", file=sys.stderr)
    sys.exit(status)
