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
    """A section: unknown keys are errors, values never change after reading.

    The text below a field is its description, in docs/settings.md too (`make reference`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class FeatureSettings(Section):
    """Features that others have computed, to be imported instead of tokens; docs/own-features.md.

    Paths are relative to the data set's root.
    """

    file: Path
    """A .csv, .npy or .mat file, or a folder with one .npy per video."""
    name: str = Field(min_length=1)
    """What they are, e.g. VIDEVAL; equal names are comparable."""
    version: str = Field(min_length=1)
    """Of the features; a model tuned on one version refuses another."""
    per: Literal["video", "second"] = "video"
    """What a row or array of features is of."""
    id_column: str | None = None
    """Of a CSV: which video the row is of."""
    second_column: str | None = None
    """Of a CSV per second: 0, 1, 2, ..."""
    leave_out: tuple[str, ...] = ()
    """Columns of a CSV that are no features, e.g. the MOS."""
    rows: Path | None = None
    """Text file with the name of the video of each row, in order."""
    variable: str | None = None
    """Which one of a .mat with several."""

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
    """Features in the place of spatial tokens."""
    temporal: FeatureSettings | None = None
    """Features in the place of temporal tokens."""


class DatasetSettings(Section):
    """One data set: a folder of videos and, unless it is only to be scored, labels inside it.

    `root` holds both, at any depth, so that DVC notices a change of either. The columns and the
    scale are for adapter `csv`; the other adapters know their data set's own.
    """

    root: Path
    """The folder of videos and labels."""
    adapter: Name = "csv"
    """A module of pipeline/datasets/: csv, or a published data set."""
    labels: Path | None = None
    """Relative to root. For csv: none means that videos are scored only. For a published set: which
    of its label files to read, where several lie there."""
    allow_missing: bool = False
    """Go on without labelled videos that are not in the folder."""
    filename_column: str = "filename"
    """The table's column of video files."""
    mos_column: str = "mos"
    """The table's column of scores."""
    mos_min: float = 0.0
    """Lower end of the scale, not the data's smallest value."""
    mos_max: float = 100.0
    """Upper end of the scale, not the data's largest value."""
    mos_source: str = "human"
    """Said wherever the label is shown; a column mos_source overrides it. `none`: there are none,
    and a model that is tuned on such sets only says so."""
    split: Split | Literal["random"] = "test"
    """For a table without a column `split`; random draws 70/10/20 by content."""
    features: ImportedSettings = ImportedSettings()
    """Features of others instead of tokens."""

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

    shots: int = Field(ge=4)
    """Shots of the training footage, over all splits."""
    wild_shots: int = Field(ge=1)
    """Shots of demo_wild."""
    clip_s: float = Field(ge=1.0, le=10.0)
    """Length of a clip in seconds."""
    clips_per_shot: int = Field(ge=2)
    """Versions of a shot, each impaired in another way."""


class WeightsSettings(Section):
    """Weights that a registry package ships, per part; none: the hub's, or a file of one's own."""

    spatial: Literal["efficientnet_lite0", "none"]
    """Of the spatial encoder."""
    temporal: Literal["i3d", "none"]
    """Of the temporal encoder."""
    llm: Literal["smollm2_135m", "none"]
    """Of the LLM."""


class SpatialSettings(Section):
    """Key frames to spatial tokens (paper: CLIP ViT-L/14, 224 px, one frame per second)."""

    model: str
    """An open_clip model, or a file of encoders/configs/."""
    pretrained: str
    """An open_clip tag, a weights file, or `random`."""
    layers: tuple[int, ...] = ()
    """Blocks or stages to read, joined; empty: the tower's own output."""
    grid: int = Field(ge=0)
    """Tokens are pooled to grid x grid per crop; 0: not pooled."""
    frame: Literal["centre_crop", "whole", "crops"]
    """How a key frame comes to the encoder's size: cut to its middle, squashed, or in crops."""
    size_px: int = Field(ge=32, le=2048)
    """Side of the square picture that the encoder sees."""
    crops: tuple[int, int] = (1, 1)
    """Rows and columns of native-resolution crops."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What the network computes in; bfloat16 is for GPUs. Tokens are float16 with either."""


