import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from encoders import prepare
from encoders.i3d_net import I3D
from encoders.onednn import fold, through_onednn
from encoders.weights import seeded


def network() -> nn.Module:
    """Return I3D whose normalisation does something."""
    with seeded():
        net = I3D().eval()
        for name, tensor in net.state_dict().items():
            if "running" in name or "bn.bias" in name:
                tensor.copy_(torch.rand(tensor.shape) + 0.5)
    return net.requires_grad_(False)


def test_folded_and_through_onednn_the_numbers_stay() -> None:
    net = network()
    x = torch.rand(1, 3, 9, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        plain = net(x, ("2c", "5c"))
        changed = through_onednn(fold(net), "cpu")(x, ("2c", "5c"))
    assert plain["2c"].shape == (1, 192, 5, 8, 8) and plain["5c"].shape == (1, 1024, 2, 1, 1)
    assert not any(isinstance(module, nn.BatchNorm3d | nn.Conv3d) for module in net.modules())
    for name in plain:
        torch.testing.assert_close(plain[name], changed[name], rtol=1e-4, atol=1e-5)


def test_what_else_a_convolution_may_have_is_kept() -> None:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=3),
        nn.Conv2d(6, 4, 3, dilation=2, bias=False),
        nn.Conv2d(4, 4, 3, padding="same"),
    ]
    net, x = nn.Sequential(*layers).requires_grad_(False), torch.rand(2, 6, 24, 20)
    wanted = net(x)
    torch.testing.assert_close(through_onednn(net, "cpu")(x), wanted, rtol=1e-4, atol=1e-6)
    assert [type(layer) for layer in net][2] is nn.Conv2d


def test_on_a_gpu_nothing_changes() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1))
    assert type(through_onednn(net, "cuda")[0]) is nn.Conv2d


@pytest.mark.parametrize("shape", [(90, 160), (30, 20), (112, 300)])
def test_a_clip_is_resized_as_by_pillow_within_one_grey_level(shape: tuple[int, int]) -> None:
    clip = np.random.default_rng(0).integers(0, 256, (9, *shape, 3), dtype=np.uint8)
    found = np.stack(prepare.clip(clip, 9, 48))
    bilinear = Image.Resampling.BILINEAR
    pillow = [np.asarray(Image.fromarray(frame).resize((48, 48), bilinear)) for frame in clip]
    assert np.abs(found.astype(int) - np.stack(pillow)).max() <= 1
    alone = [prepare.clip(frame[None], 1, 48)[0] for frame in clip]
    np.testing.assert_array_equal(found, np.stack(alone))
