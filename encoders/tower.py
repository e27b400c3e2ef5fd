"""Visual towers of open_clip models, built with their weights and never silently without."""

import json
from pathlib import Path
from typing import Any

import open_clip
from open_clip.timm_model import TimmModel
from torch import nn

from encoders.weights import EncoderError, load_strictly, read_state_dict, seeded

_CONFIGS = Path(__file__).parent / "configs"
# open_clip builds a text tower with every model; where no weights of it are read it is made tiny
_TINY_TEXT = {"context_length": 1, "vocab_size": 1, "width": 8, "heads": 1, "layers": 1}


def build(model: str, pretrained: str, size_px: int) -> tuple[nn.Module, dict[str, Any]]:
    """Build the visual tower of a model; also return its mean, std and interpolation.

    Args:
        model: a model of open_clip, or the name of a file of encoders/configs/.
        pretrained: one of open_clip's tags for the model, a weights file (a whole CLIP in
            open_clip's names, its visual tower alone, or timm's names for a timm trunk), or
            `random`: the same random weights each time.
        size_px: side of the input; positions of a tagged transformer are resized to it.

    Raises:
        EncoderError: if `model` or `pretrained` names nothing, or the weights do not fit.
    """
    known = open_clip.list_models() + [file.stem for file in _CONFIGS.glob("*.json")]
    if model not in known:
        raise EncoderError(f"{model!r} is no model of open_clip or encoders/configs/: {known}")
    tags = open_clip.list_pretrained_tags_by_model(model)
    if pretrained in tags:
        return _published(model, pretrained, size_px)
    if pretrained != "random" and not Path(pretrained).is_file():
        raise EncoderError(
            f"{model}: pretrained is {pretrained!r}; wanted a weights file, `random` or a tag of "
            f"open_clip: {', '.join(tags) or 'there is none'}"
        )
    with seeded():
        tower, preprocess = _blank(model, size_px)
    if pretrained != "random":
        _load(tower, pretrained)
    return tower, preprocess


def _published(model: str, tag: str, size_px: int) -> tuple[nn.Module, dict[str, Any]]:
    """Fetch open_clip's published weights."""
    # open_clip only warns if weights trained with QuickGELU (OpenAI's) meet a model without it
    quick = bool(open_clip.get_pretrained_cfg(model, tag).get("quick_gelu"))
    try:
        whole = open_clip.create_model(
            model,
            pretrained=tag,
            require_pretrained=True,
            force_quick_gelu=quick,
            force_image_size=size_px,
        )
    except (RuntimeError, OSError) as error:
        raise EncoderError(f"{model}: weights {tag!r} cannot be had: {error}") from error
    return whole.visual, whole.visual.preprocess_cfg


def _blank(model: str, size_px: int) -> tuple[nn.Module, dict[str, Any]]:
    """Build a tower without weights, with the normalisation of the model's first published tag."""
    own = _CONFIGS / f"{model}.json"
    if own.is_file():
        config = json.loads(own.read_text(encoding="utf-8"))
        return open_clip.CLIP(**config["model_cfg"]).visual, config["preprocess_cfg"]
    tags = open_clip.list_pretrained_tags_by_model(model)
    whole = open_clip.create_model(
        model,
        load_weights=False,
        text_cfg=_TINY_TEXT,
        force_image_size=size_px,
        force_preprocess_cfg=open_clip.get_pretrained_cfg(model, tags[0]) if tags else None,
    )
    return whole.visual, whole.visual.preprocess_cfg


def _load(tower: nn.Module, path: str) -> None:
    """Load a weights file strictly into a tower, whichever of the three ways it names tensors."""
    state = read_state_dict(Path(path))
    visual = {name[7:]: tensor for name, tensor in state.items() if name.startswith("visual.")}
    if visual:
        load_strictly(tower, visual, path)
    elif isinstance(tower, TimmModel) and not any(name.startswith("trunk.") for name in state):
        load_strictly(tower.trunk, state, path)
        if tower.head.state_dict():
            raise EncoderError(f"{path}: holds the trunk only; the tower also has a projection")
    else:
        load_strictly(tower, state, path)
