"""What each part of the head gives: tunes with and without it, scores unseen videos, compares.

    python -m benchmarks.ablations                          # every row; two to ten minutes a seed
    python -m benchmarks.ablations "frozen LLM, size cue"   # these rows, and what they stand beside
    python -m benchmarks.ablations --seeds 0                # with one seed instead of three
    python -m benchmarks.ablations --table                  # no tuning; print what there is

Run it from the root after `make demo`. What each run says of every video is kept in
results/ablations/ with a hash of settings, tokens and questions; a run that is there with the same
hash is not made again, so an interrupted or extended call goes on. The command ends with the table
of docs/results.md and writes it there.
"""

import argparse
import hashlib
import json
import logging
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from llm_head import checkpoint, instruct, predictions
from llm_head.bootstrap import content_codes, counted_ranks, interval, pearson, resample_counts
from llm_head.checkpoint import Head
from llm_head.config import TuneConfig
from llm_head.data import Caches, read_tokens
from llm_head.levels import CENTRES
from llm_head.shown import pad
from llm_head.tune import tune
from pipeline import layout, manifest
from pipeline.cache import Kind, TokenCache, canonical
from pipeline.settings import Params, load

# without LoRA, which is the paper's way; bfloat16 halves the time of a step where the CPU has it
FROZEN = {"lora_rank": 0, "practice_steps": 0, "align_weight": 3.0, "dtype": "bfloat16"}
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
PAGE = Path("docs/results.md")
START, END = "<!-- ablations -->\n", "<!-- end -->"
RESAMPLES = 2000

log = logging.getLogger("ablations")


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


def make(run: Run, device: Literal["auto", "cpu", "cuda"]) -> None:
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


def tuned_head(run: Run, device: Literal["auto", "cpu", "cuda"]) -> Head:
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


class Row:
    """One line of the table: what the seeds of one variant said of the test videos."""

    def __init__(self, variant: str, column: str = "score") -> None:
        """Read the runs that there are; none is an error of the caller."""
        folders = runs_of(variant)
        self.seeds = len(folders)
        self._tables = {name: [pd.read_csv(f / f"{name}.csv") for f in folders] for name in SETS}
        self._column = column

    def srccs(self, name: str) -> NDArray[np.float64]:
        """Return the mean over seeds of SRCC: of the videos, and of each resample.

        A resample draws scenes and seeds. All rows draw the same ones, so differences are paired.
        """
        first = self._tables[name][0]
        known = first["mos"].notna().to_numpy()
        mos = first["mos"][known].to_numpy(float)
        codes = content_codes(first["content"][known].tolist(), len(mos))
        drawn = resample_counts(codes, RESAMPLES, seed=0)
        assert drawn is not None, "the demo has more scenes than that"
        counts = np.concatenate([np.ones((1, len(mos))), drawn])
        of_mos = counted_ranks(counts, mos)
        scores = [table[self._column][known].to_numpy(float) for table in self._tables[name]]
        each = np.array([pearson(counts, counted_ranks(counts, s), of_mos) for s in scores])
        seeds = np.random.default_rng(0).integers(0, self.seeds, (self.seeds, RESAMPLES))
        resampled = np.take_along_axis(each[:, 1:], seeds, axis=0)
        return np.append(each[:, 0].mean(), resampled.mean(axis=0))

    def accuracy(self, name: str, task: str) -> float:
        """Return the mean over seeds of the balanced accuracy of a task; NaN: it was not taught."""
        found = []
        for table in self._tables[name]:
            known = table[table[task].notna()]
            if known[f"{task}_answer"].isna().all():
                return math.nan
            right = known[f"{task}_answer"] == known[task]
            found.append(right.groupby(known[task]).mean().mean())
        return float(np.mean(found))


def base(title: str) -> str:
    """Return the variant that a row is compared with."""
    return "frozen LLM" if title.startswith("frozen LLM,") else "default"


def rows() -> Iterator[tuple[str, Row, bool]]:
    """Yield title, row, and whether its answers are its own, of every variant that was run."""
    for variant in VARIANTS:
        if runs_of(variant):
            yield variant, Row(variant), True
            for column, title in READ_OUTS.items() if variant in READ_OUTS_OF else ():
                yield f"{variant}, {title}", Row(variant, column), False
            for column, title in BESIDE.items() if variant == "default" else ():
                yield title, Row(variant, column), False


def table() -> str:
    """Return the table as Markdown, a row per variant that has been run."""
    heads = [f"SRCC, {title} | difference" for title in SETS.values()]
    head = ["", "seeds", *heads, "impairment", "motion"]
    lines = [f"| {' | '.join(head)} |", "|---" * (len(head) + len(SETS)) + "|"]
    bases = {name: Row(name) for name in {base(title) for title, _, _ in rows()}}
    for title, row, answers in rows():
        cells = [title, str(row.seeds)]
        for name in SETS:
            of_row, of_base = row.srccs(name), bases[base(title)].srccs(name)
            low, high = interval(of_row[1:])
            cells.append(f"{of_row[0]:.3f} [{low:.3f}, {high:.3f}]")
            low, high = interval(of_row[1:] - of_base[1:])
            sure = "**" if low > 0 or high < 0 else ""
            difference = f"{sure}{of_row[0] - of_base[0]:+.3f}{sure} [{low:+.3f}, {high:+.3f}]"
            cells.append("" if title == "default" else difference)
        for task in ("impairment", "motion"):
            accuracy = row.accuracy("demo", task) if answers else math.nan
            cells.append("" if math.isnan(accuracy) else f"{accuracy:.3f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def commits() -> str:
    """Return at which commits the rows were made, as a sentence."""
    paths = RESULTS.glob(f"*/[0-9]*/{ABOUT}")
    found = sorted({json.loads(path.read_text())["commit"] for path in paths})
    return f"Made at {', '.join(found)}."


def write(found: str) -> None:
    """Put the table into docs/results.md."""
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    after = rest.split(END, 1)[1]
    PAGE.write_text(f"{before}{START}{found}{END}{after}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the runs that are missing, then the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=", ".join(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--table", action="store_true", help="only print what there is")
    asked = parser.parse_args(arguments)
    unknown = sorted(set(asked.variants) - set(VARIANTS))
    if unknown:
        parser.error(f"unknown variants {unknown}; there are {list(VARIANTS)}")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    params = load()
    wanted = asked.variants or list(VARIANTS)
    names = dict.fromkeys([*map(base, wanted), *wanted])
    for seed in asked.seeds if not asked.table else ():
        for name in names:
            run = planned(params, name, seed)
            if not run.is_there():
                log.info("%s, seed %d", name, seed)
                make(run, params.run.device)
    stale = [
        str(folder)
        for name in VARIANTS
        for folder in runs_of(name)
        if not planned(params, name, int(folder.name)).is_there()
    ]
    if stale:
        sys.exit(f"made with other settings, tokens or questions: {', '.join(stale)}; remove them")
    found = f"{table()}\n{commits()}\n"
    print(found)
    if not asked.table:
        write(found)


if __name__ == "__main__":
    main()
