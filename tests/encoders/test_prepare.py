from unittest.mock import Mock

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from encoders import prepare
from encoders.weights import EncoderError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(90, 161), (161, 90), (32, 32), (20, 33)])
@pytest.mark.parametrize("mode", ["shortest", "squash"])
def test_equal_to_open_clips_own_transform(shape: tuple[int, int], mode: str) -> None:
    frame = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    config = PreprocessCfg(size=32, resize_mode=mode)
    wanted = image_transform_v2(config, is_train=False)(Image.fromarray(frame))
    cut = prepare.centre_crop if mode == "shortest" else prepare.whole
    found = prepare.normalised([cut(frame, 32, "bicubic")], config.mean, config.std, "cpu")[0]
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_crops_spread_from_edge_to_edge_in_rows() -> None:
    frame = RNG.integers(0, 256, (50, 90, 3), dtype=np.uint8)
    found = prepare.crops(frame, 20, 2, 3)
    assert len(found) == 6
    np.testing.assert_array_equal(found[0], frame[:20, :20])
    np.testing.assert_array_equal(found[1], frame[:20, 35:55])
    np.testing.assert_array_equal(found[5], frame[30:, 70:])


def test_one_crop_is_the_middle() -> None:
    frame = RNG.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(prepare.crops(frame, 20, 1, 1)[0], frame[5:25, 10:30])


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (3, 1), (1, 1)])
def test_small_frames_are_mirrored_to_the_crop(shape: tuple[int, int]) -> None:
    frame = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = prepare.crops(frame, 20, 1, 2)
    assert [crop.shape for crop in found] == [(20, 20, 3)] * 2
    assert set(np.unique(found[0])) <= set(np.unique(frame))


def test_a_frame_of_the_crops_height_is_not_mirrored() -> None:
    frame = RNG.integers(0, 256, (20, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(prepare.crops(frame, 20, 1, 2)[1], frame[:, 20:])


def test_a_clip_needs_its_number_of_frames() -> None:
    clip = RNG.integers(0, 256, (4, 30, 40, 3), dtype=np.uint8)
    assert [image.shape for image in prepare.clip(clip, 4, 16)] == [(16, 16, 3)] * 4
    with pytest.raises(EncoderError, match="4 frames, wanted 8"):
        prepare.clip(clip, 8, 16)


def test_for_the_cpu_a_tensor_is_not_copied() -> None:
    host = torch.zeros(2, 3)
    assert prepare.on_device(host, "cpu") is host


def test_to_a_gpu_by_pinned_memory_without_waiting() -> None:
    """Without a GPU: which calls are made, not that they work."""
    pinned = Mock(spec=torch.Tensor)
    host = Mock(spec=torch.Tensor, pin_memory=Mock(return_value=pinned))
    assert prepare.on_device(host, "cuda:1") is pinned.to.return_value
    pinned.to.assert_called_once_with("cuda:1", non_blocking=True)
    host.to.assert_not_called()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gets_the_numbers_of_the_cpu() -> None:
    images = [RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(4)]
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
    wanted = prepare.normalised(images, mean, std, "cpu")
    torch.testing.assert_close(prepare.normalised(images, mean, std, "cuda").cpu(), wanted)
