"""The list of deliberate faults is up to date: each can be put in, and names tests that there are. `make mutants`."""

import re
from collections import Counter

import pytest
from mutants import Mutant, read_mutants
from places import ROOT

MUTANTS = read_mutants()


def test_no_fault_is_there_twice():
    assert [fault for fault, times in Counter((m.file, m.new, m.old) for m in MUTANTS).items() if times > 1] == []
    assert [fault for fault, times in Counter((m.file, m.fault) for m in MUTANTS).items() if times > 1] == []


@pytest.mark.parametrize("file", dict.fromkeys(mutant.file for mutant in MUTANTS))
def test_every_fault_can_be_put_in_and_makes_another_program(file):
    for mutant in MUTANTS:
        if mutant.file == file:
            assert mutant.source() != (ROOT / file).read_text()


def test_every_test_that_is_named_is_there():
    for name in {test for mutant in MUTANTS for test in mutant.tests}:
        file, _, function = name.partition("::")
        assert not function or re.search(rf"^def {function}\(", (ROOT / file).read_text(), re.M), name


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("no such text", "", "0 times"), ("def ", "", "times"), ("PATIENCE = 0.25", "PATIENCE = 0.250", "same program")],
)
def test_a_fault_that_is_none_is_refused(old, new, words):
    with pytest.raises(ValueError, match=words):
        Mutant("evovae/models/validation.py", "none", old, new, []).source()
