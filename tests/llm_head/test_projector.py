import pytest
import torch

from llm_head.projector import Projector, TokenShape, set_statistics


def make(tokens: str = "both", **changes: int) -> Projector:
    torch.manual_seed(0)
    spatial = (0, 0) if tokens == "temporal" else (3, 5)
    temporal = 0 if tokens == "spatial" else 7
    shape = TokenShape(tokens, "ordered", 2, spatial, temporal)  # type: ignore[arg-type]
    return Projector(shape, width=16, length=3.2, dropout=0.5).eval()


def test_each_second_has_its_spatial_tokens_in_order_then_the_temporal_one() -> None:
    projector = make()
    spatial, temporal = torch.randn(2, 4, 3, 5), torch.randn(2, 4, 7)
    out = projector(spatial, temporal)
    assert out.shape == (2, 4, 4, 16)
    torch.testing.assert_close(out[:, :, :3], projector.spatial(spatial))
    torch.testing.assert_close(out[:, :, 3], projector.temporal(temporal))


def test_one_kind_of_tokens_needs_the_other_not() -> None:
    assert make("spatial")(torch.randn(1, 2, 3, 5), None).shape == (1, 2, 3, 16)
    assert make("temporal")(None, torch.randn(1, 2, 7)).shape == (1, 2, 1, 16)
    assert make("temporal").shape.per_second == 1


def test_outputs_have_the_length_of_word_embeddings() -> None:
    out = make()(torch.randn(8, 4, 3, 5), torch.randn(8, 4, 7))
    torch.testing.assert_close(out.norm(dim=-1), torch.full((8, 4, 4), 3.2), atol=1e-3, rtol=1e-3)


def test_standardised_tokens_do_not_depend_on_their_scale() -> None:
    projector, spatial = make("spatial"), torch.randn(1, 2, 3, 5)
    before = projector(spatial, None)
    scale, offset = torch.tensor([1e-3, 1, 10, 1e3, 1e4]), torch.arange(5.0)
    set_statistics(projector.spatial, offset, scale)
    torch.testing.assert_close(projector(spatial * scale + offset, None), before)


def test_a_feature_that_never_changes_and_outliers_do_no_harm() -> None:
    projector = make("spatial")
    set_statistics(projector.spatial, torch.full((5,), 2.0), torch.zeros(5))
    assert projector(torch.full((1, 1, 3, 5), 2.0), None).isfinite().all()
    assert projector(torch.full((1, 1, 3, 5), 6e4), None).isfinite().all()


def test_a_fixed_input_gives_a_frozen_number() -> None:
    projector = make()
    with torch.no_grad():
        for number, parameter in enumerate(projector.parameters()):
            parameter.copy_(
                torch.linspace(-0.5, 0.5 + number, parameter.numel()).view_as(parameter)
            )
        out = projector(torch.ones(1, 1, 3, 5), torch.ones(1, 1, 7))
    assert float(out.mean()) == pytest.approx(5.24757, abs=1e-4)