class TemporalSettings(Section):
    """One-second chunks to temporal tokens (paper: SlowFast R50, 32 frames of 224 px)."""

    model: Literal["slowfast_r50", "i3d"]
    """The network."""
    pretrained: str
    """`hub`, a weights file, or `random`."""
    pathway: Literal["slow", "fast", "both"] = "both"
    """Of slowfast_r50 only."""
    layers: tuple[str, ...] = ()
    """Of i3d only: blocks whose statistics are joined; empty: the last."""
    frames: int = Field(ge=4, le=128)
    """Frames of a second's clip."""
    clip: Literal["spread", "consecutive"] = "spread"
    """Frames evenly over the second, or in a row from its first (the authors' code)."""
    size_px: int = Field(ge=64, le=512)
    """Side of the square clip that the encoder sees."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What the network computes in; bfloat16 is for GPUs. Tokens are float16 with either."""


class InstructSettings(Section):
    """Questions and answers from manifests."""

    tasks: tuple[Literal["score", "level", "impairment", "severity", "motion"], ...]
    """What is asked of each video, where its labels have the answer."""
    levels: Literal["absolute", "percentile"] = "absolute"
    """Five fifths of the scale, or three parts of the training videos' MOS (the authors' code)."""


class MotionSettings(Section):
    """Clips of known camera motion, which stage `motion` makes; docs/understanding.md."""

    datasets: tuple[Name, ...] = ()
    """What to make: a name under `datasets` with `root: data/raw/NAME`; empty: nothing."""
    scenes: int = Field(default=99, ge=3)
    """Photographs at most, and scenes of the film at most."""


class ConversationsSettings(Section):
    """Instruction files of others; docs/understanding.md."""

    files: dict[Name, Path] = {}
    """By training set, a file of conversations about its videos in LLaVA's format."""


class QuestionSettings(Section):
    """One file of questions about the videos of a data set."""

    file: Path
    """The file, or the folder where a benchmark has several."""
    format: Name
    """A module of pipeline/questions/."""
    choose_by: Literal["letter", "text"] = "letter"
    """Whether a choice's letter or its text as the answer has to be likely."""
    most_tokens: int = Field(default=16, ge=1)
    """Of an open answer."""


class AnswerSettings(Section):
    """Video question answering, tested; docs/understanding.md."""

    questions: dict[Name, QuestionSettings] = {}
    """By data set, the questions about its videos."""


