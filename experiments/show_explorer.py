"""What does the explorer look like, does axe find fault with it, and how soon does an image follow a slider?

A VAE is trained, an eight evolved and an archive of eights filled; then the explorer is started as a user starts it,
and headless Chromium goes through its views in both themes: a screenshot of each, and axe's findings there. For the
latency a slider is moved 200 times, each time when the image before has come, and a generation is bred 30 times: first
with nothing else running, then beside `evovae train`. `drawn` is the time from the slider's event until the new image
is on its canvas, `presented` until the browser has a frame with it, which comes sixty times a second; `bred` the time
from the click to 20 new images. Wanted: a median below 20 ms and a 95th percentile below 50 ms for an image, 100 ms for
a generation.

    python experiments/show_explorer.py             about two minutes on two cores; needs Chromium
    python experiments/show_explorer.py --smoke     seconds, leaving no results
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from evovae import runs
from evovae.base import InputError
from evovae.data import DataConfig
from evovae.models import TrainConfig, VAEConfig
from evovae.runs import HISTORY, EvolveConfig, IlluminateConfig, ProblemConfig
from evovae.studies import Results, start, study

VIEWS = {view: view for view in ("breed", "sliders", "map", "kept")} | {
    "watch": "watch/eight",
    "archive": "watch/kinds",
}
"""And their addresses."""
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
DRAG = """async (moves) => {
    const slider = document.querySelector('#groups input[type=range]');
    const drawn = [], presented = [];
    for (let i = 0; i < moves; i++) {
        const begun = performance.now();
        const image = new Promise((resume) => document.addEventListener('evovae:drawn', resume, { once: true }));
        slider.value = Math.sin(i / 9) * 2.5;
        slider.dispatchEvent(new Event('input'));
        await image;
        drawn.push(performance.now() - begun);
        await new Promise((resume) => requestAnimationFrame(resume));
        presented.push(performance.now() - begun);
        await new Promise((resume) => setTimeout(resume, 5));
    }
    return { drawn, presented };
}"""
BREED = """async (times) => {
    const bred = [];
    for (let i = 0; i < times; i++) {
        document.querySelectorAll('#breed-grid button.picture')[i % 20].click();
        const grid = document.querySelector('#breed-grid');
        const begun = performance.now();
        const change = new Promise((resume) => new MutationObserver((_, observer) => {
            observer.disconnect();
            resume();
        }).observe(grid, { childList: true }));
        document.querySelector('#next').click();
        await change;
        bred.push(performance.now() - begun);
        await new Promise((resume) => setTimeout(resume, 20));
    }
    return bred;
}"""


@dataclass(frozen=True)
class Arguments:
    """Settings of the experiment."""

    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse where there is nothing to look with."""
        for library in ("fastapi", "playwright", "axe_playwright_python"):
            if find_spec(library) is None:
                raise InputError(f"this script needs {library}: pip install 'evovae[test]'")
        if shutil.which("chromium") is None:
            raise InputError("this script needs Chromium: apt-get install chromium")


def main(arguments: Arguments) -> None:
    from playwright.sync_api import sync_playwright

    with study("explorer", arguments.smoke) as results, tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        small = arguments.smoke
        train = TrainConfig(train_images=2000, epochs=1) if small else TrainConfig()
        runs.train(DataConfig(), VAEConfig(), train, root / "vae")
        config = EvolveConfig(population=20, generations=5) if small else EvolveConfig()
        runs.evolve_named(ProblemConfig(vae=str(root / "vae")), config, root / "eight")
        measures = ProblemConfig(vae=str(root / "vae"), measures="slant,thickness")
        generations = 5 if small else 400
        kinds = IlluminateConfig(grid=(40, 40), generations=generations, replicates=2, baselines=())
        runs.illuminate_named(measures, kinds, root / "kinds")
        with (
            serving(root / "vae") as address,
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET) as browser,
        ):
            rows = [
                row
                for scheme in (("light",) if small else ("light", "dark"))
                for row in look(browser, address, scheme, results, 0 if small else 90)
            ]
            results.table("accessibility", pd.DataFrame(rows))
            moves, times = (10, 3) if small else (200, 30)
            latency = measure(browser, address, moves, times, "nothing else")
            with training(root / "beside"):
                latency += measure(browser, address, moves, times, "evovae train")
        results.table("latency", pd.DataFrame(latency))


