"""How well do the two judges of an image set read it, against the seconds that they take to learn it?

As evovae trains them: AdamW, 64 images a minibatch, one rise and fall of the learning rate; here with other numbers of
minibatches than `judges.training.MAX_STEPS` too. Test accuracy, training accuracy (of up to 2,000 images), and the
seconds of the training alone, with one run of each. Expect half a minute for both at the limit on MNIST, on two cores
that do nothing else, and little from twice as many.

    python experiments/speed_judges.py            about 10 minutes on two cores, with nothing else running
    python experiments/speed_judges.py --smoke    seconds, leaving no results

Fashion-MNIST is that of Debian's package dataset-fashion-mnist; icons are a folder of one's own.
"""

import time
from dataclasses import dataclass

import pandas as pd

import evovae
from evovae.base import require_counts
from evovae.objectives import ROLES, Judge, measure, train_judge
from evovae.studies import start, study


@dataclass(frozen=True)
class Arguments:
    """Settings of the measurement."""

    datasets: tuple[str, ...] = ("mnist", "/usr/share/datasets/fashion-mnist")
    """Image sets, as `evovae train` takes them."""
    image_size: int | None = None
    """Pixels a side that images are brought to."""
    steps: tuple[int, ...] = (500, 1000, 1500, 3200)
    """Minibatches at most."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no measurement."""
        require_counts(self, "steps")


def main(arguments: Arguments) -> None:
    datasets, steps = (("mnist",), (2,)) if arguments.smoke else (arguments.datasets, arguments.steps)
    rows = []
    with study("speed", arguments.smoke, provenance="judges_provenance.json") as results:
        for dataset in datasets:
            images = evovae.load_images(dataset, image_size=arguments.image_size)
            train = images.train.subset(200, seed=0) if arguments.smoke else images.train
            for most in steps:
                for role, (architecture, seed) in ROLES.items():
                    judge, begin = Judge(architecture, images.shape, len(images.classes), seed), time.perf_counter()
                    *_, last = train_judge(judge, train, seed, most)
                    row = {"set": images.name, "pixels": images.shape[1], "role": role, "architecture": architecture}
                    row |= {"most_steps": most, "steps": last.step, "seconds": time.perf_counter() - begin}
                    found = measure(judge.eval(), images)
                    rows.append(row | {"test_accuracy": found.test, "training_accuracy": found.train})
                    print(", ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
        results.table("judges", pd.DataFrame(rows), show=False)


if __name__ == "__main__":
    start(main, Arguments, __doc__)
