"""How well do the two judges read MNIST, and what do the shipped weights come from?

Trains the judge of fitness and the held-out judge on the 60,000 training images, tests them on the 10,000 test images,
and writes the weights that evovae ships, with a log beside them. Expect at least 98.9% from both, from files below
300 kB. The same seeds, versions and number of threads give the same weights.

    python experiments/train_judges.py

About 80 seconds on two cores that do nothing else. `--smoke` sees 2,000 images three times and writes to a temporary
folder.
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
from evovae.judges import ROLES, Judge, JudgeEpoch, accuracy, train_judge

import torch

COLUMNS = ("role", "architecture", "seed", "parameters", "bytes", "seconds", "test accuracy")


@dataclass
class Args:
    """Train the judges that evovae ships."""

    out: Path = Path("evovae/weights")
    """Folder for the weights and their log."""
    threads: int = 2
    """Threads that torch computes with."""
    smoke: bool = False
    """See 2,000 images three times; write to a temporary folder instead of `out`."""


def main(args: Args) -> None:
    torch.set_num_threads(args.threads)
    mnist = load_images("mnist")
    train = mnist.train.subset(2000, seed=0) if args.smoke else mnist.train
    out = Path(tempfile.mkdtemp(prefix="judges-")) if args.smoke else args.out
    out.mkdir(parents=True, exist_ok=True)

    results: list[tuple[str, ...]] = []
    epochs: list[tuple[str, JudgeEpoch]] = []
    for role, (architecture, seed) in ROLES.items():
        judge = Judge(architecture, mnist.shape, len(mnist.classes), seed)
        for record in islice(train_judge(judge, train, seed), 3 if args.smoke else None):
            epochs.append((role, record))
            print(f"{role} {record.epoch}/{record.epochs}: loss {record.loss:.4f}, accuracy {record.accuracy:.4f}")
        judge.trained_on = mnist.name
        path = out / f"{role}-mnist.safetensors"
        judge.save(path)
        parameters = sum(p.numel() for p in judge.parameters())
        test = f"{accuracy(judge, mnist.test):.2%}"
        seconds = f"{epochs[-1][1].seconds:.1f}"
        results.append((role, architecture, str(seed), f"{parameters:,}", f"{path.stat().st_size:,}", seconds, test))

    (out / "README.md").write_text(log(results, epochs, args, len(train)), encoding="utf-8")
    table = Table(*COLUMNS)
    for row in results:
        table.add_row(*row)
    Console().print(table)
    print(f"written to {out}")


def log(results: list[tuple[str, ...]], epochs: list[tuple[str, JudgeEpoch]], args: Args, images: int) -> str:
    """Return what the files are and how they came about, in Markdown."""
    records = [(role, str(e.epoch), f"{e.loss:.4f}", f"{e.accuracy:.2%}", f"{e.seconds:.1f}") for role, e in epochs]
    return f"""# Weights of the MNIST judges

`judge-mnist.safetensors` may be part of a fitness; `heldout-mnist.safetensors` never is. What they are made of is
described in `evovae/classifiers.py`; both learned from {images:,} training images of MNIST.

Written by `python experiments/train_judges.py --threads {args.threads}{" --smoke" if args.smoke else ""}` on \
{datetime.now(UTC):%Y-%m-%d} with torch {torch.__version__}, Python {platform.python_version()}, \
{platform.machine()} CPU. The same seeds, versions, threads and kind of CPU give the same bits. \
Seconds are of wall time, whatever else the machine did meanwhile.

{markdown(COLUMNS, results)}

Test accuracy is the share of the 10,000 test images that the finished judge reads rightly. Loss and accuracy per epoch
are over the training images as the judge met them, moved by up to a pixel, while it learned:

{markdown(("role", "epoch", "loss (nats)", "accuracy", "seconds"), records)}
"""


def markdown(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (columns, ("---",) * len(columns), *rows))


if __name__ == "__main__":
    main(tyro.cli(Args))
