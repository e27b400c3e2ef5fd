"""Command compare-runs: reads two files of predictions, returns the tests as text."""

from pathlib import Path

import pandas as pd

from llm_head.compare import compare
from pipeline.report.results import SPLITS, ResultsError, read_predictions
from pipeline.report.table import number
from pipeline.settings import Params

_NAMES = {"srcc": "SRCC", "plcc": "PLCC", "rmse": "RMSE"}


def run(params: Params, first: str, second: str, split: str) -> str:
    """Compare two runs, or a run with its baseline, on the videos that both have.

    Args:
        first: FILE.csv of stage predict or fold, or FILE.csv:COLUMN; column `score` if not named.
        second: likewise.
        split: test, val, train or all.

    Raises:
        ResultsError: if a file or column is missing, or the files have no such video in common or
            disagree about a label.
    """
    if split not in (*SPLITS, "train", "all"):
        raise ResultsError(f"split {split!r}; wanted test, val, train or all")
    tables = [_read(name, split) for name in (first, second)]
    names = ("_first", "_second")
    first_table, second_table = (t.add_suffix(name) for t, name in zip(tables, names, strict=True))
    both = first_table.join(second_table, how="inner")
    both = both[both["mos_first"].notna() & both["mos_second"].notna()]
    if both.empty:
        raise ResultsError(
            f"{first} and {second} have no labelled video of split {split} in common"
        )
    apart = both[(both["mos_first"] - both["mos_second"]).abs() > 1e-3]
    if len(apart):
        raise ResultsError(
            f"{first} and {second} disagree about the label of {len(apart)} videos, for example "
            f"{apart.index[0]}: {apart['mos_first'].iloc[0]} and {apart['mos_second'].iloc[0]}"
        )
    found = compare(
        both["score_first"],
        both["score_second"],
        both["mos_first"],
        both["content_first"].tolist(),
        params.evaluate.bootstrap,
        params.seed,
    )
    lines = [
        f"first:  {first}",
        f"second: {second}",
        f"{found['n']} videos of split {split}, {found['contents']} contents",
    ]
    if "reason" in found:
        lines.append(found["reason"])
    for name in _NAMES if "srcc" in found else ():
        row = found[name]
        low, high, p = (_finite(row[key]) for key in ("low", "high", "p"))
        lines.append(
            f"{_NAMES[name]}: {row['first']:.4f} and {row['second']:.4f}, difference "
            f"{row['difference']:+.4f} [{number(low, 4)}, {number(high, 4)}], p {number(p, 4)} "
            "(paired bootstrap over contents)"
        )
    for test, letter in (("williams", "t"), ("steiger", "z")):
        for name in ("plcc", "srcc") if test in found else ():
            statistic, p = (_finite(found[test][f"{name}_{key}"]) for key in (letter, "p"))
            about = "; an approximation on ranks" if name == "srcc" else ""
            lines.append(
                f"{_NAMES[name]}, {test.title()}: {letter} {number(statistic)}, p {number(p, 4)}"
                f" (takes videos as independent{about})"
            )
    return "\n".join(lines)


def _read(name: str, split: str) -> pd.DataFrame:
    file, _, column = name.partition(".csv:")
    path = Path(f"{file}.csv" if column else name)
    table = read_predictions(path)
    column = column or "score"
    if column not in table or table[column].dtype.kind != "f":
        numbers = ", ".join(str(c) for c in table if table[c].dtype.kind == "f")
        raise ResultsError(f"{path}: no column {column!r} of numbers; it has {numbers}")
    rows = table if split == "all" else table[table["split"] == split]
    return pd.DataFrame(
        {
            **{"mos": rows["mos"].to_numpy(), "score": rows[column].to_numpy()},
            "content": rows["content"].to_numpy(),
        },
        index=rows["video_id"],
    )


def _finite(value: float) -> float | None:
    return None if pd.isna(value) else value
