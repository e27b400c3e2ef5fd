"""A scored video as HTML: player, score, reason and a bar per second that leads to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from llm_head.reason import clock
from llm_head.timeline import Second
from pipeline.scoring import Failed
from pipeline.web.desk import Upload

MOST_BARS = 120  # more would be too thin to be hit


@dataclass(frozen=True)
class Bar:
    """A second, or the lowest of several neighbours; heights in per cent."""

    at_s: float
    score: float
    low: float
    high: float
    title: str
    worst: bool


def card(upload: Upload) -> str:
    """Return what the page shows of an upload; names and messages are escaped."""
    failed = isinstance(upload.result, Failed)
    return _template("card.html").render(
        name=upload.path.name,
        source=f"gradio_api/file={quote(str(upload.path))}",
        error=upload.result.error if isinstance(upload.result, Failed) else "",
        scored=None if failed else upload.result,
        bars=() if isinstance(upload.result, Failed) else bars(upload.result.timeline),
        clock=clock,
    )


def head(warnings: Sequence[str]) -> str:
    """Return the top of the page, with what must be said of the model."""
    return _template("head.html").render(warnings=warnings)


def bars(seconds: Sequence[Second]) -> list[Bar]:
    """Return the bars of a timeline; of many seconds each bar is the lowest of its group."""
    if not seconds:
        return []
    step = -(-len(seconds) // MOST_BARS)
    groups = [seconds[at : at + step] for at in range(0, len(seconds), step)]
    lowest = [min(group, key=lambda second: second.score) for group in groups]
    worst = min(lowest, key=lambda second: second.score)
    return [
        Bar(
            second.start_s,
            second.score,
            max(second.score - second.score_std, 0.0),
            min(second.score + second.score_std, 100.0),
            f"{clock(second.start_s)}: {second.score:.1f} ± {second.score_std:.1f}, {second.level}",
            second is worst,
        )
        for second in lowest
    ]


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("pipeline", "web"),
        autoescape=True,  # names come from whoever uploads
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
