"""The tables of docs/containers.md: `python -m tests.container_page` writes them anew."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.oddities import ODDITIES
from tests.samples import CODECS, COLOURS, PACKAGE, Sample, make, outcome, packaged

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/containers.md"
PACKAGED_IN = ROOT / ".pytest_cache/d/iscc-samples"  # where pytest keeps what it may need again
SECTIONS = {"codecs": CODECS, "colours": COLOURS, "oddities": ODDITIES}
HEAD = "| file | what it is | what becomes of it |\n|---|---|---|\n"


def make_all(folder: Path) -> dict[str, Path]:
    """Make every sample in a folder; some are made out of others, so in this order."""
    return {s.name: make(s, folder) for samples in SECTIONS.values() for s in samples}


def made_table(samples: Sequence[Sample], made: dict[str, Path]) -> str:
    """Return a row for each sample."""
    return HEAD + "".join(f"| {s.name} | {s.what} | {outcome(made[s.name])} |\n" for s in samples)


def packaged_table() -> str:
    """Return a row for each file of the package.

    Raises:
        PackageError: if the registry cannot be reached.
    """
    rows = [f"| {p.name} | of {PACKAGE} | {outcome(p)} |\n" for p in packaged(PACKAGED_IN)]
    return HEAD + "".join(rows)


def table_of(page: str, name: str) -> str:
    """Return the table of this name on the page."""
    return page.split(f"<!-- table {name} -->\n")[1].split("<!-- end -->")[0]


def main() -> None:
    """Write every table of the page."""
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        made = make_all(Path(folder))
        tables = {name: made_table(samples, made) for name, samples in SECTIONS.items()}
    tables["packaged"] = packaged_table()
    for name, table in tables.items():
        start, rest = page.split(f"<!-- table {name} -->\n")
        page = (
            f"{start}<!-- table {name} -->\n{table}<!-- end -->{rest.split('<!-- end -->', 1)[1]}"
        )
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
