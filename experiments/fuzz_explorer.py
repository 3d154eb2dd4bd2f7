"""Does the explorer's server refuse every malformed request, and never fail?

Schemathesis reads the server's own OpenAPI description and makes requests that break it: other types, numbers out of
range, missing and unknown fields, paths and queries that fit nowhere. They reach the application as bytes from a
browser would; those with a malformed body about a session or an archive name one that there is. `refused` counts
answers of status 4xx, which should be all; `answered` those of 2xx, and `failed` those of 5xx.

    python experiments/fuzz_explorer.py             about two minutes on one core
    python experiments/fuzz_explorer.py --smoke     seconds, leaving no results
"""

import math
import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pandas as pd

from evovae import runs
from evovae.base import InputError, require_counts
from evovae.models import VAE, VAE_FILE, VAEConfig
from evovae.runs import EvolveConfig, IlluminateConfig, ProblemConfig
from evovae.studies import start, study

import torch

ADDRESS = "http://127.0.0.1:8000"
SENT = ("method", "url", "headers", "params", "json", "content", "data")


@dataclass(frozen=True)
class Arguments:
    """Settings of the experiment."""

    requests: int = 10_000
    """Malformed requests, at least, spread evenly over what the server offers."""
    seed: int = 0
    """Seed of the requests."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no experiment."""
        require_counts(self, "requests")
        for library in ("fastapi", "schemathesis"):
            if find_spec(library) is None:
                raise InputError(f"this script needs {library}: pip install 'evovae[test]'")


def main(arguments: Arguments) -> None:
    torch.set_num_threads(1)
    with study("fuzz_explorer", arguments.smoke) as results, tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        table = fuzz(make_folder(Path(folder)), 200 if arguments.smoke else arguments.requests, arguments.seed)
        results.table("summary", table)
        total = table.sum(numeric_only=True).astype(int)
        seconds = time.perf_counter() - begin
        print(f"{total['requests']:,} requests, {total['refused']:,} refused, {seconds:.0f} s")
    if total["refused"] < total["requests"]:
        raise RuntimeError(f"{total['requests'] - total['refused']} requests were not refused: the table says which")


def make_folder(root: Path) -> Path:
    """Put a small VAE into `root`, an evolution and an illumination beside it; return the VAE's folder."""
    (root / "vae").mkdir()
    VAE(VAEConfig(latent_dim=4, hidden=(16,))).save(root / "vae" / VAE_FILE)
    small = EvolveConfig(population=4, generations=2, replicates=2, baselines=())
    runs.evolve_named(ProblemConfig(vae=str(root / "vae"), objective="ink"), small, root / "light", dataset="mnist")
    kinds = IlluminateConfig(grid=(4, 4), generations=2, replicates=1, emitters=1, batch_size=4, baselines=())
    named = ProblemConfig(vae=str(root / "vae"), objective="ink", measures="slant,thickness")
    runs.illuminate_named(named, kinds, root / "kinds", dataset="mnist")
    return root / "vae"


def fuzz(vae: Path, requests: int, seed: int) -> pd.DataFrame:
    """Return a row for each operation of the explorer of `vae`: how many malformed requests met which end."""
    import schemathesis
    from fastapi.testclient import TestClient

    from evovae.explorer import explore, make_app

    app = make_app(explore(vae, dataset="mnist"))
    with TestClient(app, base_url=ADDRESS, raise_server_exceptions=False) as client:
        known = {"identity": client.post("/api/sessions", json={}).json()["id"], "key": "kinds", "replicate": "0"}
        operations = [
            cast(Any, found).ok() for found in schemathesis.openapi.from_dict(app.openapi()).get_all_operations()
        ]
        open_to_faults = [operation for operation in operations if takes_something(operation)]
        share = math.ceil(requests / len(open_to_faults))
        rows = []
        for operation in open_to_faults:
            found = send(client, operation, share, seed, known)
            if not found:
                raise InputError(f"{operation.label}: no malformed request could be made")
            ends = {name: sum(n for status, n in found.items() if status // 100 == kind) for name, kind in ENDS.items()}
            rows.append({"operation": operation.label, "requests": found.total()} | ends)
    return pd.DataFrame(rows)


ENDS = {"refused": 4, "answered": 2, "failed": 5}


def takes_something(operation: Any) -> bool:
    """Whether a request can break its description: there is a parameter or a body."""
    return bool(list(operation.iter_parameters()) or list(operation.body))


def send(client: Any, operation: Any, requests: int, seed: int, known: dict[str, str]) -> Counter[int]:
    """Send malformed requests of an operation, and count the statuses of the answers.

    Those whose body is malformed go to an address with what is `known` of its parts.
    """
    import hypothesis
    from schemathesis import GenerationMode
    from schemathesis.core.parameters import ParameterLocation

    found: Counter[int] = Counter()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=requests,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def one(case: Any) -> None:
        hypothesis.assume([] not in (case.query or {}).values())  # of those nothing reaches the server
        sent = case.as_transport_kwargs(base_url=ADDRESS)
        body = case.meta.components.get(ParameterLocation.BODY)
        if body is not None and body.mode.is_negative:
            sent["url"] = ADDRESS + re.sub(r"\{(\w+)\}", lambda part: known.get(part[1], part[0]), operation.path)
        found[client.request(**{name: value for name, value in sent.items() if name in SENT}).status_code] += 1

    one()
    return found


if __name__ == "__main__":
    start(main, Arguments, __doc__)
