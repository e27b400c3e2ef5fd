"""Every setting of params.yaml, one class per section, checked when the file is read.

A section has the name of the stage that reads it, so DVC can track whole sections. Section `run`
holds what changes no number; no stage tracks it.
"""

from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as shown  # never longer than a line
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,63}$")]
Split = Literal["train", "val", "test"]
MAX_ALIASES = 20
MAX_BRACKETS = 1000


class ParamsError(ValueError):
    """params.yaml is missing, is not YAML, or holds a wrong setting."""


class Section(BaseModel):
    """A section: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FeatureSettings(Section):
    """Features that others have computed, to be imported instead of tokens; docs/own-features.md.

    Paths are relative to the data set's root.
    """

    file: Path  # .csv, .npy, .mat, or a folder with one .npy per video
    name: str = Field(min_length=1)  # what they are, e.g. VIDEVAL; equal names are comparable
    version: str = Field(min_length=1)
    per: Literal["video", "second"] = "video"
    id_column: str | None = None  # of a CSV: which video the row is of
    second_column: str | None = None  # of a CSV per second: 0, 1, 2, ...
    leave_out: tuple[str, ...] = ()  # columns of a CSV that are no features, e.g. the MOS
    rows: Path | None = None  # text file with the name of the video of each row, in order
    variable: str | None = None  # of a .mat with several

    @model_validator(mode="after")
    def _rows_can_be_told_apart(self) -> "FeatureSettings":
        if self.per == "second" and self.rows:
            raise ValueError("rows name videos, not seconds; give a CSV with second_column, or npy")
        if self.per == "second" and self.id_column and not self.second_column:
            raise ValueError("a table per second needs second_column")
        return self


class ImportedSettings(Section):
    """Which kinds of tokens are imported; the others are encoded."""

    spatial: FeatureSettings | None = None
    temporal: FeatureSettings | None = None


class DatasetSettings(Section):
    """One data set: a folder of videos and, unless it is only to be scored, labels inside it.

    `root` holds both, at any depth, so that DVC notices a change of either. The columns and the
    scale are for adapter `csv`; the other adapters know their data set's own.
    """

    root: Path
    adapter: Name = "csv"  # a module of pipeline/datasets/: csv, or a published data set
    labels: Path | None = None  # relative to root. csv: none means that videos are scored only;
    # a published set: which of its label files to read, where several lie there
    allow_missing: bool = False  # go on without labelled videos that are not in the folder
    filename_column: str = "filename"
    mos_column: str = "mos"
    mos_min: float = 0.0  # the scale's ends, not the data's smallest and largest value
    mos_max: float = 100.0
    mos_source: str = "human"  # said wherever the label is shown; a column mos_source overrides it
    split: Split | Literal["random"] = "test"  # for a table without a column `split`
    features: ImportedSettings = ImportedSettings()

    @model_validator(mode="after")
    def _scale_is_not_empty(self) -> "DatasetSettings":
        if self.mos_min >= self.mos_max:
            raise ValueError(f"mos_min {self.mos_min} is not below mos_max {self.mos_max}")
        return self

    @model_validator(mode="after")
    def _columns_and_scale_are_for_csv(self) -> "DatasetSettings":
        foreign = self.model_fields_set & {"filename_column", "mos_column", "mos_min", "mos_max"}
        if self.adapter != "csv" and foreign:
            raise ValueError(
                f"adapter {self.adapter} knows its columns and scale: leave "
                f"{', '.join(sorted(foreign))} out, or use adapter csv"
            )
        return self

    @property
    def labelled(self) -> bool:
        """Whether the data set has labels at all."""
        return self.adapter != "csv" or self.labels is not None


class DemoSettings(Section):
    """The streaming-ladder data set that stage `demo` makes from packaged footage."""

    shots: int = Field(ge=4)  # of the training footage, over all splits
    wild_shots: int = Field(ge=1)
    clip_s: float = Field(ge=1.0, le=10.0)
    clips_per_shot: int = Field(ge=2)


class WeightsSettings(Section):
    """Weights that a registry package ships, per part; none: the hub's, or a file of one's own."""

    spatial: Literal["efficientnet_lite0", "none"]
    temporal: Literal["i3d", "none"]
    llm: Literal["smollm2_135m", "none"]


class SpatialSettings(Section):
    """Key frames to spatial tokens (paper: CLIP ViT-L/14, 224 px, one frame per second)."""

    model: str  # an open_clip model, or a file of encoders/configs/
    pretrained: str  # an open_clip tag, a weights file, or `random`
    layers: tuple[int, ...] = ()  # blocks or stages to read, joined; empty: the tower's own output
    grid: int = Field(ge=0)  # tokens are pooled to grid x grid per crop; 0: not pooled
    frame: Literal["centre_crop", "whole", "crops"]
    size_px: int = Field(ge=32, le=2048)
    crops: tuple[int, int] = (1, 1)  # rows and columns of native-resolution crops


class TemporalSettings(Section):
    """One-second chunks to temporal tokens (paper: SlowFast R50, 32 frames of 224 px)."""

    model: Literal["slowfast_r50", "i3d"]
    pretrained: str  # `hub`, a weights file, or `random`
    pathway: Literal["slow", "fast", "both"] = "both"  # slowfast_r50 only
    layers: tuple[str, ...] = ()  # i3d only: blocks whose statistics are joined; empty: the last
    frames: int = Field(ge=4, le=128)
    clip: Literal["spread", "consecutive"] = "spread"  # consecutive: the authors' code
    size_px: int = Field(ge=64, le=512)


class InstructSettings(Section):
    """Questions and answers from manifests."""

    tasks: tuple[Literal["score", "level", "impairment", "motion"], ...]
    levels: Literal["absolute", "percentile"] = "absolute"  # percentile: the authors' code


class TuneSettings(Section):
    """Instruction tuning of the projector and, by choice, of the LLM."""

    train_on: tuple[Name, ...] = Field(min_length=1)
    # how often a video of a training set comes in an epoch: 1 where nothing is said, 0.5: in every
    # other one, 2: twice
    weights: dict[Name, Annotated[float, Field(gt=0)]] = {}
    llm: str  # a folder or a hub name of a transformers causal LM
    dtype: Literal["float32", "bfloat16"] = "float32"
    quantize: Literal["none", "8bit", "4bit"] = "none"  # of a frozen LLM, or under LoRA; needs CUDA
    lora_rank: int = Field(default=0, ge=0)  # 0: the LLM stays frozen, as in the paper
    train_llm: bool = False  # all of the LLM is trained, and stored with the head
    gradient_checkpointing: bool = False  # less memory for a third more time; same gradients
    tokens: Literal["both", "spatial", "temporal"] = "both"
    time: Literal["ordered", "mean"] = "ordered"  # mean: the authors' code
    seconds: int = Field(ge=1)  # chunks of a video that the head reads, spread evenly
    projector: Literal["mlp", "vit", "resampler"] = "mlp"  # vit: the authors' code
    queries: int = Field(default=8, ge=1)  # vectors per second that a resampler makes
    epochs: float = Field(gt=0)
    batch_size: int = Field(ge=1)  # videos that a device reads at a time
    accumulate: int = Field(default=1, ge=1)  # batches whose gradients make one step
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup_ratio: float = Field(ge=0, le=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    level_std: float = Field(ge=0)  # spread of the soft level labels on 0-100; 0: hard labels
    align_steps: int = Field(default=0, ge=0)  # of the projector alone, before the LLM is asked
    align_weight: float = Field(default=0.0, ge=0)  # of the alignment loss beside the LLM's
    level_spread: Literal["fixed", "raters"] = "fixed"  # raters: a video's mos_std, where known
    rank_weight: float = Field(default=0.0, ge=0)  # of the ranking loss within a data set

    @model_validator(mode="after")
    def _one_way_to_train_the_llm(self) -> "TuneSettings":
        if self.train_llm and (self.lora_rank or self.quantize != "none"):
            raise ValueError("train_llm trains all of the LLM: neither lora_rank nor quantize")
        return self

    @model_validator(mode="after")
    def _weights_are_of_training_sets(self) -> "TuneSettings":
        unknown = sorted(set(self.weights) - set(self.train_on))
        if unknown:
            raise ValueError(f"weights names {unknown}, which train_on has not")
        return self


class ProtocolSettings(Section):
    """How a claim is tested: which data sets are also tuned on by parts, and what a leak does.

    Zero-shot and in-domain results need nothing here: `tune.train_on` names what is trained on, and
    every data set with labels is tested.
    """

    fine_tune: tuple[Name, ...] = ()  # data sets to tune and test on by parts
    scheme: Literal["folds", "splits"] = "folds"  # each video tested once, or repeated draws
    parts: tuple[int, ...] = (1, 2, 3, 4, 5)  # 1 to the number of folds or splits
    start: Literal["scratch", "model"] = "model"  # model: from what tune.train_on gave
    epochs: float = Field(default=10, gt=0)
    test_share: float = Field(default=0.2, gt=0, lt=1)  # of splits
    val_share: float = Field(default=0.1, ge=0, lt=1)  # of a part's training videos
    leaks: Literal["stop", "report"] = "stop"  # a test video that is trained on

    @field_validator("parts")
    @classmethod
    def _parts_are_counted(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if value != tuple(range(1, len(value) + 1)) or not value:
            raise ValueError(f"wanted [1, 2, ...] without a gap, found {list(value)}")
        return value


class EvaluateSettings(Section):
    """Metrics."""

    bootstrap: int = Field(ge=100)


class RunSettings(Section):
    """Speed, place and limits: nothing here may change a number, only which numbers there are."""

    scheduler: str = "local"  # `none`: in this process; `local`: a cluster here; or tcp://host:port
    workers: int = Field(default=0, ge=0)  # of a local cluster; 0: one per core, or one per GPU
    device: Literal["auto", "cpu", "cuda"] = "auto"
    allow_failures: int = Field(default=0, ge=0)  # videos that may fail without failing the stage
    # Limits of one video's decoder. Time is what is spent waiting for it: so much for a video, and
    # so much more for each second of it that has come.
    decode_limit_s: float = Field(default=60.0, gt=0)
    decode_limit_per_chunk_s: float = Field(default=10.0, ge=0)
    decode_memory_mb: int = Field(default=4096, ge=256)

    @field_validator("scheduler")
    @classmethod
    def _scheduler_is_known(cls, value: str) -> str:
        if value not in ("none", "local") and "://" not in value:
            raise ValueError("wanted `none`, `local` or an address such as tcp://host:8786")
        return value


class Params(Section):
    """The whole of params.yaml."""

    seed: int
    datasets: dict[Name, DatasetSettings]
    demo: DemoSettings
    weights: WeightsSettings
    spatial: SpatialSettings
    temporal: TemporalSettings
    instruct: InstructSettings
    tune: TuneSettings
    protocol: ProtocolSettings = ProtocolSettings()
    evaluate: EvaluateSettings
    run: RunSettings = RunSettings()

    @model_validator(mode="after")
    def _trained_sets_exist(self) -> "Params":
        for setting, names in (
            ("tune.train_on", self.tune.train_on),
            ("protocol.fine_tune", self.protocol.fine_tune),
        ):
            unknown = sorted(set(names) - set(self.datasets))
            if unknown:
                raise ValueError(f"{setting} names {unknown}, which datasets does not have")
        return self


def load(path: Path = Path("params.yaml"), run: Mapping[str, object] | None = None) -> Params:
    """Read and check params.yaml.

    Args:
        path: of the file.
        run: settings of section run that override the file's.

    Raises:
        ParamsError: with the file, the setting, the value found and what is wanted.
    """
    if not path.is_file():
        raise ParamsError(f"{path.absolute()}: no such file; run from the project's root")
    if path.stat().st_size > 100_000:
        raise ParamsError(f"{path}: over 100 kB; this is not a settings file")
    try:
        content = _parsed(path.read_text(encoding="utf-8"))
        if run and isinstance(content, dict):
            content = {**content, "run": {**content.get("run", {}), **run}}
        return Params.model_validate(content)
    except (yaml.YAMLError, UnicodeError) as error:
        raise ParamsError(f"{path}: not valid YAML: {error}") from error
    except RecursionError as error:
        raise ParamsError(f"{path}: nested too deeply; this is not a settings file") from error
    except ValidationError as error:
        found = "\n".join(
            f"  {'.'.join(map(str, e['loc'])) or '(top)'}: {e['msg']} (found {shown(e['input'])})"
            for e in error.errors()[:20]
        )
        raise ParamsError(f"{path}: wrong settings:\n{found}") from error


def _parsed(text: str) -> Any:
    """Parse YAML with few aliases and brackets.

    Aliases of aliases multiply ("billion laughs"), and brackets in brackets take PyYAML minutes.
    """
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise yaml.YAMLError(f"over {MAX_BRACKETS} brackets; this is not a settings file")
    aliases = sum(isinstance(e, yaml.AliasEvent) for e in yaml.parse(text, yaml.SafeLoader))
    if aliases > MAX_ALIASES:
        raise yaml.YAMLError(f"{aliases} aliases (*name); at most {MAX_ALIASES} are read")
    return yaml.safe_load(text)
