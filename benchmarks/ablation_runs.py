"""The variants of `benchmarks.ablations`, and a run of one: tune, ask the test videos, keep it."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch

from llm_head import checkpoint, instruct, predictions
from llm_head.checkpoint import Head
from llm_head.config import TuneConfig
from llm_head.data import Caches, read_tokens
from llm_head.levels import CENTRES
from llm_head.shown import pad
from llm_head.tune import tune
from pipeline import layout, manifest
from pipeline.cache import Kind, TokenCache, canonical
from pipeline.settings import Params

Device = Literal["auto", "cpu", "cuda"]

WITHOUT_SEVERITY = {"tasks": ("score", "level", "impairment", "motion")}
# without LoRA, which is the paper's way; bfloat16 halves the time of a step where the CPU has it;
# the question of severity, which came later, would change all these rows alike
FROZEN: dict[str, Any] = {
    **{"lora_rank": 0, "practice_steps": 0, "align_weight": 3.0, "dtype": "bfloat16"},
    **WITHOUT_SEVERITY,
}
OF_FROZEN: dict[str, dict[str, Any]] = {
    "float32": {"dtype": "float32"},
    "LoRA": {"lora_rank": 8},
    "level question only": {"tasks": ("level",)},
    "no alignment": {"align_steps": 0, "align_weight": 0.0},
    "spatial tokens only": {"tokens": "spatial"},
    "temporal tokens only": {"tokens": "temporal"},
    "mean over time": {"time": "mean"},
    "projector vit": {"projector": "vit"},
    "projector resampler": {"projector": "resampler", "queries": 4},
    "hard levels": {"level_std": 0},
    "ranking loss": {"rank_weight": 1.0},
    "answers weigh a quarter": {"answer_weight": 0.25},
    "size cue": {"cue": "text"},
    "second markers": {"markers": True},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "default, without severity": WITHOUT_SEVERITY,
    "default, ranking loss": {"rank_weight": 1.0},
    "frozen LLM": FROZEN,
    **{f"frozen LLM, {name}": {**FROZEN, **changed} for name, changed in OF_FROZEN.items()},
}
# other read-outs of the same runs, of these variants
READ_OUTS = {
    "score_generated": "the generated number",
    "score_digits": "expectation over numbers",
    "shown": "words that the LLM is shown",
}
READ_OUTS_OF = ("default", "frozen LLM")
BESIDE = {"ridge": "ridge on the same tokens", "svr": "SVR on the same tokens"}
SETS = {"demo": "unseen shots", "demo_wild": "`demo_wild`"}
RESULTS = Path("results/ablations")
ABOUT = "about.json"  # of a run


@dataclass(frozen=True)
class Run:
    """One head to tune, and all that decides what it says.

    Attributes:
        folder: where that is kept, a CSV per data set.
        config: of tuning.
        records: that it learns from.
        caches: by data set, then kind.
        beside: whether regressions on the same tokens are asked, too.
    """

    folder: Path
    config: TuneConfig
    records: Sequence[instruct.Record]
    caches: dict[str, dict[Kind, TokenCache]]
    beside: bool

    def about(self) -> dict[str, str]:
        """Return what tells this run from one of other settings, tokens or questions."""
        decides = {
            "config": asdict(self.config),
            "caches": {
                name: {kind: cache.fingerprint_sha256 for kind, cache in parts.items()}
                for name, parts in self.caches.items()
            },
            "records": instruct.to_jsonl(self.records),
        }
        return {"key": hashlib.sha256(canonical(decides).encode()).hexdigest()[:16]}

    def is_there(self) -> bool:
        """Say whether it was made, with these settings."""
        path = self.folder / ABOUT
        if not path.is_file():
            return False
        return bool(json.loads(path.read_text())["key"] == self.about()["key"])


def planned(params: Params, variant: str, seed: int) -> Run:
    """Return the run of a variant and seed."""
    changed = dict(VARIANTS[variant])
    tasks = changed.pop("tasks", None)
    settings = params.tune.model_copy(update=changed)
    config = TuneConfig(**settings.model_dump(exclude={"train_on"}), seed=seed)
    caches = {
        name: {kind: TokenCache(layout.cache(name, kind)) for kind in config.kinds} for name in SETS
    }
    records = instruct.read(layout.instructions("demo"), "demo")
    kept = [record for record in records if tasks is None or record.task in tasks]
    return Run(folder_of(variant) / str(seed), config, kept, caches, variant == "default")


def make(run: Run, device: Device) -> None:
    """Tune the head of a run and write what it says of the test videos."""
    caches, head = run.caches, tuned_head(run, device)
    whole = manifest.read(layout.manifest("demo"))
    found = {}
    for name in SETS:
        table = manifest.read(layout.manifest(name))
        table = table[table["split"] == "test"]
        rows = pd.DataFrame(predictions.predict(head, table, caches[name]))
        rows["shown"] = [shown(head, caches[name], video) for video in rows["video_id"]]
        if run.beside:
            learned = [(whole, caches["demo"])]
            others = predictions.baselines(learned, table, caches[name], head.shape, 0)
            rows = rows.assign(**{key: others[key] for key in BESIDE})
        found[name] = rows
    tmp = run.folder.with_name(f".tmp-{run.folder.name}")
    for old in (tmp, run.folder):
        shutil.rmtree(old, ignore_errors=True)
    tmp.mkdir(parents=True)
    for name, rows in found.items():
        rows.to_csv(tmp / f"{name}.csv", index=False)
    (tmp / ABOUT).write_text(json.dumps({**run.about(), "commit": commit()}) + "\n")
    tmp.rename(run.folder)


def tuned_head(run: Run, device: Device) -> Head:
    """Return the head of a run; the one that `make demo` has tuned, if that is the one."""
    config = run.config
    if run.beside and (layout.MODEL / checkpoint.CONFIG).is_file():
        made = checkpoint.read_config(layout.MODEL)
        if [*made["data"]] == ["demo"] and canonical(made["settings"]) == canonical(asdict(config)):
            prints = {kind: cache.fingerprint for kind, cache in run.caches["demo"].items()}
            return checkpoint.load(layout.MODEL, prints, device)
    tuned = tune(run.records, {"demo": run.caches["demo"]}, config, device)
    shape = tuned.model.projector.shape
    return Head(tuned.model, tuned.chat, shape, config.level_std, (), taught=tuned.taught)


def commit() -> str:
    """Return the commit that is checked out, with a + where the head's code was changed since."""
    said = [
        subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()
        for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "llm_head"])
    ]
    return said[0] + "+" * bool(said[1])


@torch.no_grad()
def shown(head: Head, caches: Caches, video: str) -> float:
    """Return the score, 10-90, of the level words that a video's tokens are nearest to."""
    tokens = pad([read_tokens(caches, video, head.shape)])
    projected = head.model.projector(**tokens)
    (levels,) = head.model.alignment.shown(*projected)
    return float(levels.double() @ torch.from_numpy(CENTRES))


def folder_of(variant: str) -> Path:
    """Return where a variant's runs lie, a folder per seed."""
    return RESULTS / re.sub(r"\W+", "-", variant)


def runs_of(variant: str) -> list[Path]:
    """Return the folders of a variant's runs."""
    return sorted(folder_of(variant).glob("[0-9]*"), key=lambda folder: folder.name)


def base(title: str) -> str:
    """Return the variant that a row is compared with."""
    return "frozen LLM" if title.startswith("frozen LLM,") else "default"
