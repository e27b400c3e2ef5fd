"""This project's models for lmms-eval, a harness of benchmarks: `lmms-eval --model lmm_vqa`.

lmms-eval finds the model by the entry point `lmms_eval.models` of setup.cfg, without being imported
by anything else here. It names video files; they are encoded and asked about as by `lmm-vqa ask`.

Written against lmms-eval 0.7.3: lmms_eval/api/model.py, models/registry_v2.py.
"""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lmms_eval.api.model import lmms
from lmms_eval.models.registry_v2 import ModelManifest
from tqdm import tqdm

from llm_head.ask import MOST_TOKENS
from pipeline import layout
from pipeline.scoring import Scorer


class LmmsEvalError(ValueError):
    """lmms-eval asks for what this model cannot do."""


def manifest() -> ModelManifest:
    """Return what lmms-eval has to know to make the model."""
    return ModelManifest(
        model_id="lmm_vqa", simple_class_path="pipeline.lmms_eval_model.LmmVqaModel"
    )


class LmmVqaModel(lmms):  # type: ignore[misc]
    """A tuned head as a model of lmms-eval, one video a request.

    Args:
        pretrained: folder of the checkpoint.
        cache: folder of tokens, used and filled; without, tokens are kept until the end of the run.
        device: auto, cpu or cuda; lmms-eval's own cuda:0 is understood, too.
        batch_size: not used: every video has a pass of its own, so that answers never depend on it.
    """

    is_simple = True

    def __init__(
        self,
        pretrained: str = str(layout.MODEL),
        cache: str | None = None,
        device: str | None = "auto",
        batch_size: int | str | None = 1,
        **unknown: Any,
    ) -> None:
        """Load the checkpoint.

        Raises:
            LmmsEvalError: if there are arguments of other names.
        """
        super().__init__()
        given = {name: value for name, value in unknown.items() if value is not None}
        given.pop("max_batch_size", None)  # lmms-eval gives it to every model
        if given:
            raise LmmsEvalError(f"--model_args: wanted pretrained, cache, device; found {given}")
        self._scratch = TemporaryDirectory(prefix="lmm-vqa-") if cache is None else None
        folder = Path(self._scratch.name if self._scratch else str(cache))
        where = (device or "auto").partition(":")[0]
        self._scorer = Scorer(pretrained, device=where, cache=folder)  # type: ignore[arg-type]
        self.device = torch.device("cpu" if where == "auto" else where)

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Return the log-probability of each request's continuation, and whether it is greedy.

        The continuation is the whole answer, to the end of its turn. It counts as greedy if the
        model writes just it.
        """
        found = []
        for request in tqdm(requests, desc="loglikelihood"):
            context, wanted, to_visual, doc_id, task, split = request.args
            doc = self.task_dict[task][split][doc_id]
            continuation = (wanted(doc) if callable(wanted) else str(wanted)).strip()
            video = _video(to_visual(doc))
            (log_p,) = self._scorer.likelihoods(video, context, [continuation])
            written = self._scorer.ask(video, context)
            found.append((log_p, written == continuation))
        return found

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Return the answer to each request, written greedily whatever sampling is asked for."""
        found = []
        for request in tqdm(requests, desc="generate_until"):
            context, settings, to_visual, doc_id, task, split = request.args
            video = _video(to_visual(self.task_dict[task][split][doc_id]))
            most = int(settings.get("max_new_tokens", MOST_TOKENS))
            text = self._scorer.ask(video, context, most)
            until = settings.get("until") or []
            for stop in [until] if isinstance(until, str) else until:
                text = text.partition(stop)[0] if stop else text
            found.append(text)
        return found

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Refuse: a later round would show other videos than the first.

        Raises:
            LmmsEvalError: always.
        """
        raise LmmsEvalError("lmm_vqa answers one question about one video; no rounds")


def _video(visuals: Any) -> str:
    """Return the one video file of a request.

    Raises:
        LmmsEvalError: if there is none, or another number, or pictures instead.
    """
    found = list(chain.from_iterable(v if isinstance(v, list | tuple) else [v] for v in visuals))
    if len(found) != 1 or not isinstance(found[0], str | Path):
        kinds = [type(visual).__name__ for visual in found]
        raise LmmsEvalError(f"lmm_vqa needs the path of one video file a request, found {kinds}")
    return str(found[0])
