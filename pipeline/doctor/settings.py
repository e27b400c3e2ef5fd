"""What params.yaml asks for: is it there?"""

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from pipeline.doctor.check import Check
from pipeline.settings import Params

TIMEOUT_S = 4.0
TORCH_HUB = "https://dl.fbaipublicfiles.com"


def weights(params: Params) -> Iterator[Check]:
    """Look for the weights of both encoders and for the LLM; a hub is only asked if it is there."""
    for part in ("spatial", "temporal"):
        yield _weights(f"{part} weights", part, getattr(params, part).pretrained)
    yield _weights("LLM", "llm", params.tune.llm)


def _weights(name: str, part: str, wanted: str) -> Check:
    path = Path(wanted)
    if wanted == "random":
        return Check(name, "warning", "random", "scores mean nothing; for tests only")
    if path.is_file() or (path.is_dir() and (path / "config.json").is_file()):
        return Check(name, "ok", f"{path}, {_size(path) / 1e6:.1f} MB")
    if path.parts[:2] == ("data", "weights"):
        return Check(name, "warning", f"{path} is not there yet", f"run `lmm-vqa weights {part}`")
    if path.suffix in (".safetensors", ".pt", ".pth", ".pyth", ".bin") or path.is_absolute():
        return Check(name, "problem", f"{path}: no such file", "mend the path in params.yaml")
    hub = TORCH_HUB if wanted == "hub" else os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    reason = unreachable(hub)
    if reason is None:
        return Check(name, "ok", f"{wanted}: {hub} answers")
    return Check(
        name,
        "warning",
        f"{wanted}: {hub} is not reachable ({reason})",
        "works only if the hub's files are in the local cache; or name a file in params.yaml",
    )


def unreachable(url: str) -> str | None:
    """Return why a server does not answer within a few seconds; None if it does."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=TIMEOUT_S)
    except urllib.error.HTTPError:
        return None  # it answers, if only with a status
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
    return None


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def scheduler(params: Params) -> Check:
    """Try to reach the Dask scheduler that section run names."""
    name, address = "Dask scheduler", params.run.scheduler
    if "://" not in address:
        return Check(name, "ok", f"run.scheduler is {address}: none needed")
    from distributed import Client

    from pipeline.cluster import count_workers

    try:
        with Client(address, timeout=TIMEOUT_S) as client:
            workers = count_workers(client)
    except (OSError, ValueError) as error:
        return Check(name, "problem", f"{address}: {error}", "start it, or mend run.scheduler")
    if not workers:
        return Check(name, "warning", f"{address} has no worker", "start workers: dask worker ...")
    return Check(name, "ok", f"{address}, {workers} workers")


def datasets(params: Params) -> Iterator[Check]:
    """Look whether each data set's folder and labels are there."""
    for name, data in params.datasets.items():
        wanted = [data.root] + ([data.root / data.labels] if data.labels else [])
        missing = [str(path) for path in wanted if not path.exists()]
        made = data.root.parts[:2] == ("data", "raw")
        if not missing:
            yield Check(f"data set {name}", "ok", str(data.root))
        elif made:
            advice = "run `make demo`, or `lmm-vqa footage` and `lmm-vqa demo`"
            yield Check(f"data set {name}", "warning", f"no {missing[0]} yet", advice)
        else:
            advice = f"mend datasets.{name} in params.yaml"
            yield Check(f"data set {name}", "problem", f"no {missing[0]}", advice)