class TuneSettings(Section):
    """Instruction tuning of the projector and, by choice, of the LLM."""

    train_on: tuple[Name, ...] = Field(min_length=1)
    """Data sets, of `datasets`; their videos of split train are learned from."""
    weights: dict[Name, Annotated[float, Field(gt=0)]] = {}
    """How often a video of a training set comes in an epoch: 1 where nothing is said, 0.5: in every
    other one, 2: twice."""
    llm: str
    """A folder or a hub name of a transformers causal LM."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the LLM's weights."""
    quantize: Literal["none", "8bit", "4bit"] = "none"
    """Loading of an LLM that is frozen or under LoRA, in fewer bits; needs CUDA."""
    lora_rank: int = Field(default=0, ge=0)
    """Rank of the LLM's LoRA layers; 0: the LLM stays frozen, as in the paper."""
    train_llm: bool = False
    """Whether all of the LLM is trained, and stored with the head."""
    gradient_checkpointing: bool = False
    """Less memory for about a third more time; the gradients are the same."""
    tokens: Literal["both", "spatial", "temporal"] = "both"
    """Kinds that the head reads."""
    time: Literal["ordered", "mean"] = "ordered"
    """Tokens in time order, or their mean over time (the authors' code)."""
    seconds: int = Field(ge=1)
    """Chunks of a video that the head reads, spread evenly."""
    projector: Literal["mlp", "vit", "resampler"] = "mlp"
    """How tokens come to the LLM's width; vit: the authors' code."""
    queries: int = Field(default=8, ge=1)
    """Vectors per second that a resampler makes."""
    markers: bool = False
    """Whether a text with its number stands before the tokens of each second."""
    cue: Literal["none", "text"] = "none"
    """text: a video's size, frame rate and bit rate are said before the question."""
    epochs: float = Field(gt=0)
    """Passes over the training videos; the best one on validation videos is kept."""
    batch_size: int = Field(ge=1)
    """Videos that a device reads at a time."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients make one step."""
    learning_rate: float = Field(gt=0)
    """Highest one, after warming up."""
    weight_decay: float = Field(ge=0)
    """As AdamW has it."""
    warmup_ratio: float = Field(ge=0, le=1)
    """Share of the steps in which the learning rate rises."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the tokens' features that is dropped in training."""
    level_std: float = Field(ge=0)
    """Spread of the soft level labels on 0-100; 0: hard labels."""
    level_spread: Literal["fixed", "raters"] = "fixed"
    """Spread of every soft label, or, with `raters`, a video's own mos_std where it is known."""
    align_steps: int = Field(default=0, ge=0)
    """Steps of the projector alone, before the LLM is asked."""
    align_weight: float = Field(default=0.0, ge=0)
    """Weight of the alignment loss beside the LLM's."""
    practice_steps: int = Field(default=0, ge=0)
    """Steps in which an LLM with LoRA learns to say what it is shown; the projector then stays."""
    rank_weight: float = Field(default=0.0, ge=0)
    """Weight of the ranking loss between videos of one data set; only their order counts."""
    rank_only: tuple[Name, ...] = ()
    """Sets of train_on whose MOS teach only the order of their videos, by the ranking loss."""
    answer_weight: float = Field(default=1.0, ge=0)
    """Weight of all other answers' loss beside that of the level."""
    pairs: float = Field(default=0.0, ge=0)
    """Pairs of videos per video that are shown together in an epoch, to learn which one is better;
    0: none, and `lmm-vqa compare` goes by two scores."""

    @model_validator(mode="after")
    def _one_way_to_train_the_llm(self) -> "TuneSettings":
        if self.train_llm and (self.lora_rank or self.quantize != "none"):
            raise ValueError("train_llm trains all of the LLM: neither lora_rank nor quantize")
        return self

    @model_validator(mode="after")
    def _markers_have_seconds(self) -> "TuneSettings":
        if self.markers and self.time == "mean":
            raise ValueError("markers number the seconds, which time: mean averages away")
        return self

    @model_validator(mode="after")
    def _pairs_are_two(self) -> "TuneSettings":
        if self.pairs and self.time == "mean":
            raise ValueError("pairs shows two videos, of whose tokens time: mean makes one mean")
        return self

    @model_validator(mode="after")
    def _practice_has_what_it_needs(self) -> "TuneSettings":
        if self.practice_steps and not (self.lora_rank and self.align_steps):
            raise ValueError("practice_steps trains the LoRA layers after alignment: it needs both")
        return self

    @model_validator(mode="after")
    def _weights_are_of_training_sets(self) -> "TuneSettings":
        for name, sets in (("weights", self.weights), ("rank_only", self.rank_only)):
            unknown = sorted(set(sets) - set(self.train_on))
            if unknown:
                raise ValueError(f"{name} names {unknown}, which train_on has not")
        if self.rank_only and not self.rank_weight:
            raise ValueError("rank_only is for the ranking loss: rank_weight must be above 0")
        if self.rank_only and set(self.rank_only) == set(self.train_on):
            raise ValueError("rank_only names all of train_on: no set would teach the scale")
        return self


