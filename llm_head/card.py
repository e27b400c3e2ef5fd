"""The model card: what a checkpoint is, how it was trained, how good it is, what it cannot do."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

PAPER_ENCODERS = {"spatial": "ViT-L-14", "temporal": "slowfast_r50"}

_LIMITS = """\
- The scores are those of the training labels' kind of viewer and video; on other content,
  resolutions, frame rates or impairments they are extrapolation.
- The deviation is the spread of the model's own level probabilities, not a tested error bar.
- It names only impairments, severities and motions that it was taught, and one of them at a time;
  a reason repeats such answers and explains nothing beyond them.
- {free}
- {pairs}
- Not for judging people, and not for decisions that nobody looks at."""


def card(
    written: Mapping[str, Any],
    history: pd.DataFrame,
    metrics: str | None = None,
    weights: Sequence[str] = (),
) -> str:
    """Return README.md of a checkpoint, with the metadata that a hub reads.

    Args:
        written: config.json.
        history: what tuning logged, with val_srcc.
        metrics: Markdown, results on videos that neither trained nor chose the model.
        weights: whose the packed weights are, a line each.
    """
    measured = metrics.strip() if metrics else "On unseen videos: not measured when this was made."
    sections = {
        "Weights in this folder": "\n".join(f"- {line}" for line in weights),
        "Training data": _data(written),
        "Metrics": f"{_validation(written, history)}\n\n{measured}",
        "Limits": _limits(written),
        "Use": "    lmm-vqa score VIDEO --model THIS_FOLDER",
    }
    body = "".join(f"\n## {title}\n\n{text}\n" for title, text in sections.items() if text)
    return f"{_front_matter(written)}\n# A tuned LMM-VQA head\n\n{_what(written)}\n{body}"


def substitutes(written: Mapping[str, Any]) -> list[str]:
    """Return, per encoder that is not the paper's, what stands in its place.

    Source: LMM-VQA, arXiv:2408.14008, section III: CLIP ViT-L/14 and SlowFast R50.
    """
    found = {kind: str(print_.get("model")) for kind, print_ in written["fingerprints"].items()}
    return [
        f"{kind} {model} instead of {PAPER_ENCODERS[kind]}"
        for kind, model in found.items()
        if model != PAPER_ENCODERS[kind]
    ]


def warnings(written: Mapping[str, Any]) -> list[str]:
    """Return what must be said of a checkpoint wherever it is used."""
    said = []
    if written["random_encoders"]:
        names = " and ".join(written["random_encoders"])
        said.append(f"The {names} encoder had random weights: the scores mean nothing.")
    sources = {facts.get("mos_source") for facts in written.get("data", {}).values()}
    if sources == {"none"}:
        said.append("No training video had a score: it answers questions, its scores mean nothing.")
    elif "level" not in written.get("taught", {"level": ()}):
        said.append("It was not taught the level: its scores and levels mean nothing.")
    others = substitutes(written)
    if others:
        said.append(f"Trained on substitutes of the paper's encoders: {', '.join(others)}.")
    return said


def _front_matter(written: Mapping[str, Any]) -> str:
    lines = ["library_name: lmm-vqa", "pipeline_tag: video-text-to-text"]
    lines += ["tags: [video-quality-assessment, no-reference, lmm-vqa]"]
    llm = written["settings"]["llm"]
    if llm.count("/") == 1 and "commit" in written["llm"]["identity"]:  # a hub's, not a folder
        lines.append(f"base_model: {json.dumps(llm)}")
    return "\n".join(["---", *lines, "---", ""])


def _what(written: Mapping[str, Any]) -> str:
    settings = written["settings"]
    layers = "Projector and LoRA layers" if settings["lora_rank"] else "Projector"
    if settings.get("train_llm"):
        layers = "Projector and a tuned copy of the LLM, made"
    text = (
        f"{layers} for the LLM {written['llm']['name']}. It scores the quality of a video from "
        f"{settings['tokens'] if settings['tokens'] != 'both' else 'spatial and temporal'} tokens "
        f"of up to {settings['seconds']} of its seconds. config.json holds every setting, hash and "
        "version."
    )
    return "\n\n".join([text, *(f"**{warning}**" for warning in warnings(written))])


def _data(written: Mapping[str, Any]) -> str:
    rows = [
        f"- {name}: {facts.get('train', 0)} videos to train, {facts.get('val', 0)} to choose the "
        f"epoch; labels: {facts.get('mos_source', 'not stated')}."
        for name, facts in written.get("data", {}).items()
    ]
    return "\n".join(rows) or "Not recorded."


def _limits(written: Mapping[str, Any]) -> str:
    others = written.get("other_tasks", [])
    free = f"Free questions were trained on conversations about {', '.join(others)} only."
    pairs = f"Comparisons were trained, {written['settings'].get('pairs', 0):g} pairs per video."
    return _LIMITS.format(
        free=free if others else "Free questions have not been trained.",
        pairs=pairs
        if written["settings"].get("pairs")
        else "Comparisons have not been trained: two scores are subtracted.",
    )


def _validation(written: Mapping[str, Any], history: pd.DataFrame) -> str:
    kept = history.loc[(history["epoch"] - written["best_epoch"]).abs() < 1e-6, "val_srcc"]
    srcc = float(kept.max())
    settings = written["settings"]
    epoch = f"Epoch {written['best_epoch']:g} of {settings['epochs']:g}"
    if math.isnan(srcc):
        return f"{epoch}; no SRCC: too few labelled validation videos, or of several data sets."
    return f"{epoch}; SRCC {srcc:.3f} on the validation videos, whose loss chose it, so optimistic."
