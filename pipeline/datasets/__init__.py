"""Adapters: how a data set's labels and files are read. One module each, found by its name.

`datasets.NAME.adapter` in params.yaml names the module. An adapter has `read(settings, seed)`,
which returns `pipeline.labels.Labels`; docs/new-dataset.md shows how to write one.
"""

from importlib import import_module
from pkgutil import iter_modules

from pipeline.labels import Labels, ManifestError
from pipeline.settings import DatasetSettings


def adapters() -> list[str]:
    """Return the names of the adapters that are there."""
    return sorted(module.name for module in iter_modules(__path__))


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of a data set, joined with its files.

    Args:
        settings: of the data set.
        seed: of the split, where `split: random` asks for one.

    Raises:
        ManifestError: if there is no such adapter, or its labels and files do not fit together.
    """
    if settings.adapter not in adapters():
        raise ManifestError(
            f"no adapter {settings.adapter!r} in pipeline/datasets; there are "
            f"{', '.join(adapters())}; csv reads any folder with a table"
        )
    labels: Labels = import_module(f"{__name__}.{settings.adapter}").read(settings, seed)
    return labels
