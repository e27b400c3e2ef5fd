"""Numbers that others have published, as marked rows with their sources: published.csv.

`protocol` is `trained` (trained on LSVQ or, where `variant` says so, on more; never on the data set
of the column, but for LSVQ itself) or `fine_tuned` (trained and tested on parts of the data set).
`replicated` is yes where the file holds another measurement of the same model, from another source,
whose SRCC is within 0.02. `doubt` says why a number should not be taken for the state of the art.
"""

from functools import lru_cache
from importlib.resources import files
from typing import Literal

import pandas as pd

Protocol = Literal["trained", "fine_tuned"]
MAX_APART = 0.02  # SRCC


@lru_cache
def published() -> pd.DataFrame:
    """Return the rows of published.csv; `plcc` is NaN where only SRCC is published."""
    with files("pipeline.report").joinpath("published.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, dtype={"srcc": float, "plcc": float}, na_values={"plcc": [""]})
    return table.fillna({"variant": "", "doubt": ""})
