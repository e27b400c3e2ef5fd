"""Metrics as plain text, for the terminal and the README."""

from collections.abc import Mapping
from typing import Any

from pipeline.report.results import ANSWERS, PREDICTORS, SPLITS

NAMES = {
    "lmm_vqa": "LMM-VQA",
    "lmm_vqa_generated": "LMM-VQA, generated number",
    "lmm_vqa_digits": "LMM-VQA, digits weighed",
    "lmm_vqa_calibrated": "LMM-VQA, led to the scale of validation MOS",
    "ridge": "ridge on the same tokens",
    "svr": "SVR on the same tokens",
    "ridge_spatial": "ridge on spatial tokens",
    "ridge_temporal": "ridge on temporal tokens",
    "mlp": "small head on the same tokens",
    "mlp_spatial": "small head on spatial tokens",
    "mlp_temporal": "small head on temporal tokens",
}
_HEADER = ("data set", "split", "predictor", "n", "SRCC [95 % CI]", "PLCC", "KRCC", "RMSE")


def table(metrics: Mapping[str, Any]) -> str:
    """Return the table of scores, a line per kind of answer, and what a reader must know.

    Args:
        metrics: of results/metrics.json.
    """
    rows = [_HEADER]
    lines: list[str] = []
    for dataset, of_dataset in metrics["datasets"].items():
        for split in SPLITS:
            of_split = of_dataset.get(split, {})
            for name in PREDICTORS:
                if name in of_split:
                    rows.append((dataset, split, NAMES[name], *score_cells(of_split[name])))
            lines += [
                f"{dataset}, {split}: {name} {answer_words(of_split[name])}"
                for name in ANSWERS
                if name in of_split
            ]
            lines += [
                f"{dataset}, {split}: LMM-VQA against {NAMES[name]}: {against_words(found)}"
                for name, found in of_split.get("against", {}).items()
            ]
        if "timeline" in of_dataset:
            said = timeline_words(of_dataset["timeline"])
            lines.append(f"{dataset}, timelines of test videos: {said}")
        lines += [f"{dataset}, {reason}" for reason in reasons(of_dataset)]
        lines.append(f"{dataset}: labels are {label_words(of_dataset['mos_source'])}")
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    text = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    text.insert(1, "  ".join("-" * width for width in widths))
    text += ["PLCC and RMSE: raw, and in brackets after the four-parameter logistic fit.", *lines]
    if metrics.get("leaks"):
        text.insert(0, leak_words(metrics["leaks"]))
    if metrics["random_encoders"]:
        text.insert(0, random_words(metrics["random_encoders"]))
    return "\n".join(line.rstrip() for line in text) + "\n"


