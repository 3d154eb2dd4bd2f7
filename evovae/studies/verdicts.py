"""Reference figures beside ours: verdicts by a distance that was fixed beforehand, and the rows of their one table."""

from collections.abc import Iterable

from evovae.analysis import Interval

REPRODUCED, CLOSE, NOT_REPRODUCED = "reproduced", "close", "not reproduced"
VERDICTS = "verdicts"
"""Name of the table that every reproduction leaves: the rows of one source, as people read them."""


def grade(distance: float, reproduced: float, close: float | None = None) -> str:
    """Return the verdict on a figure that lies `distance` from its reference.

    Up to `reproduced` it is reproduced, up to `close`, if there is such a verdict, close; NaN is not reproduced.
    """
    if distance <= reproduced:
        return REPRODUCED
    return CLOSE if close is not None and distance <= close else NOT_REPRODUCED


def tally(verdicts: Iterable[str]) -> str:
    """Return how many of several verdicts are which, in words."""
    found = list(verdicts)
    counts = {verdict: found.count(verdict) for verdict in (REPRODUCED, CLOSE, NOT_REPRODUCED)}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def verdict_row(
    result: str, source: str, reference: str, ours: str, verdict: str, interval: str = ""
) -> dict[str, str]:
    """Return a row: a result, what it is held against and who published or found that, ours with its interval."""
    return {
        "result": result,
        "source": source,
        "reference": reference,
        "ours": ours,
        "interval": interval,
        "verdict": verdict,
    }


def figure_row(result: str, source: str, reference: str, ours: Interval, verdict: str, form: str) -> dict[str, str]:
    """Return a row for one number with its interval, each written in a format such as `.2f`."""
    estimate, low, high = (format(value, form) for value in ours)
    return verdict_row(result, source, reference, estimate, verdict, f"{low} to {high}")
