"""What each part of the head gives: tunes with and without it, scores unseen videos, compares.

    python -m benchmarks.ablations                          # every row; four to ten minutes a seed
    python -m benchmarks.ablations "frozen LLM, size cue"   # these rows, and what they stand beside
    python -m benchmarks.ablations --seeds 0                # with one seed instead of three
    python -m benchmarks.ablations --table                  # no tuning; print what there is

Run it from the root after `make demo`. What each run says of every video is kept in
results/ablations/; a run that is there is not made again, so an interrupted or extended call goes
on. The command ends with the table of docs/results.md and writes it there.
"""

import argparse
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from llm_head import instruct, predictions
from llm_head.bootstrap import content_codes, counted_ranks, interval, pearson, resample_counts
from llm_head.checkpoint import Head
from llm_head.config import TuneConfig
from llm_head.data import Caches, read_tokens
from llm_head.levels import CENTRES
from llm_head.shown import pad
from llm_head.tune import tune
from pipeline import layout, manifest
from pipeline.cache import TokenCache
from pipeline.settings import Params, load

FROZEN = {"lora_rank": 0, "practice_steps": 0, "align_weight": 3.0, "epochs": 4}
# of the head without LoRA, which is the paper's and takes half as long to tune
OF_FROZEN: dict[str, dict[str, Any]] = {
    "no alignment": {"align_steps": 0, "align_weight": 0.0},
    "spatial tokens only": {"tokens": "spatial"},
    "temporal tokens only": {"tokens": "temporal"},
    "mean over time": {"time": "mean"},
    "projector vit": {"projector": "vit"},
    "projector resampler": {"projector": "resampler", "queries": 4},
    "hard levels": {"level_std": 0},
    "ranking loss": {"rank_weight": 1.0},
    "size cue": {"cue": "text"},
    "second markers": {"markers": True},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "no practice": {"practice_steps": 0, "align_weight": 3.0},
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
PAGE = Path("docs/results.md")
START, END = "<!-- ablations -->\n", "<!-- end -->"
RESAMPLES = 2000

log = logging.getLogger("ablations")


def run(params: Params, seed: int, folder: Path) -> None:
    """Tune one head and write what it says of the test videos, a CSV per data set."""
    settings = params.tune
    config = TuneConfig(**settings.model_dump(exclude={"train_on"}), seed=seed)
    caches = {
        name: {kind: TokenCache(layout.cache(name, kind)) for kind in config.kinds} for name in SETS
    }
    records = instruct.read(layout.instructions("demo"), "demo")
    tuned = tune(records, {"demo": caches["demo"]}, config, params.run.device)
    head = Head(tuned.model, tuned.chat, tuned.model.projector.shape, settings.level_std, ())
    whole = manifest.read(layout.manifest("demo"))
    found = {}
    for name in SETS:
        table = manifest.read(layout.manifest(name))
        table = table[table["split"] == "test"]
        rows = pd.DataFrame(predictions.predict(head, table, caches[name]))
        rows["shown"] = [shown(head, caches[name], video) for video in rows["video_id"]]
        beside = predictions.baselines(
            [(whole, caches["demo"])], table, caches[name], head.shape, 0
        )
        found[name] = rows.assign(**{key: beside[key] for key in BESIDE})
    folder.mkdir(parents=True)
    for name, rows in found.items():
        rows.to_csv(folder / f"{name}.csv", index=False)


@torch.no_grad()
def shown(head: Head, caches: Caches, video: str) -> float:
    """Return the score, 10-90, of the level words that a video's tokens are nearest to."""
    tokens = pad([read_tokens(caches, video, head.shape)])
    projected = head.model.projector(tokens["spatial"], tokens["temporal"])
    (levels,) = head.model.alignment.shown(projected, tokens["seconds"])
    return float(levels.double() @ torch.from_numpy(CENTRES))


def folder_of(variant: str) -> Path:
    """Return where a variant's runs lie, a folder per seed."""
    return RESULTS / re.sub(r"\W+", "-", variant)


class Row:
    """One line of the table: what the seeds of one variant said of the test videos."""

    def __init__(self, variant: str, column: str = "score") -> None:
        """Read the runs that there are; none is an error of the caller."""
        folders = sorted(folder_of(variant).glob("*"), key=lambda f: f.name)
        self.seeds = len(folders)
        self._tables = {name: [pd.read_csv(f / f"{name}.csv") for f in folders] for name in SETS}
        self._column = column

    def srccs(self, name: str) -> NDArray[np.float64]:
        """Return the mean over seeds of SRCC: of the videos, and of each resample of scenes.

        All rows resample the same scenes, so differences of two rows are paired.
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
        each = [pearson(counts, counted_ranks(counts, s), of_mos) for s in scores]
        return np.array(np.mean(each, axis=0))

    def accuracy(self, name: str, task: str) -> float:
        """Return the mean over seeds of the balanced accuracy of the answers to a task."""
        found = []
        for table in self._tables[name]:
            known = table[table[task].notna()]
            right = known[f"{task}_answer"] == known[task]
            found.append(right.groupby(known[task]).mean().mean())
        return float(np.mean(found))


def base(title: str) -> str:
    """Return the variant that a row is compared with."""
    return "frozen LLM" if title.startswith("frozen LLM,") else "default"


def rows() -> Iterator[tuple[str, Row, bool]]:
    """Yield title, row, and whether its answers are its own, of every variant that was run."""
    for variant in VARIANTS:
        if any(folder_of(variant).glob("*")):
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
            cells.append(f"{row.accuracy('demo', task):.3f}" if answers else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


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
            folder = folder_of(name) / str(seed)
            if not folder.exists():
                log.info("%s, seed %d", name, seed)
                changed = params.tune.model_copy(update=VARIANTS[name])
                run(params.model_copy(update={"tune": changed}), seed, folder)
    found = table()
    print(found)
    if not asked.table:
        write(found)


if __name__ == "__main__":
    main()
