"""One data set from footage to labels.csv: find the shots, choose, plan, make."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.demo.make import DemoError, make
from pipeline.demo.plan import plan
from pipeline.demo.scan import Window, scan, windows
from pipeline.demo.shots import choose
from pipeline.demo.sources import Film, Footage
from pipeline.settings import DemoSettings


def build(
    footage: Footage,
    folder: Path,
    root: Path,
    shots: int,
    settings: DemoSettings,
    seed: int,
    workers: int,
) -> None:
    """Make one data set below `root` from the footage in `folder`.

    Raises:
        DemoError: footage is missing, or clips could not be made.
    """
    files = [film.file for film in footage.films] + [photo.file for photo in footage.photos]
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise DemoError(f"{folder} has no {', '.join(missing)}; run stage footage first")
    found = find_windows(footage.films, folder, settings.clip_s, workers)
    chosen = choose(footage, found, shots, settings.clip_s, seed)
    items = plan(chosen, footage.ladder, settings.clips_per_shot, footage.split, seed)
    make(items, footage.ladder, folder, root, workers)


def find_windows(
    films: tuple[Film, ...], folder: Path, clip_s: float, workers: int
) -> dict[str, list[list[Window]]]:
    """Return the windows of each film, per stretch."""
    jobs = [(film, stretch) for film in films for stretch in film.stretches_s]
    with ThreadPoolExecutor(workers) as pool:
        frames = pool.map(lambda job: scan(folder / job[0].file, *job[1]), jobs)
        found: dict[str, list[list[Window]]] = {film.file: [] for film in films}
        for (film, _), stretch in zip(jobs, frames, strict=True):
            found[film.file].append(windows(stretch, round(clip_s * film.fps)))
    return found