class ProtocolSettings(Section):
    """How a claim is tested: which data sets are also tuned on by parts, and what a leak does.

    Zero-shot and in-domain results need nothing here: `tune.train_on` names what is trained on, and
    every data set with labels is tested.
    """

    fine_tune: tuple[Name, ...] = ()
    """Data sets to tune and test on by parts."""
    scheme: Literal["folds", "splits"] = "folds"
    """Each video tested once, or repeated draws."""
    parts: tuple[int, ...] = (1, 2, 3, 4, 5)
    """1 to the number of folds or splits."""
    start: Literal["scratch", "model"] = "model"
    """A new projector, or what tune.train_on gave."""
    epochs: float = Field(default=10, gt=0)
    """As tune.epochs, for each part."""
    test_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the videos that a split tests; folds need none."""
    val_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of a part's training videos to choose the epoch by; 0: the last is kept."""
    leaks: Literal["stop", "report"] = "stop"
    """What to do about a test video that is trained on."""

    @field_validator("parts")
    @classmethod
    def _parts_are_counted(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if value != tuple(range(1, len(value) + 1)) or not value:
            raise ValueError(f"wanted [1, 2, ...] without a gap, found {list(value)}")
        return value


class EvaluateSettings(Section):
    """Metrics."""

    bootstrap: int = Field(ge=100)
    """Draws of an interval."""


class RunSettings(Section):
    """Speed, place and limits: nothing here changes a token or a score, only which there are.

    But `device: cuda` and `shard_llm` may change their last decimals, and `decode_on: cuda` the
    tokens of damaged videos.

    A decoder's time is what is spent waiting for it: so much for a video, and so much more for each
    second of it that has come.
    """

    scheduler: str = "local"
    """`none`: in this process; `local`: a cluster on this machine; or tcp://host:port."""
    workers: int = Field(default=0, ge=0)
    """Of a local cluster; 0: one per core, or one per GPU."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where networks run; auto: on a GPU if there is one."""
    decode_on: Literal["cpu", "cuda"] = "cpu"
    """Where H.264, HEVC and VP9 are decoded; cuda: by NVDEC, never run: docs/performance.md."""
    allow_failures: int = Field(default=0, ge=0)
    """Videos that may fail without failing the stage."""
    decode_limit_s: float = Field(default=60.0, gt=0)
    """Seconds of waiting for a video's decoder ..."""
    decode_limit_per_chunk_s: float = Field(default=10.0, ge=0)
    """... and so many more for each second of video that has come."""
    decode_memory_mb: int = Field(default=4096, ge=256)
    """Memory of the decoder itself, on Linux; and of the pixels of a second, by themselves."""
    shard_llm: bool = False
    """Cut the LLM's layers over the processes that tune; docs/tuning.md, several GPUs."""

    @field_validator("scheduler")
    @classmethod
    def _scheduler_is_known(cls, value: str) -> str:
        if value not in ("none", "local") and "://" not in value:
            raise ValueError("wanted `none`, `local` or an address such as tcp://host:8786")
        return value


class Params(Section):
    """The whole of params.yaml."""

    seed: int
    """Seed of everything that is drawn."""
    datasets: dict[Name, DatasetSettings]
    demo: DemoSettings
    weights: WeightsSettings
    spatial: SpatialSettings
    temporal: TemporalSettings
    instruct: InstructSettings
    motion: MotionSettings = MotionSettings()
    conversations: ConversationsSettings = ConversationsSettings()
    tune: TuneSettings
    protocol: ProtocolSettings = ProtocolSettings()
    evaluate: EvaluateSettings
    answer: AnswerSettings = AnswerSettings()
    run: RunSettings = RunSettings()

    @model_validator(mode="after")
    def _trained_sets_exist(self) -> "Params":
        for setting, names in (
            ("tune.train_on", self.tune.train_on),
            ("protocol.fine_tune", self.protocol.fine_tune),
            ("motion.datasets", self.motion.datasets),
            ("conversations.files", tuple(self.conversations.files)),
            ("answer.questions", tuple(self.answer.questions)),
        ):
            unknown = sorted(set(names) - set(self.datasets))
            if unknown:
                raise ValueError(f"{setting} names {unknown}, which datasets does not have")
        if self.tune.rank_only and self.instruct.levels == "percentile":
            raise ValueError(
                "tune.rank_only ranks by the five levels, and instruct.levels: percentile asks for "
                "three others; wanted absolute"
            )
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
            content = {**content, "run": {**(content.get("run") or {}), **run}}
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