def fold_lines(folds: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a line per data set and predictor that was tuned and tested by parts; "" without any.

    Args:
        folds: of results/folds/<dataset>.json, by data set.
    """
    lines = []
    for dataset, of_set in folds.items():
        for name, median in of_set["median"].items():
            srcc = [part[name]["srcc"] for part in of_set["parts"].values()]
            spread = "" if None in srcc else f" ({number(min(srcc))} to {number(max(srcc))})"
            lines.append(
                f"{dataset}, median of {len(srcc)} {of_set['scheme']}: {NAMES[name]} SRCC "
                f"{number(median['srcc'])}{spread}, PLCC {number(median['plcc_logistic'])} after "
                "the fit"
            )
    return "".join(f"{line}\n" for line in lines)


def reasons(of_dataset: Mapping[str, Any]) -> list[str]:
    """Return why numbers of a data set are not defined, a line per split and reason."""
    names: dict[tuple[str, str], list[str]] = {}
    for split in SPLITS:
        for name in PREDICTORS:
            reason = of_dataset.get(split, {}).get(name, {}).get("reason")
            if reason:
                names.setdefault((split, reason), []).append(NAMES[name])
    return [f"{split}: {reason} ({'; '.join(of)})" for (split, reason), of in names.items()]


def score_cells(row: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """Return n, SRCC with its interval, PLCC, KRCC and RMSE of one predictor as text."""
    missing = f" ({row['missing']} missing)" if row["missing"] else ""
    return (
        f"{row['n']}{missing}",
        with_interval(row, "srcc"),
        f"{number(row['plcc'])} ({number(row['plcc_logistic'])})",
        number(row["krcc"]),
        f"{number(row['rmse'], 2)} ({number(row['rmse_logistic'], 2)})",
    )


def answer_words(row: Mapping[str, Any]) -> str:
    """Return one kind of answer's accuracy in words."""
    missing = f", {row['missing']} not answered" if row["missing"] else ""
    return (
        f"accuracy {with_interval(row, 'accuracy')}, balanced "
        f"{with_interval(row, 'balanced_accuracy')} (chance {number(1 / row['classes'])}), "
        f"commonest answer {number(row['majority'])}, n = {row['n']}{missing}"
    )


def against_words(row: Mapping[str, Any]) -> str:
    """Return the difference of two runs' SRCC on the same videos in words."""
    if "srcc" not in row:
        return str(row["reason"])
    srcc = row["srcc"]
    if srcc["low"] is None:
        return f"SRCC differs by {srcc['difference']:+.3f}; {row['reason']}"
    sure = "better" if srcc["low"] > 0 else "worse" if srcc["high"] < 0 else "no sure difference"
    return (
        f"SRCC {srcc['difference']:+.3f} [{srcc['low']:+.3f}, {srcc['high']:+.3f}] on the same "
        f"videos, {sure}"
    )


def timeline_words(found: Mapping[str, Any]) -> str:
    """Return in words how timelines follow the labels of parts of videos."""
    parts, within = found["parts"], found["within"]
    missing = f" ({parts['missing']} more are covered too little)" if parts["missing"] else ""
    flat = f", {within['flat']} of them flat and counted as 0" if within["flat"] else ""
    return (
        f"SRCC {with_interval(parts, 'srcc')} over {parts['n']} rated parts of "
        f"{parts['contents']} videos{missing}; the mean of a video's timeline, repeated for its "
        f"parts, reaches {number(found['repeated']['srcc'])} "
        f"({against_words(found['against_repeated'])}); between the parts of one video "
        f"{with_interval(within, 'srcc')} on average over {within['videos']} videos{flat}. "
        f"The score of a part is the mean of the seconds that it overlaps; they cover "
        f"{_percent(found['overlap_mean'])} of a part on average, "
        f"{_percent(found['overlap_min'])} at least"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def with_interval(row: Mapping[str, Any], name: str) -> str:
    """Return a value and its 95 % interval, or the value alone where there is none."""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    if low is None or high is None:
        return number(row[name])
    return f"{number(row[name])} [{number(low)}, {number(high)}]"


def number(value: float | None, decimals: int = 3) -> str:
    """Return a number as text, a dash where it is not defined.

    >>> number(0.71249), number(None)
    ('0.712', '-')
    """
    return "-" if value is None else f"{value:.{decimals}f}"


def label_words(mos_source: str) -> str:
    """Return what labels are, so that nobody takes a machine's score for people's.

    >>> label_words("vmaf")
    'VMAF, not human ratings'
    """
    known = {"vmaf": "VMAF, not human ratings", "human": "human ratings"}
    sources = [known.get(source.lower(), source) for source in mos_source.split(", ")]
    return "; ".join("of a source not stated" if s == "not stated" else s for s in sources)


def leak_words(pairs: int) -> str:
    """Return the warning that videos on both sides of a split need."""
    return (
        f"WARNING: {pairs} pairs of a test and a training video hold the same pictures "
        "(results/leaks.csv); scores on those test sets are too good"
    )


def random_words(kinds: list[str]) -> str:
    """Return the warning that random encoders need."""
    return (
        f"WARNING: random weights in the {' and the '.join(kinds)} encoder; "
        "these numbers say nothing about LMM-VQA"
    )
