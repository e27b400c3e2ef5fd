import pytest
import torch
from transformers import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPEncoderLayer

from llm_head.projector import Projector, TokenShape, Vit


def make(tokens: str = "both", projector: str = "mlp", queries: int = 0) -> Projector:
    torch.manual_seed(0)
    spatial = (0, 0) if tokens == "temporal" else (3, 5)
    temporal = 0 if tokens == "spatial" else 7
    shape = TokenShape(tokens, "ordered", 2, spatial, temporal, projector, queries)  # type: ignore[arg-type]
    return Projector(shape, width=16, length=3.2, dropout=0.5).eval()


def test_each_second_has_its_spatial_tokens_in_order_then_the_temporal_one() -> None:
    projector = make()
    spatial, temporal = torch.randn(2, 4, 3, 5), torch.randn(2, 4, 7)
    out = projector(spatial, temporal)
    assert out.shape == (2, 4, 4, 16)
    for part, kind, tokens in ((slice(3), "spatial", spatial), (3, "temporal", temporal)):
        alone = projector.norm(projector.layers.kinds[kind](projector.standard[kind](tokens)))  # type: ignore[index,union-attr]
        torch.testing.assert_close(out[:, :, part], alone)


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
    projector.set_statistics("spatial", offset, scale)
    torch.testing.assert_close(projector(spatial * scale + offset, None), before)


def test_a_feature_that_never_changes_and_outliers_do_no_harm() -> None:
    projector = make("spatial")
    projector.set_statistics("spatial", torch.full((5,), 2.0), torch.zeros(5))
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
    assert float(out.mean()) == pytest.approx(7.26586, abs=1e-4)


KINDS = [("mlp", 0), ("vit", 0), ("resampler", 2)]


@pytest.mark.parametrize(("kind", "queries"), KINDS)
@pytest.mark.parametrize("tokens", ["both", "spatial", "temporal"])
def test_every_projector_makes_the_vectors_that_its_shape_says(
    kind: str, queries: int, tokens: str
) -> None:
    projector = make(tokens, kind, queries)
    spatial = None if tokens == "temporal" else torch.randn(2, 4, 3, 5)
    temporal = None if tokens == "spatial" else torch.randn(2, 4, 7)
    out = projector(spatial, temporal)
    assert out.shape == (2, 4, projector.shape.per_second, 16)
    torch.testing.assert_close(out.norm(dim=-1), torch.full(out.shape[:3], 3.2), atol=1e-2, rtol=0)


@pytest.mark.parametrize(("kind", "queries"), KINDS)
def test_a_second_is_projected_without_its_neighbours(kind: str, queries: int) -> None:
    projector, spatial, temporal = make("both", kind, queries), *tokens_of(4)
    whole = projector(spatial, temporal)
    alone = projector(spatial[:, 2:3], temporal[:, 2:3])
    torch.testing.assert_close(alone[:, 0], whole[:, 2])


@pytest.mark.parametrize(("kind", "queries"), KINDS[1:])
def test_spatial_and_temporal_tokens_meet(kind: str, queries: int) -> None:
    projector, spatial, temporal = make("both", kind, queries), *tokens_of(1)
    changed = projector(spatial, -temporal)
    assert not torch.allclose(projector(spatial, temporal)[:, :, 0], changed[:, :, 0])


def tokens_of(seconds: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(1, seconds, 3, 5), torch.randn(1, seconds, 7)


def test_a_resampler_without_queries_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one query"):
        make("both", "resampler", 0)


def test_the_layer_of_vit_is_clips() -> None:
    config = CLIPVisionConfig(hidden_size=128, num_attention_heads=2, intermediate_size=512)
    assert config.hidden_act == "quick_gelu"
    config._attn_implementation = "sdpa"
    torch.manual_seed(0)
    theirs = CLIPEncoderLayer(config).eval()
    ours = Vit(TokenShape("spatial", "ordered", 2, (5, 128), 0, "vit"), 16).eval().layer
    weights = theirs.state_dict()
    names = {"self_attn.out_proj": "self_attn.out_proj", "linear1": "mlp.fc1", "linear2": "mlp.fc2"}
    names |= {"norm1": "layer_norm1", "norm2": "layer_norm2"}
    with torch.no_grad():
        for part in ("weight", "bias"):
            for ourname, name in names.items():
                ours.get_parameter(f"{ourname}.{part}").copy_(weights[f"{name}.{part}"])
            heads = [weights[f"self_attn.{name}_proj.{part}"] for name in "qkv"]
            ours.get_parameter(f"self_attn.in_proj_{part}").copy_(torch.cat(heads))
        tokens = torch.randn(3, 5, 128)
        torch.testing.assert_close(ours(tokens), theirs(tokens, attention_mask=None))
