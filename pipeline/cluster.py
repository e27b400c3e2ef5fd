"""Where extraction runs: this process, a Dask cluster of this machine, or an existing scheduler."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import torch
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, performance_report

from pipeline.settings import RunSettings

log = logging.getLogger(__name__)


class ClusterError(RuntimeError):
    """Dask's scheduler cannot be reached, was lost, or is needed and not there."""


def device(run: RunSettings) -> str:
    """Return the torch device that encoders run on; on a cluster with dask-cuda, its own GPU."""
    if run.device != "auto":
        return run.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def workers(run: RunSettings) -> int:
    """Return how many local workers to start: one per GPU, or one per core."""
    if run.workers:
        return run.workers
    return torch.cuda.device_count() if device(run) == "cuda" else CPU_COUNT


def at_once(run: RunSettings) -> int:
    """Return how many videos a local worker decodes at a time.

    On a CPU one, which its core encodes, too. On a GPU one per core that the worker has, for one
    core decodes less than a GPU encodes.
    """
    return max(1, CPU_COUNT // workers(run)) if device(run) == "cuda" else 1


@contextmanager
def connected(run: RunSettings, tasks: int, report: Path | None = None) -> Iterator[Client | None]:
    """Yield a Dask client, or None where the work is done in this process.

    Args:
        run: `scheduler` chooses; a local cluster ends with the context.
        tasks: how many there are; no cluster is started for none, nor more workers than tasks.
        report: HTML file for Dask's own report of the run's performance.

    Raises:
        ClusterError: if the scheduler does not answer, or there is none to report on.
    """
    if run.scheduler == "none" and report:
        raise ClusterError(
            f"{report}: a performance report needs Dask: --scheduler local or tcp://"
        )
    if run.scheduler == "none" or tasks == 0:
        yield None
        return
    with _client(run, tasks) as client:
        log.info(
            "%s, %d workers, dashboard %s",
            client.scheduler.address,
            count_workers(client),
            client.dashboard_link,
        )
        if report is None:
            yield client
        else:
            report.parent.mkdir(parents=True, exist_ok=True)
            with performance_report(filename=str(report)):
                yield client
            log.info("performance report: %s", report)


def count_workers(client: Client) -> int:
    """Return how many workers the scheduler has at this moment."""
    return int(client.scheduler_info()["n_workers"])


def count_threads(client: Client) -> int:
    """Return how many tasks they work on at a time."""
    return int(client.scheduler_info()["total_threads"])


@contextmanager
def _client(run: RunSettings, tasks: int) -> Iterator[Client]:
    if run.scheduler != "local":
        try:
            client = Client(run.scheduler, timeout="10s")
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(
                f"{run.scheduler}: no Dask scheduler answers there ({error}); start one with "
                "`dask scheduler`, see docs/cluster.md"
            ) from error
        with client:
            yield client
        return
    # a video that kills two workers is the video's fault; Dask's default takes four
    settings = {"distributed.scheduler.allowed-failures": 1}
    with (
        tempfile.TemporaryDirectory(prefix="lmm-vqa-") as scratch,
        dask.config.set(settings),
        _local_cluster(run)(
            n_workers=min(workers(run), tasks),
            threads_per_worker=at_once(run),
            local_directory=scratch,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _local_cluster(run: RunSettings) -> type[LocalCluster]:
    """Return the class of cluster that gives each worker its own device."""
    if device(run) == "cuda" and workers(run) > 1:
        from dask_cuda import LocalCUDACluster  # the extra `gpu`

        return LocalCUDACluster  # type: ignore[no-any-return]
    return LocalCluster  # type: ignore[no-any-return]
