"""Command table: reads results/metrics.json, results/folds/ and results/baselines/ and returns
text."""

from pathlib import Path
from typing import Any

from pipeline import layout
from pipeline.report import typeset
from pipeline.report.benchmark import tables
from pipeline.report.results import read_json
from pipeline.report.table import fold_lines, table

_FORMATS = {
    "markdown": typeset.as_markdown,
    "latex": typeset.as_latex,
    "csv": typeset.as_csv,
}


def run(form: str) -> str:
    """Return the results: every number as text, or the paper's layout in another form.

    The paper's layout has what is there: without results/metrics.json, published numbers alone.

    Raises:
        ResultsError: if text is asked for and stage evaluate has not run.
    """
    folds = {path.stem: read_json(path, "folds") for path in _files(layout.RESULTS / "folds")}
    if form == "text":
        return table(read_json(layout.METRICS, "evaluate")) + fold_lines(folds)
    metrics = read_json(layout.METRICS, "evaluate") if layout.METRICS.is_file() else None
    baselines: dict[str, dict[str, Any]] = {}
    for folder in sorted((layout.RESULTS / "baselines").glob("*/")):
        of_metric = {path.stem: read_json(path, "baseline") for path in _files(folder)}
        names = {name: found["benchmark"] for name, found in of_metric.items()}
        baselines[folder.name] = {names[name]: found for name, found in of_metric.items()}
    return _FORMATS[form](tables(metrics, folds, baselines))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))
