import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from encoders import prepare, tower
from encoders.spatial import SpatialEncoder
from encoders.tower import build
from encoders.weights import EncoderError

SHIPPED = Path("data/weights/spatial/efficientnet_lite0.safetensors")
FRAMES = np.random.default_rng(0).integers(0, 256, (3, 48, 80, 3), dtype=np.uint8)
VIT = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 3, "width": 64, "patch_size": 8, "head_width": 32},
    "text_cfg": {"context_length": 4, "vocab_size": 8, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(autouse=True)
def small_vit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a small CLIP to our own configs: all paths but the size are those of ViT-L/14."""
    configs = tmp_path / "configs"
    configs.mkdir()
    preprocess = {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic"}
    (configs / "vit.json").write_text(json.dumps({"model_cfg": VIT, "preprocess_cfg": preprocess}))
    ours = (tower._CONFIGS / "efficientnet_lite0.json").read_text()
    (configs / "efficientnet_lite0.json").write_text(ours)
    monkeypatch.setattr(tower, "_CONFIGS", configs)


def encoder(**changed: Any) -> SpatialEncoder:
    settings: dict[str, Any] = {
        "model": "vit",
        "pretrained": "random",
        "layers": (),
        "grid": 0,
        "frame": "centre_crop",
        "size_px": 32,
        "crops": (1, 1),
        "device": "cpu",
    }
    return SpatialEncoder(**{**settings, **changed})


def lite0(**changed: Any) -> SpatialEncoder:
    return encoder(**{"model": "efficientnet_lite0", "grid": 1, "size_px": 64, **changed})


@pytest.mark.parametrize(
    "changed", [{}, {"model": "efficientnet_lite0", "layers": (1, 2), "grid": 1}]
)
def test_bfloat16_is_near_and_says_so(changed: dict[str, Any]) -> None:
    exact, near = (encoder(**changed, dtype=name) for name in ("float32", "bfloat16"))
    wanted, found = exact(FRAMES), near(FRAMES)
    assert not np.array_equal(found, wanted)
    np.testing.assert_allclose(found, wanted, rtol=0.05, atol=0.02 * float(abs(wanted).max()))
    assert near.fingerprint == exact.fingerprint | {"dtype": "bfloat16"}


def test_transformer_tokens_are_the_towers_last_hidden_state() -> None:
    encode = encoder()
    tokens = encode(list(FRAMES))
    assert tokens.dtype == np.float16 and tokens.shape == (3, 17, 64)
    visual, _ = build("vit", "random", 32)
    visual.eval()
    seen = []
    visual.transformer.register_forward_hook(lambda *args: seen.append(args[-1]))
    images = [prepare.centre_crop(frame, 32, "bicubic") for frame in FRAMES]
    x = prepare.normalised(images, [0.5] * 3, [0.25] * 3, "cpu")
    with torch.no_grad():
        pooled = visual(x)
        torch.testing.assert_close(visual.ln_post(seen[0])[:, 0] @ visual.proj, pooled)
    np.testing.assert_allclose(tokens, seen[0], rtol=2e-3, atol=2e-3)


def test_layers_are_joined_in_the_order_asked_for() -> None:
    joined = encoder(layers=(2, 0))([FRAMES[0]])
    np.testing.assert_array_equal(joined[..., :64], encoder(layers=(2,))([FRAMES[0]]))
    np.testing.assert_array_equal(joined[..., 64:], encoder(layers=(0,))([FRAMES[0]]))
    np.testing.assert_array_equal(encoder()([FRAMES[0]]), encoder(layers=(2,))([FRAMES[0]]))


def test_grid_pools_patches_and_leaves_the_class_token_out() -> None:
    everything = encoder()([FRAMES[0]]).astype(np.float32)[0, 1:].reshape(4, 4, 64)
    pooled = encoder(grid=2)([FRAMES[0]])[0]
    wanted = everything.reshape(2, 2, 2, 2, 64).mean((1, 3)).reshape(4, 64)
    np.testing.assert_allclose(pooled, wanted, rtol=2e-3, atol=2e-3)


def test_a_timm_transformer_has_tokens_too() -> None:
    config = '{"model_cfg": {"embed_dim": 64, "vision_cfg": {"timm_model_name": '
    config += '"test_vit", "timm_pool": "", "timm_proj": "none"}, "text_cfg": '
    config += '{"context_length": 1, "vocab_size": 1, "width": 8, "heads": 1, "layers": 1}}, '
    config += '"preprocess_cfg": {"mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bicubic"}}'
    (tower._CONFIGS / "timm_vit.json").write_text(config)
    assert encoder(model="timm_vit", size_px=160)([FRAMES[0]]).shape == (1, 101, 64)
    assert encoder(model="timm_vit", size_px=160, grid=2)([FRAMES[0]]).shape == (1, 4, 64)


def test_convolutional_tokens_are_means_and_deviations_of_cells() -> None:
    tokens = lite0(grid=2, layers=(1, 0))([FRAMES[0]])
    assert tokens.shape == (1, 4, 2 * 24 + 2 * 16)
    visual, preprocess = build("efficientnet_lite0", "random", 64)
    image = prepare.centre_crop(FRAMES[0], 64, "bicubic")
    x = prepare.normalised([image], preprocess["mean"], preprocess["std"], "cpu")
    with torch.no_grad():
        maps = visual.eval().trunk.forward_intermediates(x, intermediates_only=True)
    cell = maps[1][0, :, :8, 8:]  # row 0, column 1 of a 16 x 16 map
    np.testing.assert_allclose(tokens[0, 1, :24], cell.mean((1, 2)), rtol=2e-3, atol=1e-3)
    wanted = cell.std((1, 2), correction=0)
    np.testing.assert_allclose(tokens[0, 1, 24:48], wanted, rtol=2e-3, atol=1e-3)


def test_crops_come_before_cells() -> None:
    two = lite0(frame="crops", size_px=32, crops=(1, 2), grid=2)([FRAMES[0]])
    assert two.shape[1] == 8
    right = lite0(frame="crops", size_px=32, grid=2)([FRAMES[0][:, 48:]])
    np.testing.assert_allclose(two[:, 4:], right, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("make", [encoder, lite0])
def test_a_token_does_not_depend_on_its_neighbours(make: Any) -> None:
    encode = make()
    together = encode(list(FRAMES))
    alone = np.concatenate([encode([frame]) for frame in FRAMES])
    assert together.tobytes() == alone.tobytes()
    assert make()(list(FRAMES)).tobytes() == together.tobytes()


def test_frozen_number() -> None:
    """Weights by a rule, not by a generator: the number holds on every version of torch."""
    encode = encoder(layers=(0, 2))
    with torch.no_grad():
        for name, weight in sorted(encode._tower.named_parameters()):
            steps = torch.arange(weight.numel(), dtype=torch.float32).reshape(weight.shape)
            weight.copy_(torch.sin(steps * 0.7 + len(name)) * 0.1)
    ramp = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)
    tokens = encode([ramp]).astype(np.float64)
    assert tokens.mean() == pytest.approx(-0.0352013, abs=2e-4)
    assert tokens.std() == pytest.approx(1.174439, abs=2e-4)


def test_fingerprint_holds_what_changes_numbers() -> None:
    base = encoder().fingerprint
    assert encoder(device="cpu").fingerprint == base
    assert encoder(layers=(2,)).fingerprint == base  # what empty means
    for changed in ({"layers": (0,)}, {"grid": 1}, {"frame": "whole"}):
        assert encoder(**changed).fingerprint != base
    assert lite0(size_px=32).fingerprint != lite0().fingerprint
    assert encoder().random and base["weights_sha256"] == encoder().fingerprint["weights_sha256"]


def test_a_weights_file_loads_whichever_part_it_holds(tmp_path: Path) -> None:
    visual, _ = build("vit", "random", 32)
    state = {name: tensor + 0.01 for name, tensor in visual.state_dict().items()}
    save_file(state, tmp_path / "tower.safetensors")
    whole = {f"visual.{name}": tensor for name, tensor in state.items()}
    save_file({**whole, "logit_scale": torch.ones(1)}, tmp_path / "clip.safetensors")
    first = encoder(pretrained=str(tmp_path / "tower.safetensors"))
    second = encoder(pretrained=str(tmp_path / "clip.safetensors"))
    assert first.fingerprint == second.fingerprint != encoder().fingerprint
    assert not first.random


def test_a_weights_file_must_fit(tmp_path: Path) -> None:
    visual, _ = build("vit", "random", 32)
    state = visual.state_dict()
    state["conv2.weight"] = state.pop("conv1.weight")
    save_file(state, tmp_path / "bad.safetensors")
    with pytest.raises(EncoderError, match=r"missing \['conv1.weight'\].*\['conv2.weight'\]"):
        encoder(pretrained=str(tmp_path / "bad.safetensors"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"pretrained": ""}, "pretrained is ''"),
        ({"pretrained": "laion9b"}, "pretrained is 'laion9b'"),
        ({"model": "ViT-Z"}, "'ViT-Z' is no model"),
        ({"model": "ViT-B-32", "pretrained": ""}, "openai"),
        ({"layers": (3,)}, "has layers 0 to 2"),
        ({"layers": (-1,)}, "has layers 0 to 2"),
        ({"crops": (1, 2)}, "no effect"),
        ({"model": "efficientnet_lite0"}, "grid must be at least 1"),
    ],
)
def test_settings_that_do_not_fit(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        encoder(**changed)


def test_openai_weights_get_their_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    """open_clip itself only warns, and the numbers are off without a word."""
    asked: dict[str, Any] = {}

    def create(model: str, **options: Any) -> Any:
        asked.update(options)
        raise RuntimeError("no network")

    monkeypatch.setattr(open_clip, "create_model", create)
    for tag, quick in (("openai", True), ("laion2b_s34b_b79k", False)):
        with pytest.raises(EncoderError, match="cannot be had: no network"):
            build("ViT-B-32", tag, 224)
        assert asked["force_quick_gelu"] is quick and asked["require_pretrained"]


@pytest.mark.skipif(
    not SHIPPED.is_file(), reason=f"{SHIPPED} is not there: lmm-vqa weights spatial"
)
def test_shipped_weights_tell_sharp_from_blurred() -> None:
    encode = lite0(pretrained=str(SHIPPED), layers=(0, 1, 2), frame="whole")
    assert not encode.random
    sharp = np.kron(FRAMES[0], np.ones((4, 4, 1), np.uint8))
    blurred = (sharp.astype(np.float32) * 0.2 + sharp.mean() * 0.8).astype(np.uint8)
    tokens = encode([sharp, blurred]).astype(np.float32)
    assert tokens[0, 0, 16:32].mean() > 1.5 * tokens[1, 0, 16:32].mean()  # deviations of stage 0