@contextlib.contextmanager
def serving(vae: Path) -> Iterator[str]:
    """Yield the address of an explorer."""
    words = ("explore", "--vae", str(vae), "--port", "0", "--no-browser")
    with subprocess.Popen([sys.executable, "-m", "evovae", *words], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"http://[0-9.:]+", server.stdout.readline())
        assert found
        yield found[0]
        server.send_signal(signal.SIGINT)


@contextlib.contextmanager
def training(folder: Path) -> Iterator[None]:
    """Let a training with two threads run beside."""
    words = ("train", "--out", str(folder), "--epochs", "1000", "--checkpoint-seconds", "1")
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", "evovae", *words]
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as process:
        while not (folder / HISTORY).is_file() and process.poll() is None:
            time.sleep(0.1)
        yield
        process.kill()


def look(browser: Any, address: str, scheme: str, results: Results, wait: float) -> list[dict[str, Any]]:
    """Go through the views, take their screenshots, and return what axe found; `wait` seconds at most for t-SNE."""
    from axe_playwright_python.sync_playwright import Axe

    rows = []
    with browser.new_context(viewport={"width": 1280, "height": 860}, color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(address)
        for place in (3, 8, 11):
            page.locator("#breed-grid button.picture").nth(place).click()
        page.locator("#next").click()
        page.locator("#breed-grid .badge").first.wait_for()
        for place in (0, 1, 5):
            page.locator("#breed-grid .keeper").nth(place).click()
        page.locator("#breed-grid button.picture").nth(4).click()
        for view, route in VIEWS.items():
            page.goto(f"{address}/#{route}")
            prepare(page, view, scheme, wait)
            page.wait_for_timeout(500)
            found = Axe().run(page).response
            worst = [one["id"] for one in found["violations"] if one["impact"] in ("serious", "critical")]
            counts = {
                "rules_passed": len(found["passes"]),
                "violations": len(found["violations"]),
                "serious": len(worst),
            }
            rows.append({"view": view, "theme": scheme} | counts)
            if scheme == "light" or view in ("map", "archive"):
                picture = results.folder / f"{view}{'-dark' if scheme == 'dark' else ''}.png"
                page.screenshot(path=picture)
                Image.open(picture).convert("P", palette=Image.Palette.ADAPTIVE).save(picture, optimize=True)
    return rows


def prepare(page: Any, view: str, scheme: str, wait: float) -> None:
    """Bring a view into a state that shows what it is for."""
    if view == "sliders":
        page.locator("#test-index").fill("8")
        page.keyboard.press("Tab")
    elif view == "map":
        if wait:
            page.locator("input[name=method][value=tsne]:checked").wait_for(timeout=1000 * wait)
        page.locator("#cursor[aria-busy=false]").wait_for()
        page.locator("#cursor").click(position={"x": 330, "y": 260})
    elif view == "watch":
        page.locator("#replicates canvas").first.wait_for()
    elif view == "archive":
        page.locator("#archive-filled").filter(has_text="filled").wait_for()
        page.get_by_label("pictures" if scheme == "light" else "colours", exact=True).check()
        box = page.locator("#cells-cursor").bounding_box()
        for across, up in ((0.45, 0.55), (0.85, 0.2), (0.7, 0.45), (0.6, 0.3)):
            page.locator("#cells-cursor").click(position={"x": across * box["width"], "y": (1 - up) * box["height"]})
            page.wait_for_timeout(300)


def measure(browser: Any, address: str, moves: int, times: int, beside: str) -> list[dict[str, Any]]:
    """Return a row for each latency, in ms."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{address}/#sliders")
        page.locator("#live canvas").wait_for()
        page.evaluate(DRAG, 10)  # what is slow once
        found = page.evaluate(DRAG, moves)
        page.goto(f"{address}/#breed")
        page.locator("#breed-grid li").first.wait_for()
        found["bred"] = page.evaluate(BREED, times)
    rows = []
    for name, values in found.items():
        quantiles = np.quantile(values, [0.5, 0.95, 1])
        rows.append(
            {"latency": name, "beside": beside, "times": len(values)}
            | dict(zip(("median_ms", "p95_ms", "most_ms"), quantiles.round(1), strict=True))
        )
    return rows


if __name__ == "__main__":
    start(main, Arguments, __doc__)
