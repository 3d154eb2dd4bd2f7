"""How well do the two judges read an image set, and how long do they take to learn it?

Trains the judge of fitness and the held-out judge on the training images, tests them on the test images, and writes the
weights, with a log beside them. As evovae trains them for a set of one's own, expect about 99.0% and 98.5% on MNIST,
from files below 300 kB, within 30 seconds on two cores that do nothing else; with 3,200 steps at least 98.9% from both.
The same seeds, versions and number of threads give the same weights.

    python experiments/train_judges.py --steps 3200
    python experiments/train_judges.py --dataset /usr/share/datasets/fashion-mnist

`--smoke` takes 200 steps with 2,000 images and writes to a temporary folder.
"""

import platform
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from evovae.data import load_images
from evovae.objectives import ROLES, Judge, JudgeRound, measure, train_judge

import torch

COLUMNS = (
    "role",
    "architecture",
    "seed",
    "parameters",
    "bytes",
    "steps",
    "seconds",
    "test accuracy",
    "training accuracy",
)


@dataclass
class Args:
    """Train the judges of an image set."""

    out: Path = Path("runs/judges")
    """Folder for the weights and their log."""
    dataset: str = "mnist"
    """Image set, as `evovae train` takes it."""
    image_size: int | None = None
    """Pixels a side that images are brought to."""
    steps: int | None = None
    """Minibatches of each judge at most; as many as evovae itself takes when left out."""
    threads: int = 2
    """Threads that torch computes with."""
    smoke: bool = False
    """Take 200 steps with 2,000 images; write to a temporary folder instead of `out`."""


def main(args: Args) -> None:
    torch.set_num_threads(args.threads)
    images = load_images(args.dataset, image_size=args.image_size)
    train = images.train.subset(2000, seed=0) if args.smoke else images.train
    out = Path(tempfile.mkdtemp(prefix="judges-")) if args.smoke else args.out
    out.mkdir(parents=True, exist_ok=True)

    results: list[tuple[str, ...]] = []
    rounds: list[tuple[str, JudgeRound]] = []
    for role, (architecture, seed) in ROLES.items():
        judge = Judge(architecture, images.shape, len(images.classes), seed)
        for record in islice(train_judge(judge, train, seed, args.steps), 2 if args.smoke else None):
            rounds.append((role, record))
            print(f"{role} {record.step}/{record.steps}: loss {record.loss:.4f}, accuracy {record.accuracy:.4f}")
        judge.trained_on, judge.digest = images.name, images.digest
        judge.reliability = measure(judge.eval(), images)
        path = out / f"{role}.safetensors"
        judge.save(path)
        last = rounds[-1][1]
        counts = (sum(p.numel() for p in judge.parameters()), path.stat().st_size, last.step)
        shares = (judge.reliability.test, judge.reliability.train)
        numbers = (*(f"{n:,}" for n in counts), f"{last.seconds:.1f}", *(f"{share:.2%}" for share in shares))
        results.append((role, architecture, str(seed), *numbers))

    (out / "README.md").write_text(log(results, rounds, args, len(train)), encoding="utf-8")
    table = Table(*COLUMNS)
    for row in results:
        table.add_row(*row)
    Console().print(table)
    print(f"written to {out}")


def log(results: list[tuple[str, ...]], rounds: list[tuple[str, JudgeRound]], args: Args, images: int) -> str:
    """Return what the files are and how they came about, in Markdown."""
    records = [(role, f"{r.step:,}", f"{r.loss:.4f}", f"{r.accuracy:.2%}", f"{r.seconds:.1f}") for role, r in rounds]
    return f"""# Judges of {args.dataset}

`judge.safetensors` may be part of a fitness; `heldout.safetensors` never is. What they are made of is described in
`evovae/objectives/judges/classifiers.py`; both learned from {images:,} training images.

Written by `experiments/train_judges.py` with {args.threads} threads on {datetime.now(UTC):%Y-%m-%d}, with torch \
{torch.__version__}, Python {platform.python_version()}, {platform.machine()} CPU. The same seeds, versions, threads \
and kind of CPU give the same bits. Seconds are of wall time, whatever else the machine did meanwhile.

{markdown(COLUMNS, results)}

Test accuracy is the share of all test images that the finished judge reads rightly, training accuracy that of up to
2,000 training images. Loss and accuracy are of training images that were held back while it learned:

{markdown(("role", "steps", "loss (nats)", "accuracy", "seconds"), records)}
"""


def markdown(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (columns, ("---",) * len(columns), *rows))


if __name__ == "__main__":
    main(tyro.cli(Args))
