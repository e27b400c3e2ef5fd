"""The report of a small made-up project, read back as HTML."""

import json
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from llm_head.timeline_metrics import SECONDS
from pipeline import layout, manifest
from pipeline.cache import Tokens, token_file, write_index, write_tokens
from pipeline.labels import ManifestError
from pipeline.report.results import ResultsError
from pipeline.settings import Params
from pipeline.stages import evaluate, report

EVIL = '<script src="http://evil.example/x.js">&"\'</script>'
IMPAIRMENTS = ("none", "compression", "upscaling", "blur", "noise", "freeze", "low_frame_rate")


def params(root: Path) -> Params:
    return Params.model_validate(
        {
            "seed": 7,
            "datasets": {
                "demo": {"root": root, "labels": "labels.csv", "mos_source": "vmaf"},
                "own": {"root": root},
            },
            "demo": {"shots": 60, "wild_shots": 12, "clip_s": 2, "clips_per_shot": 8},
            "weights": {"spatial": "none", "temporal": "none", "llm": "none"},
            "spatial": {
                "model": "ViT-B-32",
                "pretrained": "random",
                "grid": 4,
                "frame": "whole",
                "size_px": 224,
            },
            "temporal": {"model": "i3d", "pretrained": "random", "frames": 16, "size_px": 224},
            "instruct": {"tasks": ["score", "level", "impairment", "motion"]},
            "tune": {
                "train_on": ["demo"],
                "llm": "data/weights/llm",
                "seconds": 2,
                "epochs": 4,
                "batch_size": 8,
                "learning_rate": 1e-3,
                "weight_decay": 0,
                "warmup_ratio": 0.1,
                "level_std": 8,
            },
            "evaluate": {"bootstrap": 200},
        }
    )


def make_video(path: Path, size: tuple[int, int] = (64, 48), brightness: int = 120) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        image = np.full((size[1], size[0], 3), brightness, np.uint8)
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())


def make_tables(shots: int = 12, clips: int = 8) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a manifest and predictions: six shots to learn from, two for val, the rest test."""
    rng = np.random.default_rng(3)
    n = shots * clips
    shot = np.arange(n) // clips
    mos = rng.uniform(5, 98, n).round(2)
    impairment = [IMPAIRMENTS[i % 7] for i in range(n)]
    rows = pd.DataFrame(
        {
            "video_id": [f"shot{s:02d}_{i:03d}" for i, s in enumerate(shot)],
            "path": [f"data/raw/demo/clips/{i:03d}.mp4" for i in range(n)],
            "sha256": [f"{i:064x}" for i in range(n)],
            "mos": mos,
            "mos_raw": mos,
            "mos_source": "vmaf",
            "split": np.where(
                shot < shots // 2, "train", np.where(shot < shots // 2 + 2, "val", "test")
            ),
            "content": [f"shot{s:02d}" for s in shot],
            "impairment": impairment,
            "motion": np.where(np.array(impairment) == "freeze", "frozen", "smooth"),
            **{"width": 480, "height": 270, "fps": 24.0, "duration_s": 2.0, "codec": "h264"},
        }
    )
    rows.loc[n - 1, "video_id"] = EVIL
    score = np.clip(mos + rng.normal(0, 14, n), 0, 100)
    predictions = rows[
        ["video_id", "split", "content", "impairment", "motion", "mos", "mos_source"]
    ].assign(
        score=score,
        score_std=12.0,
        level=[("bad", "poor", "fair", "good", "excellent")[min(int(s // 20), 4)] for s in score],
        **dict.fromkeys(("p_bad", "p_poor", "p_fair", "p_good", "p_excellent"), 0.2),
        score_generated=np.where(np.arange(n) % 17 == 0, np.nan, score.round()),
        impairment_answer=[
            w if rng.random() < 0.7 else rng.choice(IMPAIRMENTS) for w in impairment
        ],
        motion_answer=rows["motion"],
        ridge=mos + rng.normal(0, 16, n),
        svr=mos + rng.normal(0, 13, n),
    )
    return rows, predictions


def write_seconds(predictions: pd.DataFrame) -> None:
    """Write timelines of the test videos; the second second of a video is worse than the first."""
    tested = predictions[predictions["split"] == "test"].reset_index(drop=True)
    rows = [
        (row.video_id, float(at), max(row.score - at * index, 0.0), 12.0, "fair")
        for index, row in enumerate(tested.itertuples())
        for at in range(2)
    ]
    layout.timelines("demo").parent.mkdir(parents=True)
    pd.DataFrame(rows, columns=SECONDS).to_csv(layout.timelines("demo"), index=False)


def make_project(random: bool = False) -> Params:
    """Write into the present folder what the stages before this one leave there."""
    rows, predictions = make_tables()
    manifest.write(layout.manifest("demo"), rows)
    for i, path in enumerate(rows.loc[rows["split"] == "test", "path"]):
        if i != 5:  # one clip that was deleted
            make_video(Path(path), brightness=40 + 6 * i)
    for kind, shape in (("spatial", (2, 16, 320)), ("temporal", (2, 704))):
        folder = layout.cache("demo", kind)
        fingerprint = {"model": f"{kind}-net", "weights_sha256": "ab" * 32, "random": random}
        videos = dict(zip(rows["video_id"][-6:], rows["sha256"][-6:], strict=True))
        for video_id, sha256 in videos.items():
            tokens = Tokens(np.zeros(shape, np.float16), np.arange(2.0))
            write_tokens(token_file(folder, video_id), tokens, fingerprint, sha256)
        write_index(folder, fingerprint, videos)
    layout.predictions("demo").parent.mkdir(parents=True)
    predictions.to_csv(layout.predictions("demo"), index=False)
    write_seconds(predictions)
    layout.MODEL.mkdir(parents=True)
    kinds = ["spatial", "temporal"] if random else []
    (layout.MODEL / "config.json").write_text(json.dumps({"random_encoders": kinds}))
    step = np.arange(0, 400, 4)
    val = np.where(step % 40 == 0, 1.0, np.nan)
    pd.DataFrame(
        {
            "step": step,
            "epoch": step / 100,
            "train_loss": 0.7 + 2.4 * np.exp(-step / 60),
            "val_loss": val * (0.9 + 1.9 * np.exp(-step / 70)),
            "val_srcc": val * (0.75 - 0.8 * np.exp(-step / 80)),
        }
    ).to_csv(layout.MODEL / "loss.csv", index=False)
    settings = params(Path("data/raw/demo"))
    evaluate.run(settings)
    return settings


class Page(HTMLParser):
    """Counts tags, and keeps attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        report.run(make_project())
    return root


