"""Instruction files of others, in LLaVA's conversation format, about the videos of a data set."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_head.instruct import VIDEO, InstructError, Record, parse

_MARKS = (VIDEO, "<image>")  # LLaVA-Video writes <image> for a video, too
_SHOWN = 5


def read(
    path: Path,
    dataset: str,
    find: Callable[[str], str | None],
    splits: Mapping[str, str],
    tokens: Mapping[str, str],
    cues: Mapping[str, str],
) -> tuple[list[Record], int]:
    """Read conversations about videos.

    Args:
        path: a JSON list, or JSON Lines, of objects with `video` (a path or a name) and
            `conversations`, messages from human and gpt in turn. The mark of the video may stand
            anywhere in the first message or be absent. Optional: `task`, a name of what is asked,
            and `choices`, all answers that the task has.
        dataset: that the videos are of.
        find: gives the video's id for what the file calls it; None: the data set has it not.
        splits: by id; that of the data set holds, so that no video is learned from that is tested.
        tokens: per id the name of its tokens; a video without is left out.
        cues: per id, see `llm_head.cue`.

    Returns:
        the records in the file's order, and how many were left out for want of the video.

    Raises:
        InstructError: naming the entry, if the file or a conversation is not as it should be.

    Source: github.com/haotian-liu/LLaVA, docs/Finetune_Custom_Data.md; with `video` in the place of
    `image`: github.com/PKU-YuanGroup/Video-LLaVA, github.com/LLaVA-VL/LLaVA-NEXT.
    """
    records, left_out = [], 0
    for number, entry in enumerate(_entries(path), start=1):
        try:
            video = find(str(entry["video"]))
            if video is None or video not in tokens:
                left_out += 1
                continue
            fields = {**entry, "id": f"{dataset}/{path.stem}/{number}", "video": video}
            fields["conversations"] = _marked(entry["conversations"])
            fields.pop("split", None)
            record = parse(fields, dataset)
        except (KeyError, TypeError, ValueError) as error:
            raise InstructError(f"{path} entry {number}: {error!r}") from error
        records.append(
            replace(
                record,
                dataset=dataset,
                split=splits[video],
                tokens=tokens[video],
                cue=cues[video],
            )
        )
    return records, left_out


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        lines = [text] if text.lstrip().startswith("[") else text.splitlines()
        found = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        raise InstructError(f"{path}: cannot be read as JSON: {error}") from error
    entries = found[0] if len(found) == 1 and isinstance(found[0], list) else found
    if not all(isinstance(entry, dict) for entry in entries):
        raise InstructError(f"{path}: wanted a list of objects, or an object a line")
    return list(entries)


def _marked(messages: Any) -> Any:
    """Return messages with the mark of the video once, at the start of the first one."""
    if not isinstance(messages, list) or not messages:
        return messages
    first = dict(messages[0])
    text = str(first.get("value", ""))
    for mark in _MARKS:
        text = text.replace(mark, "")
    first["value"] = f"{VIDEO}\n{text.strip()}"
    return [first, *messages[1:]]
