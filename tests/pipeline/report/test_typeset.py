import csv
import io
import re

from pipeline.report.benchmark import Cell, Row, Table
from pipeline.report.typeset import as_csv, as_latex, as_markdown

TABLE = Table(
    "Trained elsewhere",
    ("konvid_1k", "mine_2"),
    (
        Row("Old & tried", {"konvid_1k": Cell(0.881, 0.890, replicated=True)}, False, "a paper"),
        Row("Far off", {"konvid_1k": Cell(0.99, 0.99, doubt="odd")}, False, "x|y"),
        Row("New", {"konvid_1k": Cell(0.902, 0.880, replicated=False)}, False, "b"),
        Row("LMM-VQA", {
            "konvid_1k": Cell(0.9021, 0.889, (0.88, 0.92)), "mine_2": Cell(0.5, float("nan")),
        }, True),
    ),
    ("a note: 50 % of_it",),
)  # fmt: skip


def test_markdown() -> None:
    assert as_markdown([TABLE]).splitlines() == [
        "### Trained elsewhere",
        "",
        "| model | KoNViD-1k | mine_2 | source |",
        "|---|---|---|---|",
        "| Old & tried | 0.881 / **0.890** | - | a paper |",
        "| Far off | 0.990 / 0.990‡ | - | x\\|y |",
        "| New | **0.902** / 0.880† | - | b |",
        "| LMM-VQA | **0.902** [0.880, 0.920] / 0.889 | **0.500** / - | **this run** |",
        "",
        "- SRCC / PLCC; PLCC of this run is after the four-parameter logistic fit, and intervals "
        "are 95 %, by bootstrap.",
        "- a note: 50 % of_it",
        "- † nobody has replicated it: no other source gives this model an SRCC within 0.02.",
        "- ‡ in doubt, and never marked as the best: Far off on KoNViD-1k: odd.",
    ]


def test_latex() -> None:
    text = as_latex([TABLE])
    assert r"Old \& tried & 0.881 / \textbf{0.890} & - \\" in text
    assert r"model & KoNViD-1k & mine\_2 \\" in text
    assert r"New & \textbf{0.902} / 0.880$^\dagger$ & - \\" in text
    assert "a note: 50 \\% of\\_it\\par" in text and "†" not in text and "‡" not in text
    assert text.count(r"\midrule") == 2  # under the head, and above this run
    for name in ("table*", "tabular"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 1
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert all(len(re.findall(r"(?<!\\)&", row)) == 2 for row in rows)


def test_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv([TABLE]))))
    assert len(rows) == 5
    own = rows[3]
    assert (own["model"], own["dataset"], own["srcc"]) == ("LMM-VQA", "konvid_1k", "0.902")
    assert (own["srcc_low"], own["best_srcc"], own["this_run"]) == ("0.880", "yes", "yes")
    assert rows[1]["doubt"] == "odd" and rows[1]["best_srcc"] == "no"
    assert rows[0]["replicated"] == "yes" and rows[2]["replicated"] == "no"
    assert rows[4]["plcc"] == ""
