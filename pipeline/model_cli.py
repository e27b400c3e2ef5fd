"""Commands `lmm-vqa model …`: a checkpoint as something to give away."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Pack, push and pull tuned models.")

MODEL = Path("results/model")
Folder = Annotated[Path, typer.Argument(help="folder of the checkpoint")]


@app.command()
def pack(
    out: Annotated[Path, typer.Argument(help="new folder")],
    model: Annotated[Path, typer.Option(help="folder of the checkpoint")] = MODEL,
) -> None:
    """Copy a checkpoint with the weights of LLM and encoders, so that the folder is enough."""
    from pipeline import layout
    from pipeline.model_folder import pack as run
    from pipeline.report.results import read_json
    from pipeline.report.table import table

    # the project's metrics are those of the project's own model
    has_metrics = model == layout.MODEL and layout.METRICS.is_file()
    run(model, out, table(read_json(layout.METRICS, "evaluate")) if has_metrics else None)


@app.command()
def push(
    folder: Folder,
    repository: Annotated[str, typer.Argument(help="OWNER/NAME on the Hugging Face hub")],
    public: Annotated[bool, typer.Option("--public", help="if it is new: for all to see")] = False,
) -> None:
    """Upload a checkpoint's folder to the Hugging Face hub."""
    from pipeline.model_folder import push as run

    print(run(folder, repository, private=not public))


@app.command()
def pull(
    repository: Annotated[str, typer.Argument(help="OWNER/NAME on the Hugging Face hub")],
    out: Annotated[Path, typer.Argument(help="folder to download into")],
    revision: Annotated[str | None, typer.Option(help="branch, tag or commit")] = None,
) -> None:
    """Download a checkpoint's folder from the Hugging Face hub."""
    from pipeline.model_folder import pull as run

    run(repository, out, revision)
