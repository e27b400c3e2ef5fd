"""Where every artefact lies, relative to the project's root (the folder that holds params.yaml)."""

from pathlib import Path

from pipeline.cache import Kind

FOOTAGE = Path("data/footage")
RESULTS = Path("results")
MODEL = RESULTS / "model"
TUNING = RESULTS / ".tuning"  # what an unfinished tuning goes on from
REPORT = RESULTS / "report.html"
METRICS = RESULTS / "metrics.json"
LEAKS = RESULTS / "leaks.csv"


def weights(part: str) -> Path:
    """Return the folder of the weights of one part: spatial, temporal or llm."""
    return Path("data/weights") / part


def raw(dataset: str) -> Path:
    """Return the folder of a data set that this project makes itself, such as demo."""
    return Path("data/raw") / dataset


def manifest(dataset: str) -> Path:
    """Return the manifest of a data set."""
    return Path("data") / dataset / "manifest.csv"


def unmatched(dataset: str) -> Path:
    """Return the list of labelled videos without a file, and of files without a label."""
    return Path("data") / dataset / "unmatched.csv"


def chunk_labels(dataset: str) -> Path:
    """Return the labels of parts of videos, with their times."""
    return Path("data/chunk_labels") / f"{dataset}.csv"


def cache(dataset: str, kind: Kind) -> Path:
    """Return the folder of a data set's token cache."""
    return Path("data") / dataset / kind


def instructions(dataset: str) -> Path:
    """Return the questions and answers of a data set that is trained on."""
    return Path("data/instruct") / f"{dataset}.jsonl"


def conversations(dataset: str) -> Path:
    """Return the conversations of others about a data set that is trained on."""
    return Path("data/instruct") / f"{dataset}.conversations.jsonl"


def answers(dataset: str) -> Path:
    """Return the answers to questions about a data set; their accuracy is beside it, as .json."""
    return RESULTS / "answers" / f"{dataset}.csv"


def predictions(dataset: str) -> Path:
    """Return the predictions for a data set."""
    return RESULTS / "predictions" / f"{dataset}.csv"


def timelines(dataset: str) -> Path:
    """Return the scores of each second of a data set's test videos."""
    return RESULTS / "timelines" / f"{dataset}.csv"


def hashes(dataset: str) -> Path:
    """Return the perceptual hashes of a data set's key frames."""
    return Path("data/hashes") / f"{dataset}.csv"


def fold(dataset: str, part: int) -> Path:
    """Return the predictions for the test videos of one part of the protocol."""
    return RESULTS / "folds" / dataset / f"{part}.csv"


def baseline(metric: str, dataset: str) -> Path:
    """Return the scores of a metric of another package; its numbers are beside it, as .json."""
    return RESULTS / "baselines" / metric / f"{dataset}.csv"


def folds(dataset: str) -> Path:
    """Return the metrics over all parts of the protocol."""
    return RESULTS / "folds" / f"{dataset}.json"
