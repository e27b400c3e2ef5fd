"""Instruction records: questions and answers about videos as JSON Lines.

The format is LLaVA's conversation format, one record a line, so that other people's instruction
sets can be mixed in: any text, several turns, `<video>` once in the first question. Ours adds
dataset, split, task, mos, mos_std, mos_source, cue, tokens and choices.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from llm_head import questions
from llm_head.cue import cue
from llm_head.levels import level_of, percentile_cuts, percentile_level_of
from llm_head.questions import Task

VIDEO = "<video>"
_SPLITS = ("train", "val", "test")


class InstructError(ValueError):
    """A manifest row or an instruction record cannot be used."""


@dataclass(frozen=True)
class Turn:
    """One message of a conversation; `from` of the file is `speaker` here."""

    speaker: str  # human or gpt
    value: str


@dataclass(frozen=True)
class Record:
    """One conversation about one video."""

    id: str
    video: str
    dataset: str
    split: str
    task: str  # one of TASKS, or any word in other people's sets
    conversations: tuple[Turn, ...]
    mos: float | None = None  # 0-100; score and level only
    mos_std: float | None = None  # deviation between raters, on 0-100; where mos is, if known
    mos_source: str = ""  # whose the mos is; where mos is, if known
    cue: str = ""  # the video's facts in words, see `llm_head.cue`; said if tune.cue is text
    tokens: str = ""  # names the tokens it was written for: if they change, the file changes
    choices: tuple[str, ...] = ()  # all answers that the task has, if they are few; see `alignment`


def build(
    manifest: pd.DataFrame,
    dataset: str,
    tasks: Iterable[Task],
    tokens: Mapping[str, str],
    seed: int,
    levels: Literal["absolute", "percentile"] = "absolute",
) -> list[Record]:
    """Return the questions and answers of a manifest, one per video and task.

    A task is asked only where the manifest knows the answer. Training videos get one of the
    task's wordings, drawn by a hash of seed, video and task; the others the canonical wording,
    which is the one the model is asked with.

    Args:
        manifest: with columns video_id, split, mos (0-100), impairment, severity, motion and, as
            far as they are known, mos_std (0-100), mos_source and those of `llm_head.cue`; empty:
            unknown.
        tokens: per video the name of its tokens, `data.token_names`; a video without has no
            records.
        levels: absolute: `levels.level_of`, and the record carries the MOS for its soft label.
            percentile: the authors' three, cut at the training videos' MOS; learned as text.

    Raises:
        InstructError: if percentiles are asked for and no training video has a MOS, or a row holds
            an impairment, severity, motion or MOS that has no answer.

    Source: LMM-VQA, arXiv:2408.14008 (20 score and 20 level questions). Differs: own wordings,
    a stem before the answer, absolute levels, and the same wording at every inference.
    """
    tasks = tuple(tasks)
    cuts = _cuts(manifest, dataset) if levels == "percentile" else None
    with_mos = ("score", "level") if cuts is None else ("score",)
    records = []
    for line, row in enumerate(manifest.to_dict("records"), start=2):
        video = str(row["video_id"])
        for task in tasks if video in tokens else ():
            try:
                answer = _answer(row, task, cuts)
            except ValueError as error:
                raise InstructError(
                    f"manifest of {dataset}, line {line} ({video}): {error}"
                ) from error
            if answer is not None:
                question = _question(video, str(row["split"]), task, seed)
                labelled = task in with_mos  # a level without a MOS has no soft label
                records.append(
                    Record(
                        id=f"{dataset}/{video}/{task}",
                        video=video,
                        dataset=dataset,
                        split=str(row["split"]),
                        task=task,
                        conversations=(Turn("human", f"{VIDEO}\n{question}"), Turn("gpt", answer)),
                        mos=float(row["mos"]) if labelled else None,
                        mos_std=_known(row.get("mos_std")) if labelled else None,
                        mos_source=str(row.get("mos_source") or "") if labelled else "",
                        cue=cue(row),
                        tokens=tokens[video],
                    )
                )
    return records


def taught(
    records: Iterable[Record], before: Mapping[str, Sequence[str]] | None = None
) -> dict[str, tuple[str, ...]]:
    """Return which of our own questions training records answer.

    Args:
        before: what a head was taught already.

    Returns:
        by task, of those of `questions.CLOSED` the keys of the answers that are there; of others
        nothing.
    """
    before = before or {}
    said: dict[str, set[str]] = {task: set() for task in before}
    for record in records:
        if record.split == "train" and record.task in questions.TASKS:
            said.setdefault(record.task, set()).update(turn.value for turn in record.conversations)
    return {
        task: tuple(
            key
            for key, answer in zip(
                questions.CLOSED.get(task, ()), questions.answers(task), strict=False
            )
            if answer in said[task] or key in before.get(task, ())
        )
        for task in questions.TASKS
        if task in said
    }


def _known(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _question(video: str, split: str, task: Task, seed: int) -> str:
    wordings = questions.QUESTIONS[task]
    if split != "train":
        return questions.canonical(task)
    digest = hashlib.sha256(f"{seed}/{video}/{task}".encode()).digest()
    return wordings[int.from_bytes(digest[:8], "big") % len(wordings)]


def _cuts(manifest: pd.DataFrame, dataset: str) -> tuple[float, float]:
    mos = manifest.loc[(manifest["split"] == "train") & manifest["mos"].notna(), "mos"]
    if mos.empty:
        raise InstructError(
            f"manifest of {dataset}: no training video has a MOS, so percentiles are not defined; "
            "set instruct.levels to absolute in params.yaml"
        )
    return percentile_cuts(mos.to_numpy(float))


def _answer(
    row: Mapping[Any, Any], task: Task, cuts: tuple[float, float] | None = None
) -> str | None:
    value = row.get("mos" if task in ("score", "level") else task)
    if value is None or pd.isna(value) or value == "":
        return None
    if task == "severity" and row.get("impairment") == "none":
        return None
    if task == "score":
        return questions.score_answer(float(value))
    if task == "level":
        mos = float(value)
        return questions.level_answer(
            level_of(mos) if cuts is None else percentile_level_of(mos, cuts)
        )
    return questions.closed_answer(task, value)


def to_jsonl(records: Iterable[Record]) -> str:
    """Return records as JSON Lines, in the order given."""
    return "".join(json.dumps(_as_json(record), ensure_ascii=False) + "\n" for record in records)


def _as_json(record: Record) -> dict[str, Any]:
    fields = asdict(record)
    fields["conversations"] = [
        {"from": turn.speaker, "value": turn.value} for turn in record.conversations
    ]
    return {key: value for key, value in fields.items() if value not in (None, "", ())}


def read(path: Path, dataset: str) -> list[Record]:
    """Read instruction records.

    Args:
        path: JSON Lines. Of each record `id`, `video` and `conversations` must be there; without
            `dataset` it is `dataset`, without `split` train, without `task` other.

    Raises:
        InstructError: naming file and line, if the file or a record is not as it should be.
    """
    if not path.is_file():
        raise InstructError(f"{path}: no such file; run stage instruct first")
    records, seen = [], set()
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = parse(json.loads(line), dataset)
            except ValueError as error:
                raise InstructError(f"{path} line {number}: {error}") from error
            if record.id in seen:
                raise InstructError(f"{path} line {number}: id {record.id!r} is there twice")
            seen.add(record.id)
            records.append(record)
    return records


def parse(fields: Any, dataset: str) -> Record:
    """Return a record from the JSON object of a line; see `read`.

    Raises:
        ValueError: if it is not as it should be.
    """
    if not isinstance(fields, dict):
        raise ValueError(f"wanted a JSON object, found {type(fields).__name__}")
    for key in ("id", "video"):
        if not isinstance(fields.get(key), str | int) or fields[key] == "":
            raise ValueError(f"{key} must be a name, found {fields.get(key)!r}")
    split = fields.get("split", "train")
    if split not in _SPLITS:
        raise ValueError(f"split {split!r} is none of {_SPLITS}")
    mos = fields.get("mos")
    if mos is not None and not (isinstance(mos, int | float) and 0 <= mos <= 100):
        raise ValueError(f"mos must be a number in 0..100, found {mos!r}")
    return Record(
        id=str(fields["id"]),
        video=str(fields["video"]),
        dataset=str(fields.get("dataset", dataset)),
        split=split,
        task=str(fields.get("task", "other")),
        conversations=_turns(fields.get("conversations")),
        mos=None if mos is None else float(mos),
        mos_std=_mos_std(fields.get("mos_std")),
        mos_source=str(fields.get("mos_source", "")),
        cue=str(fields.get("cue", "")),
        tokens=str(fields.get("tokens", "")),
        choices=_choices(fields.get("choices", [])),
    )


def _choices(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"choices must be a list of answers, found {value!r:.80}")
    return tuple(value)


def _mos_std(value: Any) -> float | None:
    if value is None:
        return None
    if not (isinstance(value, int | float) and 0 <= value <= 100):
        raise ValueError(f"mos_std must be a number in 0..100, found {value!r}")
    return float(value)


def _turns(raw: Any) -> tuple[Turn, ...]:
    if not isinstance(raw, list) or not raw or len(raw) % 2:
        raise ValueError("conversations must be a list of pairs of a human and a gpt message")
    turns = []
    for index, message in enumerate(raw):
        wanted = "human" if index % 2 == 0 else "gpt"
        if not isinstance(message, dict) or message.get("from") != wanted:
            raise ValueError(f"message {index + 1} must be from {wanted!r}, found {message!r:.80}")
        value = message.get("value")
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"message {index + 1} has no text, found {value!r:.80}")
        if value.count(VIDEO) != (1 if index == 0 else 0):
            raise ValueError(f"{VIDEO} must be there once, in the first message, and nowhere else")
        turns.append(Turn(wanted, value))
    return tuple(turns)
