"""Predictions: what the head and the baselines say about every video of a manifest."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from llm_head.calibrate import ScoreMap
from llm_head.checkpoint import Head
from llm_head.cue import cue
from llm_head.data import Caches, read_tokens
from llm_head.levels import LEVELS
from llm_head.projector import TokenShape
from llm_head.questions import CLOSED
from llm_head.readout import Answer, repeatable
from llm_head.timeline import timeline
from pipeline.cache import Kind

FACTS = ("mos_std", "width", "height", "fps")  # for outliers and breakdowns; not all sets have all
LABELS = ("video_id", "split", "content", *CLOSED, "mos", "mos_source", *FACTS)
COLUMNS = (
    *LABELS,
    *("score", "score_calibrated", "score_std", "level", *(f"p_{level}" for level in LEVELS)),
    *("score_generated", "score_digits", "score_digits_std"),
    *(f"{task}_answer" for task in CLOSED),
)
DECIMALS = 4

Labelled = tuple[pd.DataFrame, Caches]
_In = TypeVar("_In")
_Out = TypeVar("_Out")


def predict(head: Head, table: pd.DataFrame, caches: Caches) -> Iterator[dict[str, Any]]:
    """Yield one row of predictions per video, in the manifest's order.

    On a CPU videos are asked about side by side, one per core and each on one thread, which changes
    no number.

    Args:
        table: a manifest of videos that all have tokens.
        caches: by kind.
    """
    readout = head.readout()
    rows: list[dict[Any, Any]] = table.reindex(columns=LABELS).to_dict("records")

    def ask(row: dict[Any, Any]) -> Answer:
        tokens = read_tokens(caches, row["video_id"], head.shape, cue(row))
        (answer,) = readout.answers([tokens])
        return answer

    answers = _side_by_side(head, ask, table.to_dict("records"))
    for row, answer in zip(rows, answers, strict=True):
        yield {**row, **columns(answer, head.calibration)}


def timelines(head: Head, table: pd.DataFrame, caches: Caches) -> Iterator[list[dict[str, Any]]]:
    """Yield, per video in the manifest's order, a row for each of its seconds.

    Args:
        table: a manifest of videos that all have tokens.
        caches: by kind.

    Returns:
        columns `timeline_metrics.SECONDS`.
    """
    readout = head.readout()

    def ask(row: dict[Any, Any]) -> list[dict[str, Any]]:
        video_id = row["video_id"]
        tokens = {kind: cache.read(video_id) for kind, cache in caches.items()}
        arrays: dict[Kind, NDArray[Any]] = {kind: part.tokens for kind, part in tokens.items()}
        start_s = next(iter(tokens.values())).pts_s.tolist()
        return [
            {
                "video_id": video_id,
                "start_s": round(second.start_s, DECIMALS),
                "score": round(second.score, DECIMALS),
                "score_std": round(second.score_std, DECIMALS),
                "level": second.level,
            }
            for second in timeline(readout, arrays, head.shape, start_s, cue=cue(row))
        ]

    yield from _side_by_side(head, ask, table.to_dict("records"))


def _side_by_side(head: Head, ask: Callable[[_In], _Out], values: Sequence[_In]) -> Iterator[_Out]:
    threads = torch.get_num_threads() if head.model.head.device.type == "cpu" else 1
    with (
        repeatable(head.model),
        ThreadPoolExecutor(threads) as pool,
    ):
        yield from pool.map(ask, values)


def columns(answer: Answer, calibration: ScoreMap | None) -> dict[str, Any]:
    """Return a video's answers as they are written, rounded to four decimals.

    Args:
        calibration: of the head; without, `score_calibrated` is None.
    """
    calibrated = None if calibration is None else rounded(calibration(answer.score))
    levels = zip(LEVELS, answer.level_probs, strict=True)
    return {
        "score": round(answer.score, DECIMALS),
        "score_calibrated": calibrated,
        "score_std": round(answer.score_std, DECIMALS),
        "level": answer.level,
        **{f"p_{level}": round(probability, DECIMALS) for level, probability in levels},
        "score_generated": answer.score_generated,
        "score_digits": rounded(answer.score_digits),
        "score_digits_std": rounded(answer.score_digits_std),
        "impairment_answer": answer.impairment,
        "severity_answer": answer.severity,
        "motion_answer": answer.motion,
    }


def rounded(value: float | None) -> float | None:
    """Return a number as it is written; None: there is none."""
    return None if value is None else round(value, DECIMALS)


def baselines(
    train: Sequence[Labelled], table: pd.DataFrame, caches: Caches, shape: TokenShape, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Return the baselines' scores for the videos of a manifest; NaN if nothing is labelled.

    They read the same tokens of the same seconds as the head, and learn from the same videos.

    Args:
        train: manifests and caches of the training sets; of these, split train with a MOS is used,
            and split val to choose the epoch of the small heads.
        table: videos to predict, all with tokens in `caches`.
    """
    # here, since they load scikit-learn, which `lmm-vqa score` has no use of
    from llm_head.baselines import BASELINES, fit_predict
    from llm_head.small_head import fit_predict_heads

    x, mos, groups = _learned(train, "train", shape)
    if not len(x):
        return {name: np.full(len(table), np.nan) for name in BASELINES}
    asked = _features(table, caches, shape)
    x_val, mos_val, _ = _learned(train, "val", shape)
    sizes = (shape.spatial[1], shape.temporal)
    found = {
        **fit_predict(x, mos, asked, groups, seed, sizes),
        **fit_predict_heads((x, mos), (x_val, mos_val), asked, seed, sizes),
    }
    return {name: found[name].round(DECIMALS) for name in BASELINES}


def _learned(
    sets: Sequence[Labelled], split: str, shape: TokenShape
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Return features, MOS and contents of the labelled videos of one split."""
    features, mos, groups = [np.zeros((0, shape.spatial[1] + shape.temporal))], [], []
    for labelled, parts in sets:
        used = labelled[(labelled["split"] == split) & labelled["mos"].notna()]
        used = used[has_tokens(used, parts)]
        features.append(_features(used, parts, shape))
        mos += used["mos"].tolist()
        groups += used["content"].tolist()
    return np.concatenate(features), np.array(mos, float), groups


def _features(table: pd.DataFrame, caches: Caches, shape: TokenShape) -> NDArray[np.float64]:
    """Return ``(n, F)``."""
    from llm_head.baselines import video_features

    rows = []
    for video_id in table["video_id"]:
        spatial, temporal, *_ = read_tokens(caches, video_id, shape)
        if not spatial.shape[1]:  # not read: one place without features
            spatial = np.zeros((len(spatial), 1, 0), dtype=np.float32)
        rows.append(video_features(spatial, temporal))
    return np.array(rows).reshape(len(rows), shape.spatial[1] + shape.temporal)


def has_tokens(table: pd.DataFrame, caches: Caches) -> NDArray[np.bool_]:
    """Return, per video of a manifest, whether every cache has its tokens."""
    return np.array(
        [all(video_id in cache for cache in caches.values()) for video_id in table["video_id"]],
        dtype=bool,
    )
