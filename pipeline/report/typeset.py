"""The table of the paper as Markdown, LaTeX or CSV."""

import csv
import io
import math
from collections.abc import Callable, Sequence

from pipeline.report.benchmark import LABELS, Cell, Row, Table, best

_DAGGERS = (
    "† nobody has replicated it: no other source gives this model an SRCC within 0.02.",
    "‡ in doubt, and never marked as the best:",
)
_PLCC = "SRCC / PLCC; PLCC of this run is after the four-parameter logistic fit, and intervals are"
_CSV_COLUMNS = (
    *("table", "model", "dataset", "srcc", "srcc_low", "srcc_high", "plcc"),
    *("best_srcc", "best_plcc", "this_run", "replicated", "doubt", "source"),
)
_LATEX_SPECIALS = str.maketrans(
    {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "~": r"\~{}", "^": r"\^{}"}
    | {"{": r"\{", "}": r"\}", "\\": r"\textbackslash{}"}
)


def as_markdown(found: Sequence[Table]) -> str:
    """Return the tables as Markdown; the best of a column is bold."""
    parts = []
    for table in found:
        heads = [LABELS.get(name, name) for name in table.datasets]
        lines = [
            f"### {table.title}",
            "",
            f"| model | {' | '.join(map(_escaped, heads))} | source |",
        ]
        lines.append("|" + "---|" * (len(heads) + 2))
        for row in table.rows:
            cells = [_text(table, row, name, "**{}**".format, "†", "‡") for name in table.datasets]
            source = "**this run**" if row.own else _escaped(row.source)
            lines.append(f"| {_escaped(row.model)} | {' | '.join(cells)} | {source} |")
        parts.append("\n".join([*lines, "", *(f"- {note}" for note in _notes(table)), ""]))
    return "\n".join(parts)


def as_latex(found: Sequence[Table]) -> str:
    """Return the tables as LaTeX `table` environments for the package booktabs."""
    parts = []
    for table in found:
        heads = " & ".join(_latex(LABELS.get(name, name)) for name in table.datasets)
        lines = [r"\begin{table*}", r"\centering", rf"\caption{{{_latex(table.title)}}}"]
        lines += [rf"\begin{{tabular}}{{l{'c' * len(table.datasets)}}}", r"\toprule"]
        lines += [rf"model & {heads} \\", r"\midrule"]
        for index, row in enumerate(table.rows):
            if row.own and index and not table.rows[index - 1].own:
                lines.append(r"\midrule")
            cells = [
                _text(table, row, name, r"\textbf{{{}}}".format, r"$^\dagger$", r"$^\ddagger$")
                for name in table.datasets
            ]
            lines.append(rf"{_latex(row.model)} & {' & '.join(cells)} \\")
        lines += [r"\bottomrule", r"\end{tabular}", r"\par\smallskip\footnotesize"]
        lines += [rf"{_latex(note)}\par" for note in _notes(table)]
        parts.append("\n".join([*lines, r"\end{table*}", ""]))
    text = "\n".join(parts)
    return text.replace("†", r"$\dagger$").replace("‡", r"$\ddagger$")


def as_csv(found: Sequence[Table]) -> str:
    """Return one row per model and data set, with everything that the other forms mark."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for table in found:
        for row in table.rows:
            for name, cell in row.cells.items():
                low, high = cell.interval or (math.nan, math.nan)
                numbers = [_digits(v, "") for v in (cell.srcc, low, high, cell.plcc)]
                bests = [_yes(_is_best(table, name, cell, metric)) for metric in ("srcc", "plcc")]
                known = "" if row.own else _yes(cell.replicated)
                marks = [*bests, _yes(row.own), known, cell.doubt, row.source]
                writer.writerow([table.title, row.model, name, *numbers, *marks])
    return out.getvalue()


def _text(
    table: Table, row: Row, dataset: str, bold: Callable[[str], str], dagger: str, double: str
) -> str:
    cell = row.cells.get(dataset)
    if cell is None or not (math.isfinite(cell.srcc) or math.isfinite(cell.plcc)):
        return "-"
    words = []
    for metric, value in (("srcc", cell.srcc), ("plcc", cell.plcc)):
        digits = _digits(value, "-")
        word = bold(digits) if _is_best(table, dataset, cell, metric) else digits
        if metric == "srcc" and cell.interval:
            word += f" [{_digits(cell.interval[0], '-')}, {_digits(cell.interval[1], '-')}]"
        words.append(word)
    mark = double if cell.doubt else "" if row.own or cell.replicated else dagger
    return f"{words[0]} / {words[1]}{mark}"


def _is_best(table: Table, dataset: str, cell: Cell, metric: str) -> bool:
    top = best(table, dataset, metric)
    # as printed: two models that show the same digits are both the best
    return not cell.doubt and _digits(getattr(cell, metric), "") == _digits(top, "-")


def _notes(table: Table) -> list[str]:
    cells = [cell for row in table.rows if not row.own for cell in row.cells.values()]
    of = "the parts' smallest and largest" if "parts" in table.title else "95 %, by bootstrap"
    notes = [f"{_PLCC} {of}."] if any(row.own for row in table.rows) else ["SRCC / PLCC."]
    notes += table.notes
    if any(not cell.replicated and not cell.doubt for cell in cells):
        notes.append(_DAGGERS[0])
    doubts: dict[tuple[str, str], list[str]] = {}
    for row in table.rows:
        for name, cell in row.cells.items():
            if cell.doubt:
                doubts.setdefault((row.model, cell.doubt), []).append(LABELS.get(name, name))
    words = [f"{model} on {', '.join(of)}: {why}" for (model, why), of in doubts.items()]
    return [*notes, f"{_DAGGERS[1]} {'; '.join(words)}."] if words else notes


def _digits(value: float, missing: str) -> str:
    return f"{value:.3f}" if math.isfinite(value) else missing


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _escaped(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _latex(text: str) -> str:
    return text.translate(_LATEX_SPECIALS)
