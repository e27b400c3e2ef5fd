"""Where extraction runs: this process, a Dask cluster of this machine, or an existing scheduler."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import dask
import torch
from distributed import Client, LocalCluster

from pipeline.settings import RunSettings

log = logging.getLogger(__name__)


def device(run: RunSettings) -> str:
    """Return the torch device that encoders run on; on a cluster with dask-cuda, its own GPU."""
    if run.device != "auto":
        return run.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def workers(run: RunSettings) -> int:
    """Return how many local workers to start: one per GPU, or one per core."""
    if run.workers:
        return run.workers
    return torch.cuda.device_count() if device(run) == "cuda" else len(os.sched_getaffinity(0))


def threads(run: RunSettings) -> int:
    """Return torch's threads in one worker; Dask would leave it one."""
    cores = len(os.sched_getaffinity(0))
    return cores if run.scheduler == "none" else max(1, cores // workers(run))


@contextmanager
def connected(run: RunSettings, tasks: int) -> Iterator[Client | None]:
    """Yield a Dask client, or None where the work is done in this process.

    Args:
        run: `scheduler` chooses; a local cluster ends with the context.
        tasks: how many there are; no cluster is started for none, nor more workers than tasks.
    """
    if run.scheduler == "none" or tasks == 0:
        yield None
    elif run.scheduler == "local":
        # a video that kills two workers is the video's fault; Dask's default takes four
        settings = {"distributed.scheduler.allowed-failures": 1}
        with tempfile.TemporaryDirectory(prefix="lmm-vqa-") as scratch, dask.config.set(settings):
            cluster_class, count = _local_cluster(run), min(workers(run), tasks)
            with (
                cluster_class(
                    n_workers=count,
                    threads_per_worker=1,
                    local_directory=scratch,
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.ERROR,
                ) as cluster,
                Client(cluster) as client,
            ):
                log.info("%d workers, dashboard %s", count, client.dashboard_link)
                yield client
    else:
        with Client(run.scheduler) as client:
            log.info("scheduler %s, dashboard %s", run.scheduler, client.dashboard_link)
            yield client


def _local_cluster(run: RunSettings) -> type[LocalCluster]:
    """Return the class of cluster that gives each worker its own device."""
    if device(run) == "cuda" and workers(run) > 1:
        from dask_cuda import LocalCUDACluster  # the extra `gpu`

        return LocalCUDACluster  # type: ignore[no-any-return]
    return LocalCluster  # type: ignore[no-any-return]
