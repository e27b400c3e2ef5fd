"""Temporal encoder of what packages ship: one-second clips to tokens with I3D (Kinetics-400)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders import prepare
from encoders.i3d_net import I3D
from encoders.onednn import fold, ready
from encoders.weights import EncoderError, load_strictly, read_state_dict, seeded, sha256

VERSION = 2  # raise it when the same settings and weights give other numbers

INPUT = "input"  # as a layer: the frames themselves, from -1 to 1
LAST = "5c"
STILL = 1e-3  # a change that counts as none: an eighth of a grey level in the input
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)  # 0..1 to -1..1


class I3DEncoder:
    """Encode clips one by one, so a token never depends on the clips beside it.

    Of each layer asked for, a token holds four numbers per channel; see `statistics`.

    Args:
        pretrained: a weights file (stage `weights` makes one), or `random`.
        layers: blocks of the network (`2c`, `3c`, `4f`, ...) and `input`, the frames themselves;
            blocks after the last one are not computed. Empty: the mean of the last block (5c),
            1024 numbers, which say what happens rather than how well it is shown.
        frames: T of a clip.
        size_px: side of the network's input; the aspect ratio is not kept.
        device: a torch device.
        dtype: what the network computes in; statistics of its maps are float32.

    Raises:
        EncoderError: if the settings or the weights do not fit the network.

    Source: Carreira and Zisserman, arXiv:1705.07750; not in LMM-VQA, where SlowFast has this part.
    """

    def __init__(
        self,
        *,
        pretrained: str,
        layers: tuple[str, ...],
        frames: int,
        size_px: int,
        device: str,
        dtype: prepare.Dtype = "float32",
    ) -> None:
        with seeded():
            net = I3D()
        unknown = sorted(set(layers) - {INPUT, *net.blocks})
        if unknown:
            raise EncoderError(f"i3d has no layers {unknown}; it has {[INPUT, *net.blocks]}")
        if pretrained != "random":
            load_strictly(net, read_state_dict(Path(pretrained)), pretrained)
        if frames < 9:
            raise EncoderError(f"i3d halves time three times: frames {frames}, wanted 9 or more")
        self.random = pretrained == "random"
        self.fingerprint: dict[str, Any] = {
            "kind": "temporal",
            "version": VERSION,
            "model": "i3d",
            "weights_sha256": sha256(net),
            "layers": list(layers),
            "frames": frames,
            "size_px": size_px,
            "interpolation": "bilinear",
            "mean": list(MEAN),
            "std": list(STD),
            "dtype": dtype,
        }
        folded = fold(net.eval().requires_grad_(False))
        # channels last is the fastest layout on a CPU
        self._net = ready(folded.to(memory_format=torch.channels_last_3d), device, dtype)
        self._layers, self._frames = tuple(layers), frames
        self._size_px, self._device, self._dtype = size_px, device, getattr(torch, dtype)

    def __call__(self, clips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float16]:
        """Encode clips.

        Args:
            clips: K RGB clips ``(T, H, W, 3)``.

        Returns:
            float16 ``(K, D)``.

        Raises:
            EncoderError: if a clip has another number of frames.
        """
        return np.stack([self._encode(clip) for clip in clips])

    def _encode(self, clip: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Return float16 ``(D,)`` of one clip."""
        images = prepare.clip(clip, self._frames, self._size_px)
        with torch.inference_mode():
            x = prepare.normalised(images, MEAN, STD, self._device).transpose(0, 1).unsqueeze(0)
            token = self._token(x.contiguous(memory_format=torch.channels_last_3d))
            return token.to(torch.float16).cpu().numpy()

    def _token(self, x: Tensor) -> Tensor:
        if not self._layers:
            last: Tensor = self._net(x.to(self._dtype), (LAST,))[LAST]
            return last.float().mean((0, 2, 3, 4))
        blocks = tuple(layer for layer in self._layers if layer != INPUT)
        maps = {INPUT: x, **self._net(x.to(self._dtype), blocks)}
        return torch.cat([statistics(maps[layer][0].float()) for layer in self._layers])


def statistics(maps: Tensor) -> Tensor:
    """Return ``(4 C,)`` numbers of a map over time ``(C, T, H, W)``, T >= 2, in groups of C.

    1. mean;
    2. standard deviation over space, averaged over time;
    3. change: mean absolute difference of neighbouring instants;
    4. evenness: the smallest such difference over the mean one; 1 for steady motion and for none,
       0 if the video stands still for an instant (freezes, dropped or repeated frames). Being a
       ratio it hardly depends on how much moves.
    """
    pixels = maps.permute(1, 2, 3, 0).flatten(1, 2)  # (T, H W, C): as they lie, channels last
    mean = pixels.mean(1)
    spread = (pixels - mean[:, None]).square_().mean(1).sqrt_().mean(0)
    steps = (pixels[1:] - pixels[:-1]).abs_().mean(1)
    change = steps.mean(0)
    evenness = (steps.amin(0) + STILL) / (change + STILL)
    return torch.cat([mean.mean(0), spread, change, evenness])
