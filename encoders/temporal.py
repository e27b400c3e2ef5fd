"""Temporal encoder of the paper: one-second clips to tokens with SlowFast R50 of pytorchvideo."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast
from urllib.error import URLError

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encoders import prepare
from encoders.onednn import fold, ready
from encoders.weights import EncoderError, load_strictly, read_state_dict, seeded, sha256

with warnings.catch_warnings():  # its parts use what torch now deprecates
    warnings.simplefilter("ignore")
    # never pytorchvideo.transforms: it needs an old torchvision
    from pytorchvideo.models import hub

VERSION = 2  # raise it when the same settings and weights give other numbers

URL = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/SLOWFAST_8x8_R50.pyth"
ALPHA = 4  # frames of the fast pathway per frame of the slow one
MEAN, STD = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)


class SlowFastEncoder:
    """Encode clips one by one, so a token never depends on the clips beside it.

    The fast pathway reads all frames, the slow one every fourth. The fast pathway needs nothing of
    the slow one, so `fast` does not compute it; the slow one is fed by the fast one at four
    places, so `slow` computes both but the last stage of the fast one.

    Args:
        pretrained: `hub` (Kinetics-400 weights of pytorchvideo), a weights file, or `random`.
        pathway: what a token is made of: `slow` 2048, `fast` 256, `both` 2304 numbers.
        frames: T of a clip, a multiple of 4.
        size_px: side of the network's input.
        device: a torch device.
        dtype: what the network computes in; statistics of its maps are float32.

    Raises:
        EncoderError: if the settings or the weights do not fit the network.

    Source: LMM-VQA, arXiv:2408.14008: SlowFast R50, 32 frames of 224 px squashed to a square,
    slow and fast features, averaged over time and space and joined. Differs: nothing at 32 x 224;
    at other sizes we average over the whole map, where pytorchvideo's pool has a fixed size.
    """

    def __init__(
        self,
        *,
        pretrained: str,
        pathway: Literal["slow", "fast", "both"],
        frames: int,
        size_px: int,
        device: str,
        dtype: prepare.Dtype = "float32",
    ) -> None:
        if frames % ALPHA:
            raise EncoderError(f"slowfast_r50 needs frames to be a multiple of {ALPHA}: {frames}")
        net = _network(pretrained)
        self.random = pretrained == "random"
        self.fingerprint: dict[str, Any] = {
            "kind": "temporal",
            "version": VERSION,
            "model": "slowfast_r50",
            "weights_sha256": sha256(net),
            "pathway": pathway,
            "frames": frames,
            "size_px": size_px,
            "interpolation": "bilinear",
            "mean": list(MEAN),
            "std": list(STD),
            "dtype": dtype,
        }
        blocks = cast(nn.ModuleList, net.blocks)  # five stages, pooling, classifier
        folded = fold(blocks[:5].eval().requires_grad_(False))
        self._stages = ready(folded, device, dtype)
        self._pathway, self._frames = pathway, frames
        self._size_px, self._device, self._dtype = size_px, device, getattr(torch, dtype)

    def __call__(self, clips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float16]:
        """Encode clips.

        Args:
            clips: K RGB clips ``(T, H, W, 3)``.

        Returns:
            float16 ``(K, D)``; the slow pathway's features come first.

        Raises:
            EncoderError: if a clip has another number of frames.
        """
        with torch.inference_mode():
            return np.stack([self._encode(clip).to(torch.float16).cpu().numpy() for clip in clips])

    def _encode(self, clip: NDArray[np.uint8]) -> Tensor:
        """Return float32 ``(D,)`` of one clip."""
        images = prepare.clip(clip, self._frames, self._size_px)
        found = prepare.normalised(images, MEAN, STD, self._device).to(self._dtype)
        fast = found.transpose(0, 1).unsqueeze(0)
        slow = fast[:, :, slow_frames(self._frames)]
        return torch.cat([x.float().mean((2, 3, 4)) for x in self._run(slow, fast)], dim=1)[0]

    def _run(self, slow: Tensor, fast: Tensor) -> list[Tensor]:
        """Return the last maps ``(1, C, T, H, W)`` of the pathways asked for."""
        last = len(self._stages) - 1
        for index, stage in enumerate(self._stages):
            paths: Any = stage.multipathway_blocks
            fuse: Any = stage.multipathway_fusion
            if self._pathway == "fast":
                fast = paths[1](fast)
                continue
            slow = paths[0](slow)
            if self._pathway == "both" or index < last:
                fast = paths[1](fast)
            slow, fast = fuse([slow, fast])
        return {"slow": [slow], "fast": [fast], "both": [slow, fast]}[self._pathway]


def slow_frames(frames: int) -> Tensor:
    """Return int64 ``(frames // 4,)``: the frames that the slow pathway reads, first and last too.

    >>> slow_frames(32).tolist()
    [0, 4, 8, 13, 17, 22, 26, 31]
    """
    return torch.linspace(0, frames - 1, frames // ALPHA).long()


def _network(pretrained: str) -> nn.Module:
    with seeded():
        net: nn.Module = hub.slowfast_r50(pretrained=False)
    if pretrained == "hub":
        try:
            found = torch.hub.load_state_dict_from_url(URL, map_location="cpu", weights_only=True)
        except (URLError, OSError) as error:
            raise EncoderError(
                f"{URL} cannot be had: {error}; download it elsewhere and name the file instead"
            ) from error
        load_strictly(net, found["model_state"], URL)
    elif pretrained != "random":
        load_strictly(net, read_state_dict(Path(pretrained)), pretrained)
    return net
