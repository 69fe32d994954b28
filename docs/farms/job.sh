#!/usr/bin/env bash
# One job of a farm: line N of jobs.txt holds the arguments of lora-workbench.
#
#     FARM=/shared/farm job.sh N
#
# Every job may be started any number of times, on any machine, also while it still runs elsewhere: what is finished is
# found in the shared run store, what was interrupted goes on, and of two that do the same one waits for the other.
set -euo pipefail

farm=${FARM:?the folder with jobs.txt, on a disk that all machines share}
number=${1:?the number of a line of jobs.txt}

# xargs takes quotes as a shell does, and expands nothing.
mapfile -t words < <(sed -n "${number}p" "$farm/jobs.txt" | xargs -r -n 1 printf '%s\n')
if ((${#words[@]} == 0)); then
    echo "job.sh: $farm/jobs.txt has no line $number" >&2
    exit 2
fi

mkdir -p "$farm/logs"
cd "$farm"
exec lora-workbench "${words[@]}" --output "$farm/output" --json >"$farm/logs/$number.json"
