"""The tokens of one video file, made with the encoders that a checkpoint was tuned with."""

import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llm_head import checkpoint
from pipeline import cluster, settings
from pipeline.cache import Kind, Tokens, fingerprint_sha256, token_file
from pipeline.decoder import Decoder
from pipeline.encode import Job, Target, Video, encode_video, encoder, fingerprint
from pipeline.packages import sha256
from pipeline.settings import RunSettings, SpatialSettings, TemporalSettings
from pipeline.tokens import read_file, stale_reason
from pipeline.video import VideoError

EncoderSettings = SpatialSettings | TemporalSettings
_SECTIONS: dict[Kind, type[EncoderSettings]] = {
    "spatial": SpatialSettings,
    "temporal": TemporalSettings,
}


class ScoringError(RuntimeError):
    """A checkpoint does not say how to encode a video, or its encoders cannot be built."""


class FileTokens:
    """Decodes and encodes files as the pipeline's stages do; encoders are built when needed."""

    def __init__(
        self,
        model: Path,
        fingerprints: Mapping[Kind, Mapping[str, Any]],
        run: RunSettings,
        cache: Path | None,
    ) -> None:
        """Build nothing yet.

        Args:
            model: folder of the checkpoint.
            fingerprints: by kind, of the tokens that its head reads.
            cache: folder of tokens that is used and filled; None: nothing is kept.
        """
        self._model, self._run, self._cache = model, run, cache
        self._fingerprints = {kind: dict(wanted) for kind, wanted in fingerprints.items()}
        self._built: dict[Kind, EncoderSettings] = {}

    def of(self, path: Path) -> tuple[str, dict[Kind, Tokens]]:
        """Return the content hash of a file and its tokens, from the cache if it has them.

        Raises:
            VideoError: if the file cannot be read as video.
            ScoringError: if the checkpoint's encoders cannot be built.
        """
        if not path.is_file():
            raise VideoError(f"{path}: no such file")
        digest = sha256(path)
        if self._cache is not None:
            return digest, self._encoded(path, digest, self._cache)
        with tempfile.TemporaryDirectory(prefix="lmm-vqa-") as scratch:
            return digest, self._encoded(path, digest, Path(scratch))

    def facts(self, path: Path) -> dict[str, Any]:
        """Return what a manifest's row says of a file.

        Raises:
            VideoError: if the file cannot be read as video.
        """
        with closing(Decoder()) as decoder:
            found = decoder.facts(path, self._run)
        return {**asdict(found), "size_bytes": path.stat().st_size}

    def _encoded(self, path: Path, digest: str, cache: Path) -> dict[Kind, Tokens]:
        files: dict[Kind, Path] = {}
        missing: list[Kind] = []
        for kind, wanted in self._fingerprints.items():
            made_with = fingerprint_sha256(wanted)
            # one folder per encoder, so that several models can share a cache
            files[kind] = token_file(cache / f"{kind}-{made_with[:12]}", digest)
            if stale_reason(files[kind], made_with, digest):
                missing.append(kind)
        if missing:
            targets = tuple(Target(self._encoder(kind), files[kind].parent) for kind in missing)
            for target in targets:
                target.folder.mkdir(parents=True, exist_ok=True)
            prints = tuple(self._fingerprints[kind] for kind in missing)
            job = Job(Path.cwd(), Video(digest, path, digest), targets, prints)
            record = encode_video(job, self._run)
            if record.failure is not None:
                raise VideoError(record.failure)
        return {kind: read_file(file, None) for kind, file in files.items()}

    def _encoder(self, kind: Kind) -> EncoderSettings:
        """Return the settings that build a kind's encoder; the first time, it is built and checked.

        Raises:
            ScoringError: if it is not the encoder that the head was tuned with.
        """
        if kind not in self._built:
            found = encoder_settings(self._model, kind)
            built = encoder(found, cluster.device(self._run))
            wanted, made = self._fingerprints[kind], fingerprint(found, built)
            checkpoint.check_fingerprint(self._model, kind, wanted, made)
            self._built[kind] = found
        return self._built[kind]


def encoder_settings(folder: Path, kind: Kind) -> EncoderSettings:
    """Return how to build a checkpoint's encoder: its own record, else params.yaml of a project.

    Raises:
        ScoringError: if neither is there, or the weights are not.
    """
    stored = checkpoint.read_config(folder).get("encoders", {}).get(kind)
    if stored is None:
        if not Path("params.yaml").is_file():
            raise ScoringError(
                f"{folder}: does not say how its {kind} tokens are made, and there is no "
                "params.yaml here; go to the project that made it, or run stage tune again"
            )
        stored = getattr(settings.load(), kind).model_dump()
    pretrained = checkpoint.located(folder, str(stored["pretrained"]))
    try:
        found = _SECTIONS[kind].model_validate({**stored, "pretrained": pretrained})
    except ValidationError as error:
        raise ScoringError(f"{folder}: encoders.{kind} of config.json: {error}") from error
    if Path(pretrained).suffix and "/" in pretrained and not Path(pretrained).is_file():
        raise ScoringError(
            f"{folder}: the weights of its {kind} encoder, {pretrained}, are neither in the "
            f"model's folder nor here; `lmm-vqa weights {kind}` makes them in a project, and "
            "`lmm-vqa model pack` puts them into a model"
        )
    return found
