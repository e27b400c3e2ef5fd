"""Spatial encoder: key frames to tokens with the visual tower of any open_clip model."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.timm_model import TimmModel
from open_clip.transformer import QuickGELU, VisionTransformer
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn

from encoders import prepare
from encoders.onednn import fold, ready
from encoders.tower import build
from encoders.weights import EncoderError, sha256

VERSION = 2  # raise it when the same settings and weights give other numbers


class SpatialEncoder:
    """Encode key frames one by one, so a token never depends on the frames beside it.

    Transformer towers give patch tokens: all of them and the class token (``grid=0``, as the
    paper), or their means over grid x grid cells. Convolutional towers give the mean and the
    standard deviation of each channel over grid x grid cells. The layers asked for are joined on D.

    Args:
        model: a model of open_clip, or the name of a file of encoders/configs/.
        pretrained: one of open_clip's tags for the model, a weights file (a whole CLIP or its
            visual tower alone), or `random`.
        layers: blocks (transformer) or stages (convolutional) from 0; empty: the last, before
            any final norm, which is the `last_hidden_state` of the paper's code.
        grid: cells per side and crop; 0: no pooling (transformers only).
        frame: `centre_crop`, `whole` or `crops`; see encoders/prepare.py.
        size_px: side of the network's input.
        crops: rows and columns if `frame` is `crops`.
        device: a torch device.
        dtype: what the network computes in; statistics of its maps are float32.

    Raises:
        EncoderError: if the settings, the weights and the network do not fit each other.

    Source: LMM-VQA, arXiv:2408.14008: CLIP ViT-L/14, 224 px, 257 tokens of 1024. Differs: any
    tower, any layers, several crops.
    """

    def __init__(
        self,
        *,
        model: str,
        pretrained: str,
        layers: tuple[int, ...],
        grid: int,
        frame: Literal["centre_crop", "whole", "crops"],
        size_px: int,
        crops: tuple[int, int],
        device: str,
        dtype: prepare.Dtype = "float32",
    ) -> None:
        if frame != "crops" and tuple(crops) != (1, 1):
            raise EncoderError(f"crops {crops} has no effect with frame {frame!r}; use [1, 1]")
        tower, preprocess = build(model, pretrained, size_px)
        self._tokens_of = _Transformer(tower) if _is_transformer(tower) else _Convolutional(tower)
        self._tower = tower.eval().requires_grad_(False)
        self._layers = _checked(layers, self._tokens_of.depth, model)
        if grid == 0 and isinstance(self._tokens_of, _Convolutional):
            raise EncoderError(f"{model} is convolutional: grid must be at least 1, got 0")
        self._grid, self._frame, self._crops = grid, frame, tuple(crops)
        self._size_px, self._device, self._dtype = size_px, device, getattr(torch, dtype)
        self._mean = tuple(preprocess["mean"])
        self._std = tuple(preprocess["std"])
        self._interpolation: prepare.Interpolation = preprocess["interpolation"]
        self.random = pretrained == "random"
        self.fingerprint: dict[str, Any] = self._describe(model)
        # lists its children as it calls them
        if isinstance(getattr(tower, "trunk", None), EfficientNet):
            fold(self._tower)
        ready(self._tower, device, dtype)

    def _describe(self, model: str) -> dict[str, Any]:
        """Return everything that changes numbers."""
        native = self._frame == "crops"
        return {
            "kind": "spatial",
            "version": VERSION,
            "model": model,
            "weights_sha256": sha256(self._tower),
            "quick_gelu": any(isinstance(m, QuickGELU) for m in self._tower.modules()),
            "layers": list(self._layers),
            "grid": self._grid,
            "frame": self._frame,
            "size_px": self._size_px,
            "crops": list(self._crops) if native else None,
            "interpolation": None if native else self._interpolation,
            "mean": list(self._mean),
            "std": list(self._std),
            "dtype": str(self._dtype).removeprefix("torch."),
        }

    def __call__(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float16]:
        """Encode key frames.

        Args:
            frames: K RGB frames ``(H, W, 3)``, of any size each.

        Returns:
            float16 ``(K, P, D)``; P runs over crops row by row, then over the cells (or the class
            token and the patches) of a crop row by row.
        """
        return np.stack([self._encode(frame) for frame in frames])

    def _encode(self, frame: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Return float16 ``(P, D)`` of one frame."""
        images = self._prepared(frame)
        with torch.inference_mode():
            x = prepare.normalised(images, self._mean, self._std, self._device).to(self._dtype)
            tokens = self._tokens_of(x, self._layers, self._grid).flatten(0, 1)
            return tokens.to(torch.float16).cpu().numpy()

    def _prepared(self, frame: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        if self._frame == "crops":
            return prepare.crops(frame, self._size_px, *self._crops)
        cut = prepare.whole if self._frame == "whole" else prepare.centre_crop
        return [cut(frame, self._size_px, self._interpolation)]


class _Transformer:
    """Tokens of a transformer tower: open_clip's own or timm's."""

    def __init__(self, tower: Any) -> None:
        self._tower = tower
        is_timm = isinstance(tower, TimmModel)
        blocks = tower.trunk.blocks if is_timm else tower.transformer.resblocks
        self.depth = len(blocks)

    def __call__(self, x: Tensor, layers: tuple[int, ...], grid: int) -> Tensor:
        """Return ``(N, P, D)`` for images ``(N, 3, H, W)``."""
        order = sorted(set(layers))  # the tower returns them in its own order
        found = self._tower.forward_intermediates(
            x,
            indices=order,
            stop_early=True,
            intermediates_only=True,
            output_fmt="NCHW",
            output_extra_tokens=True,
        )
        maps = [found["image_intermediates"][order.index(layer)].float() for layer in layers]
        joined = torch.cat(maps, dim=1)
        if grid:
            return torch.stack([cell.mean((2, 3)) for cell in _cells(joined, grid)], dim=1)
        patches = joined.flatten(2).transpose(1, 2)
        extra = found.get("image_intermediates_prefix")
        if not extra:
            return patches
        prefix = torch.cat([extra[order.index(layer)] for layer in layers], dim=2)
        return torch.cat([prefix, patches], dim=1)


class _Convolutional:
    """Channel statistics of a timm trunk's stages."""

    def __init__(self, tower: nn.Module) -> None:
        if not isinstance(tower, TimmModel):
            raise EncoderError(f"a tower of type {type(tower).__name__} is not supported")
        self._trunk: Any = tower.trunk
        self.depth = len(self._trunk.feature_info)

    def __call__(self, x: Tensor, layers: tuple[int, ...], grid: int) -> Tensor:
        """Return ``(N, grid * grid, D)``: per layer, means and then deviations of its channels."""
        order = sorted(set(layers))  # the trunk returns them in its own order
        maps = self._trunk.forward_intermediates(
            x, indices=order, stop_early=True, intermediates_only=True
        )
        tokens = [_statistics(maps[order.index(layer)].float(), grid) for layer in layers]
        return torch.cat(tokens, dim=2)


def _statistics(maps: Tensor, grid: int) -> Tensor:
    """Return ``(N, grid * grid, 2 C)``: mean and standard deviation over the cells of a map."""
    cells = []
    for cell in _cells(maps, grid):
        variance, mean = torch.var_mean(cell, (2, 3), correction=0)
        cells.append(torch.cat([mean, variance.sqrt()], dim=1))
    return torch.stack(cells, dim=1)


def _cells(maps: Tensor, grid: int) -> list[Tensor]:
    """Cut ``(N, C, H, W)`` into grid x grid cells, row by row, none empty (they may overlap)."""
    rows, columns = (
        [slice(i * side // grid, -(-(i + 1) * side // grid)) for i in range(grid)]
        for side in maps.shape[2:]
    )
    return [maps[:, :, row, column] for row in rows for column in columns]


def _is_transformer(tower: nn.Module) -> bool:
    return isinstance(tower, VisionTransformer) or hasattr(
        getattr(tower, "trunk", None), "num_prefix_tokens"
    )


def _checked(layers: tuple[int, ...], depth: int, model: str) -> tuple[int, ...]:
    if any(not 0 <= layer < depth for layer in layers):
        raise EncoderError(f"layers {layers}: {model} has layers 0 to {depth - 1}")
    return tuple(layers) or (depth - 1,)
