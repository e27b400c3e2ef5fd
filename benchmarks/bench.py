"""Speed in one run: six groups of figures, most of them ratios. What `make bench` does.

    python -m benchmarks.bench               # all groups, about a quarter of an hour on two cores
    python -m benchmarks.bench extraction    # one of them

Writes results/bench.json and results/bench.md, and prints the latter; groups that were not run keep
their figures of before. A figure is the median of runs in turns. What other work does to the
machine meanwhile shows in times, and little in ratios. docs/performance.md tells what came of it.
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks import extraction, growth, heads, instead, reading, reruns
from benchmarks.measure import Row, machine
from pipeline.atomic import write_text

GROUPS: dict[str, Callable[[], list[Row]]] = {
    "extraction": extraction.measure,
    "instead": instead.measure,
    "reruns": reruns.measure,
    "reading": reading.measure,
    "heads": heads.measure,
    "growth": growth.measure,
}
RESULTS = Path("results")


def run(group: str) -> dict[str, object]:
    """Measure one group; return its figures with the machine that they are of."""
    began, here = time.perf_counter(), machine()
    logging.disable(logging.WARNING)
    try:
        rows = GROUPS[group]()
    finally:
        logging.disable(logging.NOTSET)
    took_s = round(time.perf_counter() - began, 1)
    return {"machine": here, "seconds": took_s, "rows": [asdict(row) for row in rows]}


def markdown(found: dict[str, dict[str, object]]) -> str:
    """Return all figures as tables, a group each."""
    parts = []
    for group, result in found.items():
        about = ", ".join(f"{key} {value}" for key, value in result["machine"].items())
        head = "| what | value | relative to | size | weights | goal |\n|---|---|---|---|---|---|"
        rows = "\n".join(_line(Row(**row)) for row in result["rows"])
        parts.append(f"## {group}\n\n{about}; {result['seconds']} s.\n\n{head}\n{rows}\n")
    return "\n".join(parts)


def _line(row: Row) -> str:
    goal = {None: "", True: f"{row.goal}: met", False: f"{row.goal}: **not met**"}[row.met]
    cells = (row.name, f"{_digits(row.value)} {row.unit}", row.against, row.size, row.weights, goal)
    return f"| {' | '.join(cells)} |"


def _digits(value: float) -> str:
    """Return three digits that count.

    >>> _digits(0.012345), _digits(1234567.0), _digits(12.3)
    ('0.0123', '1,234,567', '12.3')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def main(groups: list[str]) -> None:
    """Run groups, and write what they and earlier runs found."""
    if unknown := set(groups) - set(GROUPS):
        sys.exit(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    file = RESULTS / "bench.json"
    RESULTS.mkdir(exist_ok=True)
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    for group in groups or GROUPS:
        print(f"{group} ...", file=sys.stderr, flush=True)
        found[group] = run(group)
        write_text(file, json.dumps(found, indent=1) + "\n")
    found = {group: found[group] for group in GROUPS if group in found}
    write_text(RESULTS / "bench.md", markdown(found))
    print(markdown({group: found[group] for group in groups or GROUPS}))


if __name__ == "__main__":
    main(sys.argv[1:])
