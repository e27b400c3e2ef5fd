from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from encoders.i3d import I3DEncoder, statistics
from encoders.i3d_net import I3D, _pad_same, _source, state_dict_from_arrays
from encoders.weights import EncoderError, seeded

SHIPPED = Path("data/weights/temporal/i3d.safetensors")
CLIPS = np.random.default_rng(0).integers(0, 256, (2, 9, 24, 40, 3), dtype=np.uint8)


def encoder(**changed: Any) -> I3DEncoder:
    settings: dict[str, Any] = {
        "pretrained": "random",
        "layers": ("2c",),
        "frames": 9,
        "size_px": 32,
        "device": "cpu",
    }
    return I3DEncoder(**{**settings, **changed})


def checkpoint() -> dict[str, Any]:
    """Return arrays by the checkpoint's names and layouts, made out of a network of ours."""
    with seeded():
        net = I3D()
    params: dict[str, Any] = {"Logits/Conv3d_0c_1x1": {"Conv_0": {"kernel": np.ones(3)}}}
    stats: dict[str, Any] = {}
    for name, tensor in net.state_dict().items():
        unit, kind, part = name.removeprefix("blocks.").rsplit(".", 2)
        block, _, branch = _source(unit).partition("/")
        array = tensor.numpy()
        if kind == "conv":
            _put(params, block, branch, "Conv_0", {"kernel": array.transpose(2, 3, 4, 1, 0)})
        elif part == "bias":
            _put(params, block, branch, "BatchNorm_0", {"bias": array})
        elif part.startswith("running"):
            array = array.reshape(1, 1, 1, 1, -1)
            _put(stats, block, branch, "BatchNorm_0", {part.removeprefix("running_"): array})
    return {"params": params, "batch_stats": stats}


def _put(tree: dict[str, Any], block: str, branch: str, layer: str, arrays: Any) -> None:
    unit = tree.setdefault(block, {})
    unit = unit.setdefault(branch, {}) if branch else unit
    unit.setdefault(layer, {}).update(arrays)


def test_checkpoint_arrays_become_our_weights() -> None:
    with seeded():
        wanted = I3D().state_dict()
    found = state_dict_from_arrays(checkpoint())
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_checkpoint_must_fit_exactly() -> None:
    missing = checkpoint()
    del missing["batch_stats"]["Mixed_4f"]["Branch_3/Conv3d_0b_1x1"]
    with pytest.raises(EncoderError, match="no array batch_stats/Mixed_4f/Branch_3"):
        state_dict_from_arrays(missing)
    extra = checkpoint()
    extra["params"]["Mixed_6a"] = {"kernel": np.ones(1)}
    with pytest.raises(EncoderError, match=r"1 arrays that I3D has not.*Mixed_6a"):
        state_dict_from_arrays(extra)
    wrong = checkpoint()
    wrong["params"]["Conv3d_1a_7x7"]["Conv_0"]["kernel"] = np.ones((7, 7, 7, 1, 64), np.float32)
    with pytest.raises(EncoderError, match=r"blocks.1a.conv.weight: shape \(64, 1, 7, 7, 7\)"):
        state_dict_from_arrays(wrong)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads"),
    [(16, 7, 2, (2, 3)), (15, 7, 2, (3, 3)), (7, 2, 2, (0, 1))],
)
def test_padding_is_tensorflows_same(
    size: int, kernel: int, stride: int, pads: tuple[int, int]
) -> None:
    padded = _pad_same(torch.ones(1, 1, 1, 1, size), (1, 1, kernel), (1, 1, stride)).flatten()
    assert padded.tolist() == [0.0] * pads[0] + [1.0] * size + [0.0] * pads[1]


def test_blocks_past_the_last_layer_are_not_computed() -> None:
    encode = encoder(layers=("3b", "2c"))
    computed = []
    for name, block in encode._net.blocks.items():
        block.register_forward_hook(lambda *_, name=name: computed.append(name))
    encode(CLIPS[:1])
    assert computed == ["1a", "2a", "2b", "2c", "3a", "3b"]
    computed.clear()
    encoder(layers=("input",))(CLIPS[:1])
    assert not computed


def test_layers_are_joined_in_the_order_asked_for() -> None:
    joined = encoder(layers=("2c", "input", "1a"))(CLIPS)
    assert joined.dtype == np.float16 and joined.shape == (2, 4 * (192 + 3 + 64))
    np.testing.assert_array_equal(joined[:, :768], encoder(layers=("2c",))(CLIPS))
    np.testing.assert_array_equal(joined[:, 768:780], encoder(layers=("input",))(CLIPS))
    assert encoder(layers=())(CLIPS).shape == (2, 1024)


