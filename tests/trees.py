"""Small copies of published data sets: generated clips and labels, laid out as the authors do.

Each function fills a folder and returns the ids of its videos in order; their MOS climbs evenly
from the low end of the data set's scale to its high end.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np

from tests.clips import write_moving_video
from tests.published import write_mat, write_rows, write_xlsx


def clips(root: Path, names: Sequence[str]) -> None:
    """Write a clip of one second under each name; another name, other pictures."""
    for name in names:
        write_moving_video(root / name, seed=crc32(name.encode()), seconds=1)


def climb(low: float, high: float, count: int) -> list[float]:
    """Return scores from `low` to `high`."""
    return [round(float(score), 4) for score in np.linspace(low, high, count)]


def lsvq(root: Path, count: int) -> list[str]:
    """Lay out train, test and 1080p sets of `count` videos each, in one folder."""
    batches = {part: f"yfcc-batch{i}" for i, part in enumerate(("train", "test", "1080p"))}
    ids = {part: [f"{batch}/{i}" for i in range(count)] for part, batch in batches.items()}
    clips(root, [f"{name}.mp4" for names in ids.values() for name in names])
    rows = [
        f"{name},{mos},{part == 'test'}"
        for part in ("train", "test")
        for name, mos in zip(ids[part], climb(0, 100, count), strict=True)
    ]
    (root / "labels_train_test.csv").write_text("name,mos,is_test\n" + "\n".join(rows) + "\n")
    scores = dict(zip(ids["1080p"], climb(0, 100, count), strict=True))
    write_rows(root / "labels_test_1080p.csv", "name,mos", scores)
    return ids["train"] + ids["test"]


def konvid_1k(root: Path, count: int) -> list[str]:
    """Lay out KoNViD-1k with its metadata in a folder of its own."""
    ids = [str(3339962845 + i) for i in range(count)]
    clips(root / "KoNViD_1k_videos", [f"{name}.mp4" for name in ids])
    scores = dict(zip(ids, climb(1, 5, count), strict=True))
    write_rows(root / "KoNViD_1k_metadata/KoNViD_1k_mos.csv", '"flickr_id","mos"', scores)
    return ids


def live_vqc(root: Path, count: int) -> list[str]:
    """Lay out LIVE-VQC with data.mat."""
    ids = [f"A{i:03}" for i in range(1, count + 1)]
    clips(root / "Video", [f"{name}.mp4" for name in ids])
    names = [f"{name}.mp4" for name in ids]
    write_mat(root / "data.mat", video_list=names, mos=climb(0, 100, count))
    return ids


def live_yt_gaming(root: Path, count: int) -> list[str]:
    """Lay out LIVE-YT-Gaming with its .mat."""
    ids = [f"Minecraft-{i:03}" for i in range(count)]
    clips(root / "mp4", [f"{name}.mp4" for name in ids])
    write_mat(root / "LIVEYTGaming.mat", video_list=ids, MOS=climb(0, 100, count))
    return ids


def youtube_ugc(root: Path, count: int) -> list[str]:
    """Lay out YouTube-UGC with its workbook; the first video has a score for each chunk."""
    ids = [f"Animation_1080P-{i:04x}" for i in range(count)]
    clips(root / "original_videos_h264", [f"{name}_crf_10_ss_00_t_20.0.mp4" for name in ids])
    header = ["vid", "category", "x_Subjects", "MOS full", "MOS chunk00", "MOS chunk05"]
    header += ["MOS chunk10", "std full", "std chunk00", "std chunk05", "std chunk10"]
    rows: list[list[object]] = [
        [name, "Animation", 120 + i, mos, *([None] * 3), 0.4, *([None] * 3)]
        for i, (name, mos) in enumerate(zip(ids, climb(1, 5, count), strict=True))
    ]
    rows[0][4:7], rows[0][8:11] = [1, 3, 5], [0.4, 0.8, 1.2]
    write_xlsx(root / "MOS_for_YouTube_UGC_dataset.xlsx", Readme=[["text"]], MOS=[header, *rows])
    return ids


def cvd2014(root: Path, count: int) -> list[str]:
    """Lay out CVD2014 with its semicolons, decimal commas and empty lines."""
    ids = [f"Test03_City_D{i:02}" for i in range(1, count + 1)]
    clips(root / "Test3/City", [f"{name}.avi" for name in ids])
    rows = [
        f"{name};City;{mos}".replace(".", ",") + "\n;;\n"
        for name, mos in zip(ids, climb(-6.5, 93.38, count), strict=True)
    ]
    path = root / "CVD2014_ratings/Realignment_MOS.csv"
    path.parent.mkdir(parents=True)
    path.write_text("File_name;Content;Realignment MOS\n" + "".join(rows))
    return ids


def live_qualcomm(root: Path, count: int) -> list[str]:
    """Lay out LIVE-Qualcomm, encoded as .mp4; the labels say .yuv."""
    ids = [f"1024_TableTennisAtBalboa_GS6_20151024_1041{i:02}" for i in range(count)]
    clips(root / "Focus", [f"{name}.mp4" for name in ids])
    write_mat(
        root / "qualcommSubjectiveData.mat",
        qualcommVideoData={"vidNames": [f"{name}.yuv" for name in ids]},
        qualcommSubjectiveData={"unBiasedMOS": climb(0, 100, count)},
    )
    return ids


def live_yt_hfr(root: Path, count: int) -> list[str]:
    """Lay out LIVE-YT-HFR, whose table has a column per video."""
    ids = [f"1Runner_crf_{i}_24fps" for i in range(count)]
    clips(root / "1Runner", [f"{name}.mp4" for name in ids])
    rows = [["File Names", *ids], ["MOS", *climb(0, 100, count)], ["std", *[12.5] * count]]
    path = root / "subjective_scores/subject_MOS.csv"
    path.parent.mkdir(parents=True)
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    return ids


def t2vqa_db(root: Path, count: int) -> list[str]:
    """Lay out T2VQA-DB."""
    ids = [f"{i:05}" for i in range(count)]
    clips(root, [f"{name}.mp4" for name in ids])
    rows = [
        f'{i}.mp4|a "dog", running|{m}\n' for i, m in zip(ids, climb(0, 100, count), strict=True)
    ]
    (root / "info.txt").write_text("".join(rows))
    return ids


def kvq(root: Path, count: int) -> list[str]:
    """Lay out KVQ's part for training."""
    ids = [f"{i:04}" for i in range(1, count + 1)]
    clips(root / "train", [f"{name}.mp4" for name in ids])
    scores = {f"train/{i}.mp4": m for i, m in zip(ids, climb(1, 5, count), strict=True)}
    write_rows(root / "train_data.csv", "filename,score", scores)
    return ids


