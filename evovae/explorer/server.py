"""The explorer: a web page on which a person chooses latent values, walks through the map, and breeds images."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from evovae.base import InputError, require_whole

HOST = "127.0.0.1"


def serve(
    vae: Path | None,
    port: int,
    *,
    generator: str | None = None,
    range: tuple[float, float] | None = None,
    dataset: str | None = None,
    data_dir: str | None = None,
    runs: Path | None = None,
    browser: bool = True,
) -> None:
    """Serve the explorer on 127.0.0.1 until the process is asked to stop.

    Args:
        vae: run folder or file of a VAE.
        port: where it listens; 0 takes one that is free.
        generator: another decoder instead, as `load_generator` takes it; code that it names is run.
        range: what the generator's file gives for black and for white.
        dataset: image set; None: the one that the VAE's run folder remembers, or none.
        data_dir: where torchvision's image sets are; None: what the run folder remembers.
        runs: folder of the evolutions that can be watched; None: the one that the VAE's run folder lies in, or runs.
        browser: open the page in a browser.

    Raises:
        InputError: if the VAE, the generator or the port cannot be used.
    """
    for library in ("fastapi", "uvicorn"):
        if find_spec(library) is None:
            raise InputError(f"the explorer needs {library}: pip install 'evovae[explorer]'")
    require_whole("port", port, 0, 65_535)
    with _bind(port) as listening:
        import torch
        import uvicorn

        from evovae.explorer.app import make_app
        from evovae.explorer.workspace import explore

        torch.set_num_threads(1)  # of small networks, several threads are slower as soon as anything else runs
        explored = explore(vae, generator=generator, range=range, dataset=dataset, data_dir=data_dir, runs=runs)
        app = make_app(explored)
        address = f"http://{HOST}:{listening.getsockname()[1]}"
        config = uvicorn.Config(app, http="h11", ws="none", log_level="warning", timeout_graceful_shutdown=3)
        print(f"evovae explorer: {address} (Ctrl-C ends it)", flush=True)
        if browser and _has_screen():
            threading.Timer(0.5, webbrowser.open, (address,)).start()
        uvicorn.Server(config).run(sockets=[listening])


@contextlib.contextmanager
def _bind(port: int) -> Iterator[socket.socket]:
    """Listen on the port, before anything that takes long."""
    # With the protocol named, asyncio sends small answers at once instead of waiting 40 ms for more.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError as error:
            raise InputError(f"port {port} cannot be had ({error.strerror}): choose another with --port") from error
        listening.listen()  # who comes before all is read waits
        yield listening


def _has_screen() -> bool:
    """Whether a browser would open a window, rather than take over the terminal."""
    return sys.platform in ("darwin", "win32") or any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY"))
