"""Extraction on SLURM jobs that are asked for as there is work, by dask-jobqueue.

    pip install 'lmm-vqa[slurm]'
    python docs/cluster/slurm_jobqueue.py DATASET

Run it from the project's root on a node that may submit jobs and sees the shared file system. Set
the queue, the memory and the largest number of jobs for your site below.
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster


def make_cluster() -> SLURMCluster:
    """Return a cluster of jobs of one worker each: one task at a time, on four cores."""
    return SLURMCluster(
        cores=1,  # of Dask's counting: one video at a time in a worker
        processes=1,
        job_cpu=4,
        memory="16GB",
        walltime="04:00:00",
        # queue="gpu", job_extra_directives=["--gpus-per-task=1"],
    )


def main(dataset: str) -> int:
    """Extract, and return the exit code of the command."""
    with make_cluster() as cluster:
        cluster.adapt(minimum_jobs=1, maximum_jobs=32)
        return subprocess.run(
            ["lmm-vqa", "extract", dataset, "--scheduler", cluster.scheduler_address]
        ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
