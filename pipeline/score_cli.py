"""Commands for those who have a video and a question: score, ask, compare, web."""

import json
import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.scoring import Scorer

FAILED, GATE = 1, 3  # exit codes; 2 is a wrong command line

Model = Annotated[Path, typer.Option("--model", help="folder of the checkpoint")]
Cache = Annotated[Path | None, typer.Option("--cache", help="folder of tokens, used and filled")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, an object a line")]
MODEL = Path("results/model")

log = logging.getLogger(__name__)


def score(
    videos: Annotated[list[Path], typer.Argument(help="files, folders, lists (.txt, .csv)")],
    model: Model = MODEL,
    as_json: AsJson = False,
    csv: Annotated[
        Path | None, typer.Option(help="write a table; an interrupted run continues from it")
    ] = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="also score each second")] = False,
    plot: Annotated[Path | None, typer.Option(help="draw the timelines, .png or .svg")] = None,
    window: Annotated[int, typer.Option(min=1, help="seconds that a second is judged by")] = 1,
    least: Annotated[
        float | None, typer.Option("--min", min=0, max=100, help="gate: lowest score")
    ] = None,
    least_second: Annotated[
        float | None, typer.Option("--min-second", min=0, max=100, help="gate: of any second")
    ] = None,
    cache: Cache = None,
    device: Device = "auto",
) -> None:
    """Score videos: 0-100 with deviation, level and reason.

    Exit code 0: all scored and above the limits; 1: something failed, the rest is scored; 2: the
    command line is wrong; 3: a video or a second is below --min or --min-second.
    """
    from pipeline.gate import below
    from pipeline.plot import plot as draw

    paths = _checked(videos, plot)
    timeline = timeline or plot is not None or least_second is not None
    scorer = _scorer(model, device, cache, window)
    rows: list[dict[str, Any]] = []
    for row in _rows(scorer, paths, window if timeline else 0, csv):
        rows.append(row)
        _show(row, as_json)
    scored = [row for row in rows if not row.get("error")]
    if plot is not None and scored:
        draw(scored, plot)
        log.info("%s: %d timelines", plot, len(scored))
    reasons = [line for row in scored for line in below(row, least, least_second)]
    for line in reasons:
        print(f"gate: {_printable(line)}", file=sys.stderr)
    if len(scored) < len(rows):
        print(f"{len(rows) - len(scored)} of {len(rows)} videos failed", file=sys.stderr)
        raise typer.Exit(FAILED)
    if reasons:
        raise typer.Exit(GATE)


def ask(
    video: Annotated[Path, typer.Argument(help="a video file")],
    question: Annotated[str, typer.Argument(help="in plain words")],
    model: Model = MODEL,
    cache: Cache = None,
    device: Device = "auto",
) -> None:
    """Ask the model anything about a video; what it was not tuned on, it may get wrong."""
    answer = _scorer(model, device, cache).ask(video, question)
    print(_printable(" ".join(answer.split())))  # models like to break lines


def compare(
    a: Annotated[Path, typer.Argument(help="a video file")],
    b: Annotated[Path, typer.Argument(help="another one")],
    model: Model = MODEL,
    as_json: AsJson = False,
    cache: Cache = None,
    device: Device = "auto",
) -> None:
    """Say which of two videos has the better score, by how much, and how sure that is."""
    from llm_head.pair import words

    found = _scorer(model, device, cache).compare(a, b)
    if as_json:
        print(json.dumps({"a": str(a), "b": str(b), **vars(found)}, ensure_ascii=False))
        return
    print(words(found, _printable(str(a)), _printable(str(b))))


def web(
    model: Model = MODEL,
    host: Annotated[str, typer.Option(help="address to listen at; default: this machine only")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
    most_mb: Annotated[int, typer.Option("--max-mb", min=1, help="size of an upload")] = 200,
    device: Device = "auto",
) -> None:
    """Serve a page that scores and compares videos dropped on it; needs the extra `demo`."""
    from pipeline.web.serve import check, serve

    check()
    serve(_scorer(model, device, None), host, port, most_mb)


def _checked(named: Sequence[Path], plot: Path | None) -> list[Path]:
    """Return the videos; what is wrong with the command line is said before anything is loaded."""
    from pipeline.inputs import InputError, videos
    from pipeline.plot import PlotError, check

    try:
        found = videos(named)
        if plot is not None:
            check(plot, len(found))
    except (InputError, PlotError) as error:
        raise typer.BadParameter(str(error)) from error
    return found


def _scorer(model: Path, device: str, cache: Path | None, window: int = 1) -> "Scorer":
    from transformers.utils.logging import disable_progress_bar

    from pipeline.scoring import Scorer

    if device not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter(f"--device: wanted auto, cpu or cuda, found {device!r}")
    disable_progress_bar()  # type: ignore[no-untyped-call]
    return Scorer(model, device=device, cache=cache, window_s=window)  # type: ignore[arg-type]


def _rows(
    scorer: "Scorer", paths: Sequence[Path], window_s: int, csv: Path | None
) -> Iterator[dict[str, Any]]:
    """Yield a row per video, in order; what `csv` holds already is not computed again.

    Args:
        window_s: of the timeline; 0: there is none.
    """
    from pipeline.progress import bar
    from pipeline.score_log import ScoreLog
    from pipeline.scoring import Failed
    from pipeline.tables import printable

    table = None if csv is None else ScoreLog(csv, scorer.identity, window_s)
    shown = bar(paths, len(paths), "score", "video") if len(paths) > 1 else paths
    for path in shown:
        row = None if table is None else table.known(path)
        if row is None:
            (found,) = scorer.scores([path], timeline=window_s > 0)
            if isinstance(found, Failed):
                row = {"video": printable(found.video), "error": printable(found.error)}
            else:
                row = {**found.row(), "window_s": window_s, "model": scorer.identity}
            if table is not None:
                table.add(row)
        yield row
    if table is not None:
        table.close(paths)


def _show(row: dict[str, Any], as_json: bool) -> None:
    from tqdm import tqdm  # its write keeps rows and a moving bar apart

    from pipeline.plot import sparkline
    from pipeline.score_log import COLUMNS

    if as_json:
        present = {k: row[k] for k in COLUMNS if row.get(k, "") != ""}
        text = json.dumps(present, ensure_ascii=False)
    elif row.get("error"):
        text = f"{'failed':>14}             {_printable(row['error'])}"
    else:
        text = f"{row['score']:6.1f} ± {row['score_std']:4.1f}  {row['level']:<9}  "
        text += _printable(row["video"])
        if row["reason"]:
            text += f"\n{'':27}{row['reason']}"
        if row["timeline"]:
            width = max(20, shutil.get_terminal_size().columns - 27)
            bars = sparkline([second["score"] for second in row["timeline"]], width)
            text += f"\n{'':27}{bars}"
    tqdm.write(text, file=sys.stdout)


def _printable(text: str) -> str:
    """Return text in which a stranger's file name cannot steer the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
