#!/bin/bash
# One worker for each GPU of this machine, joining a scheduler that runs somewhere:
#
#     dask scheduler                                # on one machine; prints tcp://HOST:8786
#     docs/cluster/gpus.sh tcp://HOST:8786          # on each machine with GPUs
#     lmm-vqa extract DATASET --scheduler tcp://HOST:8786
#
# For the GPUs of one machine alone none of this is needed: `lmm-vqa extract DATASET` starts a worker
# per GPU itself (with the extra `gpu`).
set -euo pipefail
address=${1:?usage: docs/cluster/gpus.sh tcp://HOST:PORT}
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
gpus=$(nvidia-smi --query-gpu=index --format=csv,noheader)
# as many videos at a time as there are cores for each GPU: a core decodes less than a GPU encodes
threads=$(($(nproc) / $(wc -w <<<"$gpus")))
for gpu in $gpus; do
  CUDA_VISIBLE_DEVICES=$gpu dask worker "$address" --nthreads "$((threads > 0 ? threads : 1))" --name "$(hostname)-gpu$gpu" &
done
wait
