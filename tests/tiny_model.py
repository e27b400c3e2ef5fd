"""A tuned head of tiny random parts that scores real video files: minutes of work in seconds."""

from pathlib import Path

import numpy as np
import pandas as pd

from llm_head import checkpoint, instruct
from llm_head.data import token_names
from llm_head.questions import Task
from llm_head.tune import tune
from pipeline.cache import Kind, TokenCache, write_index
from pipeline.encode import Job, Target, Video, encode_video, encoder, fingerprint
from pipeline.packages import sha256
from pipeline.settings import RunSettings, SpatialSettings, TemporalSettings
from tests.clips import write_moving_video
from tests.llm_head.test_tune import make_config
from tests.tiny_llm import save_tiny_llm

SPATIAL = SpatialSettings(
    model="efficientnet_lite0", pretrained="random", layers=(1,), grid=1, frame="whole", size_px=32
)
TEMPORAL = TemporalSettings(
    model="i3d", pretrained="random", layers=("input", "1a"), frames=9, size_px=64
)
SETTINGS: dict[Kind, SpatialSettings | TemporalSettings] = {
    "spatial": SPATIAL,
    "temporal": TEMPORAL,
}


def clip_table(folder: Path, count: int = 6) -> pd.DataFrame:
    """Write short clips; return them as a manifest."""
    rows = []
    for number in range(count):
        path = write_moving_video(folder / f"c{number}.mp4", seed=number, seconds=2)
        split = ("train", "train", "val")[number % 3]
        rows.append((f"c{number}", str(path), sha256(path), 15.0 * number, split, f"s{number}"))
    names = ["video_id", "path", "sha256", "mos", "split", "content"]
    table = pd.DataFrame(rows, columns=names).assign(mos_source="synthetic")
    odd = table.index % 2 == 1
    table["impairment"] = np.where(odd, "noise", "blur")
    table["severity"] = np.where(odd, "strong", "slight")
    table["motion"] = np.where(odd, "frozen", "smooth")
    return table


def make_caches(folder: Path, table: pd.DataFrame) -> dict[Kind, TokenCache]:
    """Encode a manifest as extraction does, on one thread."""
    targets = tuple(Target(found, folder / kind) for kind, found in SETTINGS.items())
    prints = [fingerprint(t.settings, encoder(t.settings, "cpu")) for t in targets]
    for target in targets:
        target.folder.mkdir(parents=True)
    for row in table.itertuples():
        item = Video(str(row.video_id), Path(str(row.path)), str(row.sha256))
        job = Job(Path.cwd(), item, targets, tuple(prints))
        assert encode_video(job, RunSettings(device="cpu")).failure is None
    for target, made in zip(targets, prints, strict=True):
        write_index(target.folder, made, dict(zip(table["video_id"], table["sha256"], strict=True)))
    return {target.kind: TokenCache(target.folder) for target in targets}


def make_model(folder: Path) -> Path:
    """Tune a head for one epoch on six clips and return its folder, `folder`/model.

    Beside it lie clips/ and the caches data/mine/{spatial,temporal}/.
    """
    save_tiny_llm(folder / "llm")
    table = clip_table(folder / "clips")
    caches = make_caches(folder / "data/mine", table)
    tasks: list[Task] = ["score", "level", "impairment", "severity", "motion"]
    records = instruct.build(table, "mine", tasks, token_names(caches), seed=0)
    config = make_config(folder, seconds=4, batch_size=2)
    tuned = tune(records, {"mine": caches}, config, "cpu")
    encoders = {kind: found.model_dump(mode="json") for kind, found in SETTINGS.items()}
    origin = checkpoint.Origin(encoders, {"mine": {"mos_source": "synthetic", "train": 4}})
    prints = {kind: cache.fingerprint for kind, cache in caches.items()}
    checkpoint.save(folder / "model", tuned, config, prints, origin)
    return folder / "model"
