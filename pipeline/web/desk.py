"""What each open page shows: uploads with their scores, and when an upload is removed."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llm_head import pair
from pipeline.scoring import Failed, Scored, Scorer

Slot = Literal["one", "a", "b"]


@dataclass(frozen=True)
class Upload:
    """A file in one place of one page.

    Attributes:
        path: where it lies, alone in a folder of its own.
        result: its score, or why it has none.
    """

    path: Path
    result: Scored | Failed


class Desk:
    """Scores uploads and removes each when no page shows it any more; used by one thread."""

    def __init__(self, scorer: Scorer, folder: Path) -> None:
        """Take a scorer and the folder in which uploads lie; nothing elsewhere is ever read."""
        self.scorer = scorer
        self._folder = folder.resolve()
        self._shown: dict[tuple[str, Slot], Upload] = {}

    def put(self, session: str, slot: Slot, path: Path) -> Upload:
        """Score a file with its timeline and show it in place of what was there before.

        A file that cannot be scored is removed at once.
        """
        path = path.resolve()
        if self._folder not in path.parents or not path.is_file():
            found: Scored | Failed = Failed(path.name, f"{path.name}: no such upload")
            return self._show(session, slot, Upload(path, found))
        (found,) = self.scorer.scores([path], timeline=True)
        if isinstance(found, Failed):  # a reader knows the name, not where it was put
            found = Failed(path.name, found.error.replace(f"{path.parent}/", ""))
        return self._show(session, slot, Upload(path, found))

    def comparison(self, session: str) -> str:
        """Return which of the videos a and b is better, in words; "" while one is missing."""
        a, b = (self._shown.get((session, slot)) for slot in ("a", "b"))
        if a is None or b is None:
            return ""
        if not isinstance(a.result, Scored) or not isinstance(b.result, Scored):
            return ""
        found = self.scorer.compared(a.result, b.result)
        return pair.words(found, f"A ({a.path.name})", f"B ({b.path.name})")

    def clear(self, session: str, slot: Slot) -> None:
        """Take away what is shown, and its file."""
        gone = self._shown.pop((session, slot), None)
        if gone is not None:
            self._remove(gone.path)

    def leave(self, session: str) -> None:
        """Forget a page that was closed."""
        for owner, slot in [key for key in self._shown if key[0] == session]:
            self.clear(owner, slot)

    def _show(self, session: str, slot: Slot, upload: Upload) -> Upload:
        before = self._shown.get((session, slot))
        self._shown[session, slot] = upload
        if before is not None:
            self._remove(before.path)
        if isinstance(upload.result, Failed):
            self.clear(session, slot)
        return upload

    def _remove(self, path: Path) -> None:
        # the same file of two pages lies in the same place
        if self._folder in path.parents and all(u.path != path for u in self._shown.values()):
            shutil.rmtree(path.parent, ignore_errors=True)