def test_a_token_does_not_depend_on_its_neighbours() -> None:
    encode = encoder()
    assert encode(CLIPS).tobytes() == encode(CLIPS[:1]).tobytes() + encode(CLIPS[1:]).tobytes()
    assert encoder()(CLIPS).tobytes() == encode(CLIPS).tobytes()


def test_statistics_tell_even_motion_from_standstill() -> None:
    position = torch.arange(8.0)
    stepped = torch.tensor([0.0, 0, 2, 2, 4, 4, 6, 6])
    still = torch.zeros(8)
    maps = torch.stack([position, stepped, still]).view(3, 8, 1, 1).expand(3, 8, 2, 2)
    mean, spread, change, evenness = statistics(maps).view(4, 3)
    torch.testing.assert_close(mean, torch.tensor([3.5, 3.0, 0.0]))
    torch.testing.assert_close(spread, torch.zeros(3))
    torch.testing.assert_close(change, torch.tensor([1.0, 6 / 7, 0.0]))
    torch.testing.assert_close(evenness, torch.tensor([1.0, 0.0, 1.0]), atol=2e-3, rtol=0)


def test_frozen_numbers() -> None:
    """Weights by a rule, not by a generator: the numbers hold on every version of torch."""
    encode = encoder(layers=("1a", "3c"))
    with torch.no_grad():
        for name, weight in sorted(encode._net.named_parameters()):
            steps = torch.arange(weight.numel(), dtype=torch.float32).reshape(weight.shape)
            scale = 1.0 if name.endswith("bias") else (3 / weight[0].numel()) ** 0.5
            weight.copy_(torch.sin(steps * 0.7 + len(name)) * scale)
    ramp = np.linspace(0, 1000, 9 * 32 * 32 * 3).reshape(9, 32, 32, 3).astype(np.int64) % 256
    token = encode([ramp.astype(np.uint8)])[0].astype(np.float64)
    groups = [part.mean() for part in np.split(token[256:], 4)]
    np.testing.assert_allclose(groups, [6.0896, 6.8101, 1.4208, 0.4514], rtol=2e-3)


def test_bfloat16_is_near_and_says_so() -> None:
    exact, near = (encoder(layers=("input", "1a"), dtype=name) for name in ("float32", "bfloat16"))
    wanted, found = exact(CLIPS), near(CLIPS)
    np.testing.assert_array_equal(found[:, :12], wanted[:, :12])  # the frames stay as they are
    assert not np.array_equal(found, wanted)
    np.testing.assert_allclose(found, wanted, rtol=0.05, atol=0.01 * float(wanted.max()))
    assert near.fingerprint == exact.fingerprint | {"dtype": "bfloat16"}


def test_fingerprint_holds_what_changes_numbers() -> None:
    base = encoder()
    assert base.random and encoder().fingerprint == base.fingerprint
    for changed in ({"layers": ("1a",)}, {"frames": 10}, {"size_px": 16}):
        assert encoder(**changed).fingerprint != base.fingerprint


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"layers": ("2c", "6a")}, r"no layers \['6a'\]"),
        ({"frames": 8}, "wanted 9 or more"),
        ({"pretrained": "none.safetensors"}, "no such weights file"),
    ],
)
def test_settings_that_do_not_fit(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        encoder(**changed)


def test_a_clip_of_another_length_is_refused() -> None:
    with pytest.raises(EncoderError, match="9 frames, wanted 16"):
        encoder(frames=16)(CLIPS)


@pytest.mark.skipif(
    not SHIPPED.is_file(), reason=f"{SHIPPED} is not there: lmm-vqa weights temporal"
)
def test_shipped_weights_see_a_freeze() -> None:
    encode = encoder(pretrained=str(SHIPPED), size_px=64)
    assert not encode.random
    picture = np.random.default_rng(1).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    big = np.kron(picture, np.ones((8, 8, 1), np.uint8))
    moving = np.stack([np.roll(big, 3 * i, axis=1) for i in range(9)])
    frozen = moving[[0, 1, 2, 2, 2, 2, 2, 2, 2]]
    evenness = encode([moving, frozen]).astype(np.float32)[:, 3 * 192 :].mean(1)
    assert evenness[1] < 0.7 * evenness[0]
