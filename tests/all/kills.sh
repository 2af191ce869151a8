#!/usr/bin/env bash
# Kills a run at random moments, also while it saves, resumes it until it is
# done, and compares it with one that was never killed: the same bytes.
# usage: kills.sh SOURCE BUILD [TRIALS]
set -euo pipefail
build=$2
trials=${3:-10}
program=$build/examples/train_resnet
[[ -x $program ]] || { echo "the examples are not built"; exit 77; }
RANDOM=${SEED:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Four epochs of eight steps, a checkpoint after each step.
options=(--data synthetic --validation 1000 --model mlp --width 24
  --optimizer thor --frequency 3 --refresh-rule thor --epochs 4 --log-every 3
  --checkpoint-every 1 --threads 1)

without_times() {
  sed -E 's/,[^,]*,[^,]*$//' "$1"
}

begun=$(date +%s%N)
"$program" "${options[@]}" --out whole >whole.log 2>&1
span=$((($(date +%s%N) - begun) / 1000000))
without_times whole/metrics.csv >whole.csv

kills=0
resumed=0
for ((trial = 1; trial <= trials; ++trial)); do
  rm -rf run
  arguments=("${options[@]}" --out run)
  for ((part = 1; ; ++part)); do
    "$program" "${arguments[@]}" >run.log 2>&1 &
    process=$!
    # The fifth part is left alone, so that a trial ends.
    if ((part < 5)); then
      delay=$((RANDOM % span + 1))
      sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
      kill -9 "$process" 2>/dev/null && kills=$((kills + 1))
    fi
    code=0
    wait "$process" 2>/dev/null || code=$?
    if ((code == 0)); then
      break
    fi
    if ((code != 137)); then
      echo "trial $trial, part $part: exit code $code"
      cat run.log
      exit 1
    fi
    # Before the first checkpoint there is nothing to go on with.
    if compgen -G 'run/checkpoints/step-*.safetensors' >/dev/null; then
      arguments=(--resume run)
      resumed=$((resumed + 1))
    else
      rm -rf run
      arguments=("${options[@]}" --out run)
    fi
  done
  without_times run/metrics.csv >run.csv
  for pair in run/model.safetensors:whole/model.safetensors run.csv:whole.csv \
    run/decisions.csv:whole/decisions.csv; do
    cmp "${pair%%:*}" "${pair##*:}" || { echo "trial $trial differs"; exit 1; }
  done
done
echo "$trials trials, $kills kills, $resumed resumptions: the same bytes"
((resumed > 0)) || { echo "no run was resumed"; exit 1; }
