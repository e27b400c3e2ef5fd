"""Any folder of videos, with a CSV table of labels or without labels.

Columns by name: the video's (`filename_column`), its MOS (`mos_column`, on `mos_min`..`mos_max`)
and, where there are any, mos_std, n_ratings, split, fold, content, impairment, severity, motion and
mos_source.
"""

from pipeline.labels import Labels, read_folder
from pipeline.settings import DatasetSettings


def read(settings: DatasetSettings, seed: int) -> Labels:
    """Return the labels of the folder; see `pipeline.labels.read_folder`."""
    return read_folder(settings, seed)
