"""Where things lie that tests look at."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "experiments"
FORMATS = Path(__file__).parent / "golden"
"""Run folders as earlier versions wrote them."""
