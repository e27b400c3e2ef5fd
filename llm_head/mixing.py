"""Several data sets in one training: how often each one's videos come."""

import random
from collections.abc import Mapping, Sequence


class Mix:
    """The order in which a turn, an epoch for instance, goes through videos of several sets.

    A set of n videos and weight w has round(n w) places in every turn, at least one. The places go
    through the set again and again, and on from turn to turn, each time in a new order; so at 0.5
    every video comes every other turn, and at 2 twice a turn. Nothing but seed, turn and the videos
    decides, so a turn can be looked at by itself, as after a kill.
    """

    def __init__(self, datasets: Sequence[str], weights: Mapping[str, float], seed: int) -> None:
        """Count the places.

        Args:
            datasets: of each video.
            weights: by data set; 1 for one that is not named.
        """
        self._seed = seed
        members: dict[str, list[int]] = {}
        for index, name in enumerate(datasets):
            members.setdefault(name, []).append(index)
        self._members = members
        self._places = {
            name: max(1, round(len(found) * weights.get(name, 1.0)))
            for name, found in members.items()
        }
        self._plain = all(weights.get(name, 1.0) == 1 for name in members)
        self._size = len(datasets)
        self._turn, self._laid_out = -1, [(0, 0)]

    def __len__(self) -> int:
        return self._size if self._plain else sum(self._places.values())

    def at(self, place: int, turn: int) -> tuple[int, int]:
        """Return the video at a place of a turn, and how often it came before, ever."""
        if self._plain:
            return place, turn
        if turn != self._turn:
            self._turn, self._laid_out = turn, self._lay_out(turn)
        return self._laid_out[place]

    def _lay_out(self, turn: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for name, places in self._places.items():
            first, size = turn * places, len(self._members[name])
            begun = first // size
            passes = [
                (index, time)
                for time in range(begun, (first + places - 1) // size + 1)
                for index in self._order(name, time)
            ]
            found += passes[first - begun * size :][:places]
        return found

    def _order(self, name: str, time: int) -> list[int]:
        order = list(self._members[name])
        random.Random(f"{self._seed}/{name}/{time}").shuffle(order)
        return order
