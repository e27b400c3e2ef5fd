"""lmms-eval finds the model and runs it on a task of its own kind; skipped where it is not there.

Its own pins (av below 16) rule out this project's, so that pip cannot install both; docs tell how.
"""

import json
import os
import subprocess
import sys
from ast import literal_eval
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipeline.scoring import Scorer

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("lmms_eval") is None or find_spec("datasets") is None,
        reason="lmms-eval is not installed; docs/understanding.md tells how",
    ),
]
QUESTION = "Which impairment do you see?"
CHOICES = ["The impairment is blur.", "The impairment is none."]
TASK = """
task: tiny_{kind}
dataset_path: json
dataset_kwargs:
  data_files: {{test: {questions}}}
test_split: test
output_type: {kind}
doc_to_visual: !function functions.visual
doc_to_text: question
doc_to_target: {target}
doc_to_choice: !function functions.choices
process_results: !function functions.judge
target_delimiter: " "
generation_kwargs:
  max_new_tokens: 6
  until: ["\\n"]
metric_list:
  - metric: said
    aggregation: !function functions.gather
    higher_is_better: true
"""
FUNCTIONS = """
import json

def visual(doc):
    return [doc["video"]]

def choices(doc):
    return json.loads(doc["choices"])

def judge(doc, results):
    return {"said": [doc["video"], results]}

def gather(said):
    with open("said.json", "a") as file:
        file.write(json.dumps(said) + "\\n")
    return float(len(said))
"""


def run(folder: Path, model: Path, kind: str, clips: list[Path], target: str) -> list[list[object]]:
    """Run lmms-eval on one question about each clip; return video and results of each."""
    tasks = folder / "tasks"
    tasks.mkdir(parents=True)
    docs = [
        {"video": str(clip), "question": QUESTION, "answer": CHOICES[0], "right": 0,
         "choices": json.dumps(CHOICES)}
        for clip in clips
    ]  # fmt: skip
    (folder / "questions.json").write_text("\n".join(json.dumps(doc) for doc in docs))
    (tasks / "functions.py").write_text(FUNCTIONS)
    task = TASK.format(kind=kind, questions=folder / "questions.json", target=target)
    (tasks / "tiny.yaml").write_text(task)
    declared = ConfigParser()
    declared.read(ROOT / "setup.cfg")
    found = declared["options.entry_points"]["lmms_eval.models"]
    about = folder / "declared-1.dist-info"  # as pip would write it
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: declared\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[lmms_eval.models]\n{found.strip()}\n")
    offline = {"HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "lmms_eval", "--model", "lmm_vqa", "--tasks", f"tiny_{kind}",
         "--model_args", f"pretrained={model}", "--device", "cpu", "--batch_size", "1",
         "--include_path", str(tasks)],
        cwd=folder, env={**os.environ, **offline}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (folder / "said.json").is_file(), done.stdout + done.stderr
    return list(json.loads((folder / "said.json").read_text().splitlines()[0]))


def test_what_lmms_eval_is_told_is_what_ask_says(tmp_path: Path, tiny_model: Path) -> None:
    clips = sorted((tiny_model.parent / "clips").glob("*.mp4"))[:2]
    said = run(tmp_path / "generate", tiny_model, "generate_until", clips, "answer")
    scorer = Scorer(tiny_model)
    for clip, (video, (text,)) in zip(clips, said, strict=True):
        expected = scorer.ask(clip, QUESTION, most_tokens=6).partition("\n")[0]
        assert (video, text) == (str(clip), expected)


def test_choices_are_weighed_as_by_the_answer_stage(tmp_path: Path, tiny_model: Path) -> None:
    clips = sorted((tiny_model.parent / "clips").glob("*.mp4"))[:1]
    ((_, results),) = run(tmp_path / "choose", tiny_model, "multiple_choice", clips, "right")
    expected = Scorer(tiny_model).likelihoods(clips[0], QUESTION, CHOICES)
    # lmms-eval 0.7.3 hands a pair of number and truth on to the task as its text
    found = [literal_eval(pair) if isinstance(pair, str) else pair for pair in results]
    assert [log_p for log_p, _ in found] == pytest.approx(expected)