@pytest.fixture
def page(project: Path) -> Page:
    return Page((project / layout.REPORT).read_text(encoding="utf-8"))


def test_nothing_is_loaded_from_elsewhere(page: Page, project: Path) -> None:
    assert not {"script", "link", "iframe", "object", "use", "image"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if (tag, name) == ("a", "href"):  # a clip beside the page
            assert value.startswith("../data/raw/demo/clips/"), value
        elif name in ("src", "href", "xlink:href", "srcset"):
            assert value.startswith("data:image/jpeg;base64,"), (tag, name, value)
    text = (project / layout.REPORT).read_text(encoding="utf-8")
    assert "url(" not in text and "@import" not in text


def test_ids_from_strangers_are_escaped(page: Page, project: Path) -> None:
    text = (project / layout.REPORT).read_text(encoding="utf-8")
    assert EVIL not in text and "<script" not in text
    assert any(EVIL in data for data in page.text)  # yet shown as it is


def test_figures_and_tables_are_there(page: Page) -> None:
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    # scatter, baselines, two of calibration, loss, SRCC; timelines
    assert len(labels) == 6 + report.TIMELINES
    assert page.tags.count("title") == 1 + 96 + 4 + 6 + 10 + 10 + report.TIMELINES
    # page, videos, predictors, points of calibration and of validation, worst seconds
    images = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    others = report.MISSES + report.TIMELINES
    assert 31 + others - 2 <= len(images) <= 31 + others  # of the scatter plot; one is missing
    assert "Second by second" in page.words and page.words.count("worst second 0:01: ") == 8
    assert "Which impairment" in page.words and "Worst misses" in page.words
    assert "SVR on the same tokens" in page.words
    assert "of pairs of videos in the right order" in page.words
    assert "By kind of video" in page.words and "frame sizes" in page.words
    spots = [v for _, name, v in page.attributes if name == "class" and v.startswith("spot")]
    assert len(spots) == 32  # a picture for each test video, beside the misses
    assert sum(tag == "a" for tag, name, _ in page.attributes if name == "href") == 31
    assert "vmaf" not in page.words.split("Every setting that")[0]
    assert page.words.count("VMAF, not human ratings") >= 4


def test_cache_facts_and_what_is_missing_are_said(page: Page) -> None:
    assert "spatial-net" in page.words and "16 x 320" in page.words
    assert "not readable" in page.words  # data set `own` has no cache
    assert "seed 7" in page.words and "not in a git repository" in page.words


def test_no_warning_without_random_weights(page: Page) -> None:
    assert "random weights" not in page.words


def test_random_weights_are_said_beside_every_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report.run(make_project(random=True))
    page = Page(layout.REPORT.read_text(encoding="utf-8"))
    assert ("p", "role", "alert") in page.attributes
    assert page.words.count("random weights") == 1 + 1 + 9 + 1 + 2 + 1 + 1
    # top, headline, cards of the data set, scores, curves of training, data, caches


def test_same_input_gives_same_bytes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    before = layout.REPORT.read_bytes()
    report.run(params(Path("data/raw/demo")))
    assert layout.REPORT.read_bytes() == before


def test_labels_of_parts_of_videos_are_beside_the_timelines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows, _ = make_tables()
    chunks = pd.DataFrame(
        {"video_id": rows["video_id"].repeat(2), "start_s": [0.0, 1.0] * len(rows)}
    )
    chunks = chunks.assign(end_s=chunks["start_s"] + 1, mos=50.0 + np.arange(len(chunks)) % 37)
    manifest.write(layout.chunk_labels("demo"), chunks.assign(mos_raw=1.0, mos_std=np.nan))
    report.run(make_project())
    words = Page(layout.REPORT.read_text(encoding="utf-8")).words
    assert "over 64 rated parts of 32 videos" in words and "Labels of parts are above" in words
    assert "There are no labels of single seconds" not in words


def test_inputs_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = params(Path("data/raw/demo"))
    with pytest.raises(ResultsError, match=r"metrics.json: missing; run `lmm-vqa evaluate`"):
        report.run(settings)
    settings = make_project()
    (layout.MODEL / "loss.csv").unlink()
    with pytest.raises(ResultsError, match=r"loss.csv: missing; run `lmm-vqa tune`"):
        report.run(settings)
    layout.manifest("demo").unlink()
    with pytest.raises(ManifestError, match="lmm-vqa manifest demo"):
        report.run(settings)
