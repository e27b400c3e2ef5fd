"""The head: projector and LLM, with the loss of instruction tuning."""

import copy
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from llm_head.alignment import Alignment
from llm_head.levels import CENTRES, LEVELS
from llm_head.llm import HeadError
from llm_head.packing import IGNORE
from llm_head.practice import disturbed, moved_tokens
from llm_head.projector import Projector, TokenShape
from llm_head.prompts import Chat
from llm_head.ranking import rank_loss


class LmmVqa(nn.Module):
    """Visual tokens and conversations to a loss, or to the LLM's outputs.

    Attributes:
        llm: a transformers causal LM, or one with a LoRA adapter around it; frozen, unless its
            parameters require gradients.
        projector: trained in any case.
        rank_weight: of the ranking loss beside the LLM's.
        answer_weight: of all other answers' loss beside that of the level.
    """

    def __init__(
        self,
        llm: nn.Module,
        shape: TokenShape,
        chat: Chat,
        dropout: float = 0.0,
        align_weight: float = 0.0,
        rank_weight: float = 0.0,
        answer_weight: float = 1.0,
        closed: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Join an LLM and a new projector.

        Args:
            llm: from `load_llm`.
            shape: of the tokens.
            chat: the LLM's prompts.
            dropout: of the projector.
            align_weight: of the alignment loss beside the LLM's.
            rank_weight: of the ranking loss beside the LLM's.
            answer_weight: of all other answers' loss beside that of the level.
            closed: of `Alignment`; read in training only.
        """
        super().__init__()
        self.llm = llm
        embeddings = llm.get_input_embeddings().weight.detach()  # type: ignore[operator]
        length = float(embeddings.float().norm(dim=1).mean())
        self.projector = Projector(shape, embeddings.shape[1], length, dropout)
        self.alignment = Alignment(chat, embeddings, closed)
        self._align_weight = align_weight
        self.rank_weight, self.answer_weight = rank_weight, answer_weight
        self.reads_whole = False  # in training; see `recompute` and `shards.cut`
        self._kept_head: tuple[torch.device, Any] | None = None
        self.register_buffer("head", torch.tensor([chat.head]), persistent=False)
        self.register_buffer("level_words", torch.tensor(chat.level_words), persistent=False)
        self.register_buffer("order_words", torch.tensor(chat.order_words), persistent=False)
        self.register_buffer("centres", torch.tensor(CENTRES).float(), persistent=False)

    head: Tensor
    level_words: Tensor
    order_words: Tensor
    centres: Tensor

    def train(self, mode: bool = True) -> "LmmVqa":
        """Switch dropout of what is trained; what is frozen stays as it is."""
        super().train(mode)
        if self._frozen():
            self.llm.eval()
            for layer in self._recomputed():  # asks its own mode only; what is inside stays
                layer.training = mode
        if not any(parameter.requires_grad for parameter in self.projector.parameters()):
            self.projector.eval()
        return self

    def recompute(self) -> None:
        """Keep only the LLM's layers' inputs in training, and compute the rest again for gradients.

        Memory for time, by a third more of it; gradients stay what they are. A layer that is run
        twice must not write to a cache of keys and values, so the text before the video is then
        read with every sample.
        """
        rerun: Any = partial(checkpoint, use_reentrant=False)
        for layer in self.llm.modules():
            if isinstance(layer, GradientCheckpointingLayer):
                layer.gradient_checkpointing = True
                layer._gradient_checkpointing_func = rerun
        if not self._recomputed():
            raise HeadError("tune.gradient_checkpointing: the LLM's layers do not support it")
        self.reads_whole = True

    def _recomputed(self) -> list[nn.Module]:
        return [m for m in self.llm.modules() if getattr(m, "gradient_checkpointing", False)]

    def _frozen(self) -> bool:
        return not any(parameter.requires_grad for parameter in self.llm.parameters())

    def forward(
        self,
        ids: Tensor,
        visual: Tensor,
        positions: Tensor,
        allowed: Tensor,
        source: Tensor,
        labels: Tensor,
        weights: Tensor,
        soft_at: Tensor,
        spatial: Tensor,
        temporal: Tensor,
        seconds: Tensor,
        words: Tensor,
        mos: Tensor,
        sets: Tensor,
        better: Tensor,
        practice: Tensor,
    ) -> dict[str, Tensor]:
        """Return loss and scores of a batch of `samples.collate`.

        The loss has four terms: cross-entropy between a soft label and the LLM's whole vocabulary
        at the level word, or at the word that names the better of two videos, mean over the samples
        that have one; and, by their weights, cross-entropy of all other answers, mean over an
        answer's tokens, sum over a video's answers, mean over the samples of one video; the
        alignment loss; and the ranking loss of the scores.

        Args:
            ids, visual, positions, allowed, source, labels, weights, soft_at: `packing.Packed`.
            spatial: float (B, K, P, D).
            temporal: float (B, K, D).
            seconds: bool (B, K), which seconds are there and not padding.
            words: float (B, W), `samples.truth` of each video; the first five are its soft label,
                0: its level is asked for the ranking loss only.
            mos: float (B,), NaN where unknown; read for the ranking loss only.
            sets: int64 (B,), equal for videos of the same data set.
            better: float (B,), of two videos the share that prefers the first, NaN: a single video.
            practice: bool (B,), videos to disturb, whose level is then the one that they show.

        Returns:
            loss (), and score (B,), 0-100, the expectation over the level words, NaN where a video
            has no level answer.
        """
        projected, seconds, levels = self._project(spatial, temporal, seconds, words, practice)
        hidden, _ = self._run(ids, visual, positions, allowed, projected[seconds])
        rows, places = (labels != IGNORE).nonzero(as_tuple=True)
        logits = self.logits(hidden[rows, source[rows, places]])
        is_soft, is_pair = soft_at[rows, places], better.isfinite()[rows]
        is_level = is_soft & ~is_pair
        is_taught = is_level & (levels[rows].sum(dim=1) > 0)
        level_logits = logits[:, self.level_words]
        level_loss = _soft_loss(logits[is_taught], self.level_words, levels[rows[is_taught]])
        preferred = better[rows[is_pair]]
        pair_loss = _soft_loss(
            logits[is_pair], self.order_words, torch.stack([preferred, 1 - preferred], dim=1)
        )
        text_loss = functional.cross_entropy(
            logits[~is_soft], labels[rows, places][~is_soft], reduction="none"
        )
        score = torch.full((len(ids),), float("nan"), device=ids.device)
        score[rows[is_level]] = level_logits[is_level].softmax(-1) @ self.centres
        # every answer counts the same, however many tokens tell it
        text_loss = text_loss * weights[rows, places][~is_soft]
        single = max(1, int(better.isnan().sum()))
        loss = _mean(torch.cat([level_loss, pair_loss]))
        loss = loss + self.answer_weight * text_loss.sum() / single
        if self._align_weight:
            loss = loss + self._align_weight * self.alignment(projected, seconds, words)
        if self.rank_weight:
            loss = loss + self.rank_weight * rank_loss(score, mos, sets)
        return {"loss": loss, "score": score.detach()}

    def _project(
        self, spatial: Tensor, temporal: Tensor, seconds: Tensor, words: Tensor, practice: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the projector does, and the soft labels of level (B, 5)."""
        projected, shown = self.projector(spatial, temporal, seconds)
        levels = words[:, : len(LEVELS)]
        if not practice.any():
            return projected, shown, levels
        with torch.no_grad():  # the projector does not learn from what it says itself
            features = {"spatial": spatial, "temporal": temporal}
            parts = disturbed(features, seconds, self.projector.stds())
            tokens, _ = self.projector(**parts, seconds=seconds)
            moved = moved_tokens(tokens, shown, self.alignment)
            told = self.alignment.shown(moved, shown)
        return (
            torch.where(practice[:, None, None, None], moved, projected),
            shown,
            torch.where(practice[:, None], told, levels),
        )

    def hidden(
        self,
        ids: Tensor,
        visual: Tensor,
        positions: Tensor,
        allowed: Tensor,
        spatial: Tensor,
        temporal: Tensor,
        seconds: Tensor,
        cache: Any = None,
    ) -> tuple[Tensor, Any]:
        """Return the LLM's last hidden states (B, N, L), and its cache of keys and values.

        Args:
            cache: from `head_cache(B)`, grows; none: it is made.
        """
        projected, shown = self.projector(spatial, temporal, seconds)
        return self._run(ids, visual, positions, allowed, projected[shown], cache)

    def _run(
        self,
        ids: Tensor,
        visual: Tensor,
        positions: Tensor,
        allowed: Tensor,
        projected: Tensor,
        cache: Any = None,
    ) -> tuple[Tensor, Any]:
        embeds = self.embed(ids)
        embeds = embeds.masked_scatter(visual.unsqueeze(-1), projected.to(embeds.dtype))
        seen = allowed.new_ones(*allowed.shape[:2], self.head.shape[1])
        allowed = torch.cat([seen, allowed], dim=2)
        if self.training and self.reads_whole:
            return self._decode_whole(embeds, positions, allowed), None
        cache = self.head_cache(len(ids)) if cache is None else cache
        return self.decode(embeds, positions, allowed, cache), cache

    def _decode_whole(self, embeds: Tensor, positions: Tensor, allowed: Tensor) -> Tensor:
        """Run the LLM on the text before the video and what follows, without a cache."""
        size, batch = self.head.shape[1], len(embeds)
        before = self.embed(self.head).expand(batch, -1, -1)
        causal = allowed.new_ones(size, size).tril().expand(batch, -1, -1)
        unseen = allowed.new_zeros(batch, size, embeds.shape[1])
        allowed = torch.cat([torch.cat([causal, unseen], dim=2), allowed], dim=1)
        start = torch.arange(-size, 0, device=positions.device).expand(batch, -1)
        whole = torch.cat([before, embeds], dim=1)
        hidden = self.decode(whole, torch.cat([start, positions], dim=1), allowed, None)
        return hidden[:, size:]

    def head_cache(self, batch: int) -> Any:
        """Return keys and values of the text before the video, the same for all of a batch.

        A frozen LLM reads that text once.
        """
        if self._frozen():
            if self._kept_head is None or self._kept_head[0] != self.head.device:
                with torch.no_grad():
                    self._kept_head = self.head.device, self._read_head()
            cache = copy.deepcopy(self._kept_head[1])
        else:
            self._kept_head, cache = None, self._read_head()
        cache.batch_repeat_interleave(batch)
        return cache

    def _read_head(self) -> Any:
        return self._causal_lm().base_model(self.head, use_cache=True).past_key_values

    def decode(self, embeds: Tensor, positions: Tensor, allowed: Tensor, cache: Any) -> Tensor:
        """Run the LLM on what follows the cache, which grows by it.

        Args:
            embeds: (B, N, L).
            positions: int64 (B, N), counted from the end of the text before the video.
            allowed: bool (B, N, cached + N), row sees column.
            cache: None: there is none, and none is made.
        """
        mask = torch.zeros(allowed.shape, dtype=embeds.dtype, device=embeds.device)
        mask = mask.masked_fill(~allowed, torch.finfo(embeds.dtype).min).unsqueeze(1)
        hidden: Tensor = (
            self._causal_lm()
            .base_model(
                inputs_embeds=embeds,
                attention_mask=mask,
                position_ids=positions + self.head.shape[1],
                past_key_values=cache,
                use_cache=cache is not None,
            )
            .last_hidden_state
        )
        return hidden

    def embed(self, ids: Tensor) -> Tensor:
        """Return word embeddings (..., L)."""
        embedded: Tensor = self._causal_lm().get_input_embeddings()(ids)
        return embedded

    def logits(self, hidden: Tensor) -> Tensor:
        """Return float32 logits (..., vocabulary) of hidden states."""
        logits: Tensor = self._causal_lm().get_output_embeddings()(hidden)
        return logits.float()

    def _causal_lm(self) -> Any:
        # a LoRA wrapper hides the causal LM whose layers it has changed in place
        inner = getattr(self.llm, "get_base_model", None)
        return self.llm if inner is None else inner()


def _soft_loss(logits: Tensor, words: Tensor, label: Tensor) -> Tensor:
    """Return (n,): cross-entropy between a label (n, W) over words and the whole vocabulary."""
    return -(label * logits.log_softmax(-1)[:, words]).sum(-1)


def _mean(losses: Tensor) -> Tensor:
    return losses.sum() / max(1, len(losses))
