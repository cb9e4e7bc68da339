#!/bin/sh
# sbatch slurm.sh: an array of eight tasks, each an eighth of the pages. Evaluate before, collect
# after (--dependency=afterany:<job>), as in the other examples.
#SBATCH --array=1-8
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --signal=TERM@30
exec stockcust report /srv/extracts --quarter 2026Q3 --shard "$SLURM_ARRAY_TASK_ID/8" --out /srv/reports
