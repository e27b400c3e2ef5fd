"""Is a drop of quality found at the right second? Prints a Markdown table.

    python benchmarks/timeline.py [MODEL]     # about ten seconds a case, later runs one

Run it from the root after `make demo`. A case is eight seconds of one shot that neither trained nor
chose the model: clean until a known second, impaired from there on (`step`) or for two seconds
(`dip`). Clean and impaired clip are the demo's own, repeated and joined; only impairments that
cost at least 20 points by the clips' labels are used. A drop is found if the stretch that `lmm-vqa
score --timeline` names (`timeline.worst`) begins at most one second off. Cases and tokens stay in
data/benchmark_timeline/.
"""

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from scipy.stats import binomtest

from llm_head.timeline import Second, worst
from pipeline import layout, manifest
from pipeline.demo.ffmpeg import BITEXACT, ffmpeg
from pipeline.demo.impair import CLEAN
from pipeline.progress import bar
from pipeline.scoring import Scorer

FOLDER = Path("data/benchmark_timeline")
SETS = ("demo", "demo_wild")
LENGTH_S, DIP_S = 8, 2
FIRST, LAST = 2, 6  # where a drop may begin
FALL = 20.0  # points by the labels
WINDOWS_S = (1, 2)


@dataclass(frozen=True)
class Case:
    """A clip to make: clean, but impaired from `begin_s` to `end_s`."""

    clean: Path
    impaired: Path
    impairment: str
    kind: str  # step or dip
    begin_s: int
    end_s: int
    fps: float
    frames: int  # of the clean and the impaired clip

    @property
    def path(self) -> Path:
        """Return where the clip lies; another recipe, another name."""
        digest = hashlib.sha256(repr(self).encode()).hexdigest()[:12]
        return FOLDER / "clips" / f"{self.impaired.stem}_{self.kind}_{digest}.mp4"


def cases(dataset: str) -> Iterator[Case]:
    """Yield the cases of a data set's unseen shots; where each drop begins is drawn by a hash."""
    table = manifest.read(layout.manifest(dataset))
    table = table[(table["split"] == "test") & table["mos"].notna()]
    shot = table["video_id"].str.rsplit("_", n=1).str[0]
    for _, clips in table.groupby(shot):
        clean = clips[clips["impairment"] == "none"]
        if clean.empty:
            continue
        first = clean.iloc[0]
        impaired = clips[(clips["impairment"] != "none") & (clips["mos"] <= first["mos"] - FALL)]
        for row in impaired.to_dict("records"):
            for kind in ("step", "dip"):
                draw = hashlib.sha256(f"{row['video_id']}/{kind}".encode()).digest()[0]
                begin_s = FIRST + draw % (LAST - FIRST + 1)
                end_s = LENGTH_S if kind == "step" else begin_s + DIP_S
                yield Case(
                    clean=Path(str(first["path"])),
                    impaired=Path(str(row["path"])),
                    impairment=str(row["impairment"]),
                    kind=kind,
                    begin_s=begin_s,
                    end_s=end_s,
                    fps=float(first["fps"]),
                    frames=round(float(first["fps"]) * float(first["duration_s"])),
                )


def make(case: Case) -> None:
    """Write a case's clip, nearly without loss."""
    case.path.parent.mkdir(parents=True, exist_ok=True)
    repeat = (
        f"setpts=N/{case.fps}/TB,loop=loop=-1:size={case.frames}:start=0,setpts=N/{case.fps}/TB"
    )
    frames = [round(at_s * case.fps) for at_s in (case.begin_s, case.end_s, LENGTH_S)]
    chosen = f"[clean][bad]overlay=enable='between(n,{frames[0]},{frames[1] - 1})'"
    graph = (
        f"[0:v]format=yuv420p,{repeat}[clean];[1:v]format=yuv420p,{repeat}[bad];"
        f"{chosen},trim=end_frame={frames[2]}[out]"
    )
    command = ["-i", str(case.clean), "-i", str(case.impaired), "-filter_complex", graph]
    tmp = case.path.with_name(f".tmp-{case.path.name}")
    command += ["-map", "[out]", *CLEAN, "-pix_fmt", "yuv420p", "-threads", "1"]
    ffmpeg([*command, *BITEXACT, str(tmp)])
    tmp.rename(case.path)


def found_at(seconds: Sequence[Second]) -> int | None:
    """Return the second at which a timeline says that quality drops."""
    stretch = worst(seconds)
    return None if stretch is None else stretch.start


def share(hits: int, count: int) -> str:
    """Return a share with its 95 % interval (Wilson), as if cases were independent."""
    low, high = binomtest(hits, count).proportion_ci(method="wilson")
    return f"{hits} of {count} = {hits / count:.2f} [{low:.2f}, {high:.2f}]"


def run(model: Path) -> Iterator[dict[str, object]]:
    """Yield one row per case and window."""
    everything = [
        (name, case) for name in SETS if layout.manifest(name).is_file() for case in cases(name)
    ]
    scorers = [Scorer(model, cache=FOLDER / "tokens", window_s=window_s) for window_s in WINDOWS_S]
    for name, case in bar(everything, len(everything), "timeline", "case"):
        if not case.path.is_file():
            make(case)
        for window_s, scorer in zip(WINDOWS_S, scorers, strict=True):
            at = found_at(scorer.score(case.path, timeline=True).timeline)
            yield {
                "set": name,
                "kind": case.kind,
                "window_s": window_s,
                "impairment": case.impairment,
                "hit": at is not None and abs(at - case.begin_s) <= 1,
                "exact": at == case.begin_s,
                # a guess among all seconds but the first
                "chance": sum(abs(s - case.begin_s) <= 1 for s in range(1, LENGTH_S))
                / (LENGTH_S - 1),
            }


def main(model: Path) -> None:
    """Print the share of drops that are found."""
    rows = pd.DataFrame(list(run(model)))
    print("| set | case | window | found within 1 s | exactly | a guess | by impairment |")
    print("|---|---|---|---|---|---|---|")
    for (name, kind, window_s), part in rows.groupby(["set", "kind", "window_s"]):
        hits, counts = Counter(part[part["hit"]]["impairment"]), Counter(part["impairment"])
        each = ", ".join(f"{key} {hits[key]}/{counts[key]}" for key in sorted(counts))
        print(
            f"| {name} | {kind} | {window_s} s | {share(part['hit'].sum(), len(part))} "
            f"| {part['exact'].mean():.2f} | {part['chance'].mean():.2f} | {each} |"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else layout.MODEL)
