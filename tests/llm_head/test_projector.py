import pytest
import torch
from torch import Tensor
from transformers import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPEncoderLayer

from llm_head.projector import Projector, TokenShape, Vit


def make(
    tokens: str = "both", projector: str = "mlp", queries: int = 0, time: str = "ordered"
) -> Projector:
    torch.manual_seed(0)
    spatial = (0, 0) if tokens == "temporal" else (3, 5)
    temporal = 0 if tokens == "spatial" else 7
    shape = TokenShape(tokens, time, 2, spatial, temporal, projector, queries)  # type: ignore[arg-type]
    return Projector(shape, width=16, length=3.2, dropout=0.5).eval()


def project(projector: Projector, spatial: Tensor | None, temporal: Tensor | None) -> Tensor:
    """Return what becomes of seconds that are all there."""
    given = temporal if spatial is None else spatial
    assert given is not None
    seconds = torch.ones(given.shape[:2], dtype=torch.bool)
    projected, shown = projector(spatial, temporal, seconds)
    assert shown.equal(seconds)
    return projected


def test_each_second_has_its_spatial_tokens_in_order_then_the_temporal_one() -> None:
    projector = make()
    spatial, temporal = torch.randn(2, 4, 3, 5), torch.randn(2, 4, 7)
    out = project(projector, spatial, temporal)
    assert out.shape == (2, 4, 4, 16)
    for part, kind, tokens in ((slice(3), "spatial", spatial), (3, "temporal", temporal)):
        alone = projector.norm(projector.layers.kinds[kind](projector.standard[kind](tokens)))  # type: ignore[index,union-attr]
        torch.testing.assert_close(out[:, :, part], alone)


def test_one_kind_of_tokens_needs_the_other_not() -> None:
    assert project(make("spatial"), torch.randn(1, 2, 3, 5), None).shape == (1, 2, 3, 16)
    assert project(make("temporal"), None, torch.randn(1, 2, 7)).shape == (1, 2, 1, 16)
    assert make("temporal").shape.per_second == 1


def test_outputs_have_the_length_of_word_embeddings() -> None:
    out = project(make(), torch.randn(8, 4, 3, 5), torch.randn(8, 4, 7))
    torch.testing.assert_close(out.norm(dim=-1), torch.full((8, 4, 4), 3.2), atol=1e-3, rtol=1e-3)


def test_standardised_tokens_do_not_depend_on_their_scale() -> None:
    projector, spatial = make("spatial"), torch.randn(1, 2, 3, 5)
    before = project(projector, spatial, None)
    scale, offset = torch.tensor([1e-3, 1, 10, 1e3, 1e4]), torch.arange(5.0)
    projector.set_statistics("spatial", offset, scale)
    torch.testing.assert_close(project(projector, spatial * scale + offset, None), before)


def test_a_feature_that_never_changes_and_outliers_do_no_harm() -> None:
    projector = make("spatial")
    projector.set_statistics("spatial", torch.full((5,), 2.0), torch.zeros(5))
    assert project(projector, torch.full((1, 1, 3, 5), 2.0), None).isfinite().all()
    assert project(projector, torch.full((1, 1, 3, 5), 6e4), None).isfinite().all()


def test_a_fixed_input_gives_a_frozen_number() -> None:
    projector = make()
    with torch.no_grad():
        for number, parameter in enumerate(projector.parameters()):
            parameter.copy_(
                torch.linspace(-0.5, 0.5 + number, parameter.numel()).view_as(parameter)
            )
        out = project(projector, torch.ones(1, 1, 3, 5), torch.ones(1, 1, 7))
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
    out = project(projector, spatial, temporal)
    assert out.shape == (2, 4, projector.shape.per_second, 16)
    torch.testing.assert_close(out.norm(dim=-1), torch.full(out.shape[:3], 3.2), atol=1e-2, rtol=0)


@pytest.mark.parametrize(("kind", "queries"), KINDS)
def test_a_second_is_projected_without_its_neighbours(kind: str, queries: int) -> None:
    projector, spatial, temporal = make("both", kind, queries), *tokens_of(4)
    whole = project(projector, spatial, temporal)
    alone = project(projector, spatial[:, 2:3], temporal[:, 2:3])
    torch.testing.assert_close(alone[:, 0], whole[:, 2])


@torch.no_grad()
@pytest.mark.parametrize(("kind", "queries"), KINDS)
def test_a_mean_over_time_is_one_second_without_the_padding(kind: str, queries: int) -> None:
    projector, spatial, temporal = make("both", kind, queries, "mean"), *tokens_of(4)
    out, shown = projector(spatial, temporal, torch.tensor([[True, True, True, False]]))
    assert out.shape == (1, 1, projector.shape.per_second, 16) and shown.tolist() == [[True]]
    one = projector(spatial[:, :1], temporal[:, :1], torch.ones(1, 1, dtype=torch.bool))[0]
    assert not torch.allclose(out, one)
    spatial[:, 3], temporal[:, 3] = 9.0, -9.0
    again, _ = projector(spatial, temporal, torch.tensor([[True, True, True, False]]))
    assert torch.equal(out, again)


@torch.no_grad()
def test_vit_averages_where_the_authors_code_does() -> None:
    """Behind linear and norm of the temporal token, and before the transformer layer."""
    projector, spatial, temporal = make("both", "vit", 0, "mean"), *tokens_of(3)
    out, _ = projector(spatial, temporal, torch.ones(1, 3, dtype=torch.bool))
    vit = projector.layers
    assert isinstance(vit, Vit)
    joined = vit.temporal(projector.standard["temporal"](temporal)).mean(1, keepdim=True)
    key_frames = projector.standard["spatial"](spatial).mean(1)
    expected = projector.norm(vit.out(vit.layer(torch.cat([key_frames, joined], dim=1))))
    torch.testing.assert_close(out[:, 0], expected)
    early, _ = projector(
        spatial.mean(1, keepdim=True), temporal.mean(1, keepdim=True), torch.ones(1, 1).bool()
    )
    assert not torch.allclose(out, early)


@pytest.mark.parametrize(("kind", "queries"), KINDS[1:])
def test_spatial_and_temporal_tokens_meet(kind: str, queries: int) -> None:
    projector, spatial, temporal = make("both", kind, queries), *tokens_of(1)
    changed = project(projector, spatial, -temporal)
    assert not torch.allclose(project(projector, spatial, temporal)[:, :, 0], changed[:, :, 0])


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
