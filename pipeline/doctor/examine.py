"""The whole examination."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.doctor import machine, places, settings
from pipeline.doctor.check import Check
from pipeline.settings import ParamsError, load

DATA = Path("data")


def examine(params: Path) -> Iterator[Check]:
    """Yield what is found on this machine, in this folder and for these settings."""
    yield from machine.versions()
    yield from machine.pyav()
    yield machine.ffmpeg_program()
    yield machine.gpu()
    yield places.disk("space for data/", DATA)
    yield from places.dvc(Path(), DATA)
    yield from places.hdf5(DATA)
    try:
        loaded = load(params)
    except ParamsError as error:
        yield Check("params.yaml", "problem", str(error), "mend it; what it asks for is unchecked")
        return
    yield Check(params.name, "ok", f"{len(loaded.datasets)} data sets")
    yield machine.hardware_decoding(loaded.run.decode_on)
    yield from settings.datasets(loaded)
    yield from settings.weights(loaded)
    yield settings.scheduler(loaded)
