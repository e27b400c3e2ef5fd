"""Alignment: the projector learns to speak in the LLM's own words before the LLM is asked.

A frozen LLM passes its gradient through all its layers, and learning to be read by it is slow. So
the projected tokens of a video are first led, without the LLM, to the embeddings of the words that
are true of it (its level, its impairment, its motion, or the answer to any other question that has
few). A frozen LLM reads such tokens much as it
would read the words, and tuning starts from there.
"""

from collections.abc import Mapping
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_head.levels import LEVELS
from llm_head.prompts import Chat, frame
from llm_head.questions import WORDS

_SHARPNESS = 10.0  # of the choice between words; cosines lie in -1..1


class Alignment(nn.Module):
    """How far projected tokens are from the words that are true of their videos.

    Source: the paper's figure of LMM-VQA, arXiv:2408.14008, has an alignment module that its
    authors' code lacks; this form is ours. The choice between words is CLIP's, arXiv:2103.00020,
    between the embeddings of an LLM's own words.
    """

    embeddings: Tensor
    directions: Tensor

    def __init__(
        self,
        chat: Chat,
        embeddings: Tensor,
        closed: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Take the words' embeddings.

        Args:
            chat: the LLM's prompts, which tell the tokens of each word.
            embeddings: of the LLM's vocabulary, (vocabulary, L); copied where they are needed.
            closed: answers of other tasks than our own, see `samples.closed_tasks`; their words are
                what differs between a task's answers.
        """
        super().__init__()
        words, directions = [], []
        self._length = float(embeddings.detach().float().norm(dim=1).mean())
        frames = [chat.frames[task] for task in WORDS]
        frames += [frame([chat.answer(text) for text in told]) for told in (closed or {}).values()]
        ends = [0, *accumulate(len(found.middles) for found in frames)]
        self.tasks = [slice(start, end) for start, end in pairwise(ends)]
        for found in frames:
            ids = [list(middle or found.stem) for middle in found.middles]
            of_task = torch.stack([embeddings.detach()[i].float().mean(0) for i in ids])
            words.append(of_task)
            directions.append(functional.normalize(of_task - of_task.mean(0), dim=1))
        self.register_buffer("embeddings", torch.cat(words), persistent=False)
        self.register_buffer("directions", torch.cat(directions), persistent=False)

    def forward(self, projected: Tensor, seconds: Tensor, words: Tensor) -> Tensor:
        """Return the loss, ().

        Two terms per task, each a mean over the videos whose truth is known: cross-entropy of the
        choice between the task's words by the video's mean token, and 1 - cosine between every
        token and the words that are true.

        Args:
            projected: (B, K, T, L), from the projector.
            seconds: bool (B, K), which seconds are there and not padding.
            words: float (B, W), from `samples.truth`.
        """
        there = seconds[:, :, None].expand(projected.shape[:3]).float()
        size = there.sum((1, 2))
        choices = self._choice(projected, there)
        loss = projected.new_zeros(())
        for part in self.tasks:
            known = words[:, part].sum(1) > 0
            if not known.any():
                continue
            true = words[known, part]
            choice = choices[known][:, part].log_softmax(-1)
            goal = true @ self.embeddings[part]
            near = functional.cosine_similarity(projected[known], goal[:, None, None], dim=-1)
            near = (near * there[known]).sum((1, 2)) / size[known]
            loss = loss + (1 - near).mean() - (true * choice).sum(-1).mean()
        return loss

    def _choice(self, projected: Tensor, there: Tensor) -> Tensor:
        """Return (B, W): how near videos' mean tokens are to each word, as logits."""
        mean = (projected * there.unsqueeze(-1)).sum((1, 2)) / there.sum((1, 2))[:, None]
        logits: Tensor = _SHARPNESS * (mean / self._length) @ self.directions.T
        return logits

    def shown(self, projected: Tensor, seconds: Tensor) -> Tensor:
        """Return (B, 5): the level that videos' tokens show, as probabilities of its words.

        Args:
            projected: (B, K, T, L).
            seconds: bool (B, K).
        """
        there = seconds[:, :, None].expand(projected.shape[:3]).float()
        return self._choice(projected, there)[:, : len(LEVELS)].softmax(-1)

    def level_shift(self, amounts: Tensor) -> Tensor:
        """Return (B, L): so much (B, 5) of each level word's direction, in lengths of a word."""
        return self._length * amounts @ self.directions[: len(LEVELS)]
