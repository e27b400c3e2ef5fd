"""The parts of a protocol (folds, or repeated splits) to one result."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from llm_head.metrics import score_metrics
from pipeline.report.results import PREDICTORS

_SUMMARISED = ("srcc", "krcc", "plcc", "rmse", "plcc_logistic", "rmse_logistic")


def summary(tables: Mapping[int, pd.DataFrame], resamples: int, seed: int) -> dict[str, Any]:
    """Return the metrics of each part and, over the parts, their median, mean and deviation.

    Args:
        tables: predictions for the test videos, by part.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        ``parts``: by part and predictor, as `score_metrics`. ``median``, ``mean``, ``std``: by
        predictor and metric; NaN if any part has none, since a median over the parts that went well
        would flatter. ``videos`` in all parts, ``mos_source``.
    """
    found = {
        str(part): {
            name: score_metrics(
                table[column], table["mos"], table["content"].tolist(), resamples, seed
            )
            for name, column in PREDICTORS.items()
            if table[column].notna().any()
        }
        for part, table in tables.items()
    }
    names = [name for name in PREDICTORS if all(name in part for part in found.values())]
    values = {
        name: {
            metric: np.array([float(part[name][metric]) for part in found.values()])
            for metric in _SUMMARISED
        }
        for name in names
    }
    over_parts = {
        statistic: {
            name: {metric: float(of(array)) for metric, array in of_name.items()}
            for name, of_name in values.items()
        }
        for statistic, of in (("median", np.median), ("mean", np.mean), ("std", np.std))
    }
    sources = {str(source) for table in tables.values() for source in table["mos_source"]}
    return {
        "parts": found,
        **over_parts,
        "videos": sum(len(table) for table in tables.values()),
        "mos_source": ", ".join(sorted(source or "not stated" for source in sources)),
    }
