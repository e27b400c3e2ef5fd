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
import logging
import sys
from collections.abc import Sequence

from benchmarks.ablation_runs import VARIANTS, base, make, planned, runs_of
from benchmarks.ablation_table import commits, table, write
from pipeline.settings import load

log = logging.getLogger("ablations")


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