def finevd(root: Path, count: int) -> list[str]:
    """Lay out FineVD, with the table of one dimension beside the overall one."""
    ids = [f"0_00_00_{1357553287 + i}" for i in range(count)]
    clips(root / "videos_all/videos_all_videos", [f"{name}.mp4" for name in ids])
    scores = dict(zip(ids, climb(0, 100, count), strict=True))
    write_rows(root / "FINEVD_metadata.csv", "vid,mos", scores)
    write_rows(root / "FINEVD_MOS_blur_metadata.csv", "vid,mos", dict.fromkeys(ids, 50))
    return ids


def waterloo_4k(root: Path, count: int) -> list[str]:
    """Lay out Waterloo IVC 4K."""
    ids = [f"HEVC_{i}_2160_1" for i in range(1, count + 1)]
    clips(root, [f"{name}.mp4" for name in ids])
    rows = [f"HEVC,{i + 1},2160,1,{mos}\n" for i, mos in enumerate(climb(0, 100, count))]
    (root / "scores.txt").write_text("".join(rows))
    return ids


TREES: dict[str, Callable[[Path, int], list[str]]] = {
    function.__name__: function
    for function in (
        *(lsvq, konvid_1k, live_vqc, live_yt_gaming, youtube_ugc, cvd2014, live_qualcomm),
        *(live_yt_hfr, t2vqa_db, kvq, finevd, waterloo_4k),
    )
}
