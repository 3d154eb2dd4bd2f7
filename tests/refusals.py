"""What every refusal of bad input must be: one line that names the value."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from evovae.base import InputError


@contextmanager
def refused(*words: str) -> Iterator[None]:
    """Expect an InputError in one line that contains every one of `words`."""
    with pytest.raises(InputError) as caught:
        yield
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
