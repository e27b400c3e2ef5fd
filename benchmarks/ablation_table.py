"""The table of `benchmarks.ablations`: what the seeds of each variant said, side by side."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.ablation_runs import (
    ABOUT,
    BESIDE,
    READ_OUTS,
    READ_OUTS_OF,
    RESULTS,
    SETS,
    VARIANTS,
    base,
    runs_of,
)
from llm_head.bootstrap import content_codes, counted_ranks, interval, pearson, resample_counts

PAGE = Path("docs/results.md")
START, END = "<!-- ablations -->\n", "<!-- end -->"
RESAMPLES = 2000


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
