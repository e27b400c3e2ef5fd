import copy
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import nn

from encoders import temporal
from encoders.prepare import clip, normalised
from encoders.temporal import SlowFastEncoder, slow_frames
from encoders.weights import EncoderError, seeded

CLIPS = np.random.default_rng(0).integers(0, 256, (2, 8, 40, 60, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    with seeded():
        return temporal.hub.slowfast_r50(pretrained=False).eval()


@pytest.fixture(autouse=True)
def built_once(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """Building takes longer than running."""
    monkeypatch.setattr(temporal.hub, "slowfast_r50", lambda pretrained: copy.deepcopy(network))


def encoder(**changed: Any) -> SlowFastEncoder:
    settings: dict[str, Any] = {
        "pretrained": "random",
        "pathway": "both",
        "frames": 8,
        "size_px": 32,
        "device": "cpu",
    }
    return SlowFastEncoder(**{**settings, **changed})


def test_equal_to_pytorchvideos_own_pooled_features(network: nn.Module) -> None:
    """The network up to its pool, with a pool that fits the small input."""
    x = normalised(clip(CLIPS[0], 8, 32), temporal.MEAN, temporal.STD, "cpu")
    fast = x.transpose(0, 1)[None]
    pathways = [fast[:, :, slow_frames(8)], fast]
    pool = type(network.blocks[5])(pool=nn.ModuleList([nn.AdaptiveAvgPool3d(1)] * 2))
    with torch.no_grad():
        for block in network.blocks[:5]:
            pathways = block(pathways)
        wanted = pool(pathways).flatten()
    token = encoder()([CLIPS[0]])[0]
    assert token.dtype == np.float16 and token.shape == (2304,)
    # through other convolutions than pytorchvideo's, see encoders/onednn.py
    np.testing.assert_allclose(token, wanted.half(), rtol=2e-3, atol=1e-4)


def test_bfloat16_is_near_and_says_so() -> None:
    exact, near = (encoder(dtype=name) for name in ("float32", "bfloat16"))
    wanted, found = exact(CLIPS), near(CLIPS)
    assert not np.array_equal(found, wanted)
    np.testing.assert_allclose(found, wanted, rtol=0.05, atol=0.02 * float(wanted.max()))
    assert near.fingerprint == exact.fingerprint | {"dtype": "bfloat16"}


def test_pathways_are_parts_of_both() -> None:
    both = encoder()(CLIPS)
    np.testing.assert_array_equal(encoder(pathway="slow")(CLIPS), both[:, :2048])
    np.testing.assert_array_equal(encoder(pathway="fast")(CLIPS), both[:, 2048:])


@pytest.mark.parametrize(
    ("pathway", "calls"), [("both", [5, 5, 4]), ("slow", [5, 4, 4]), ("fast", [0, 5, 0])]
)
def test_what_is_not_asked_for_is_not_computed(pathway: str, calls: list[int]) -> None:
    encode = encoder(pathway=pathway)
    counted = [0, 0, 0]

    def count(kind: int) -> Any:
        def hook(*_: Any) -> None:
            counted[kind] += 1

        return hook

    handles = []
    for stage in encode._stages:
        parts = [*stage.multipathway_blocks, stage.multipathway_fusion]
        for kind, part in enumerate(parts):
            if not isinstance(part, nn.Identity):
                handles.append(part.register_forward_hook(count(kind)))
    encode(CLIPS[:1])
    for handle in handles:
        handle.remove()
    assert counted == calls


def test_slow_frames_are_those_of_the_papers_code() -> None:
    assert slow_frames(32).tolist() == torch.linspace(0, 31, 8).long().tolist()
    assert slow_frames(4).tolist() == [0]


def test_a_token_does_not_depend_on_its_neighbours() -> None:
    encode = encoder()
    assert encode(CLIPS).tobytes() == encode(CLIPS[:1]).tobytes() + encode(CLIPS[1:]).tobytes()


def test_fingerprint_holds_what_changes_numbers() -> None:
    base = encoder()
    assert base.random and encoder().fingerprint == base.fingerprint
    for changed in ({"pathway": "slow"}, {"frames": 12}, {"size_px": 64}):
        assert encoder(**changed).fingerprint != base.fingerprint


def test_hub_weights_are_read_without_running_code(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(url: str, **options: Any) -> dict[str, Any]:
        assert url == temporal.URL and options["weights_only"]
        return {"model_state": network.state_dict()}

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fetch)
    assert not encoder(pretrained="hub").random

    def fail(url: str, **options: Any) -> dict[str, Any]:
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    with pytest.raises(EncoderError, match=r"no route.*name the file instead"):
        encoder(pretrained="hub")


def test_settings_that_do_not_fit() -> None:
    with pytest.raises(EncoderError, match="multiple of 4: 30"):
        encoder(frames=30)
    with pytest.raises(EncoderError, match="no such weights file"):
        encoder(pretrained="nothing.pyth")
    with pytest.raises(EncoderError, match="8 frames, wanted 16"):
        encoder(frames=16)(CLIPS)
