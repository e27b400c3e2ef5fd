"""The table of `benchmarks.ablations`: what the seeds of each variant said, side by side."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

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
from llm_head.bootstrap import (
    Floats,
    content_codes,
    counted_ranks,
    interval,
    pearson,
    resample_counts,
)
from llm_head.metrics import balanced
from llm_head.questions import CLOSED

PAGE = Path("docs/results.md")
START, END = "<!-- ablations -->\n", "<!-- end -->"
RESAMPLES = 2000
TASKS = tuple(CLOSED)


class Row:
    """One line of the table: what the seeds of one variant said of the test videos.

    Its figures are arrays: the mean over seeds of all videos, then that of each resample. A
    resample draws scenes and seeds; rows with the same seeds draw the same ones, so their
    differences are paired.
    """

    def __init__(self, folders: Sequence[Path], column: str = "score") -> None:
        """Read runs, one folder per seed; none is an error of the caller."""
        self.folders, self.column = folders, column
        self._tables = {name: [pd.read_csv(f / f"{name}.csv") for f in folders] for name in SETS}

    def with_seeds_of(self, other: "Row") -> "Row":
        """Return the row with only those seeds that the other one has, too."""
        names = {folder.name for folder in other.folders}
        return Row([folder for folder in self.folders if folder.name in names], self.column)

    def srccs(self, name: str) -> Floats:
        """Return the SRCC of the score."""
        first = self._tables[name][0]
        known = first["mos"].notna()
        counts, mos = _counts(first[known]), first["mos"][known].to_numpy(float)
        of_mos = counted_ranks(counts, mos)
        scores = [table[self.column][known].to_numpy(float) for table in self._tables[name]]
        return _over_seeds([pearson(counts, counted_ranks(counts, s), of_mos) for s in scores])

    def accuracies(self, name: str, task: str) -> Floats | None:
        """Return the balanced accuracy of a task; None: it was not taught."""
        first = self._tables[name][0]
        if f"{task}_answer" not in first:
            return None
        known = first[task].notna()
        if first[f"{task}_answer"][known].isna().all():
            return None
        counts, truth = _counts(first[known]), first[task][known].to_numpy()
        of_class = (truth[:, None] == np.unique(truth)).astype(float)
        answers = [table[f"{task}_answer"][known].to_numpy() for table in self._tables[name]]
        return _over_seeds(
            [balanced(counts, (given == truth).astype(float), of_class) for given in answers]
        )


def _counts(table: pd.DataFrame) -> Floats:
    """Return how often each video counts: once, then as often as each resample draws its scene."""
    codes = content_codes(table["content"].tolist(), len(table))
    drawn = resample_counts(codes, RESAMPLES, seed=0)
    assert drawn is not None, "the demo has more scenes than that"
    return np.concatenate([np.ones((1, len(table))), drawn])


def _over_seeds(each: Sequence[Floats]) -> Floats:
    """Return the mean over all seeds, then over those that each resample draws."""
    values = np.array(each)
    seeds = np.random.default_rng(0).integers(0, len(values), (len(values), RESAMPLES))
    resampled = np.take_along_axis(values[:, 1:], seeds, axis=0)
    return np.append(values[:, 0].mean(), resampled.mean(axis=0))


def rows() -> Iterator[tuple[str, Row, bool]]:
    """Yield title, row, and whether its answers are its own, of every variant that was run."""
    for variant in VARIANTS:
        folders = runs_of(variant)
        if folders:
            yield variant, Row(folders), True
            for column, title in READ_OUTS.items() if variant in READ_OUTS_OF else ():
                yield f"{variant}, {title}", Row(folders, column), False
            for column, title in BESIDE.items() if variant == "default" else ():
                yield title, Row(folders, column), False


def table() -> str:
    """Return the table as Markdown, a row per variant that has been run."""
    heads = [f"SRCC, {title} | difference" for title in SETS.values()]
    head = ["", "seeds", *heads, *TASKS]
    lines = [f"| {' | '.join(head)} |", "|---" * (len(head) + len(SETS)) + "|"]
    bases = {name: Row(runs_of(name)) for name in {base(title) for title, _, _ in rows()}}
    for title, row, answers in rows():
        of_base = bases[base(title)].with_seeds_of(row)
        cells = [title, str(len(row.folders))]
        for name in SETS:
            cells.append(_with_interval(row.srccs(name)))
            if title == "default" or not of_base.folders:
                cells.append("")
                continue
            difference = row.with_seeds_of(of_base).srccs(name) - of_base.srccs(name)
            low, high = interval(difference[1:])
            sure = "**" if low > 0 or high < 0 else ""
            cells.append(f"{sure}{difference[0]:+.3f}{sure} [{low:+.3f}, {high:+.3f}]")
        for task in TASKS:
            found = row.accuracies("demo", task) if answers else None
            cells.append("" if found is None else _with_interval(found))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _with_interval(values: Floats) -> str:
    low, high = interval(values[1:])
    return f"{values[0]:.3f} [{low:.3f}, {high:.3f}]"


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
