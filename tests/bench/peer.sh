#!/usr/bin/env bash
# What `./mjolnir bench --peer torch` does, without PyTorch: the driver's
# arithmetic on canned rounds, and each of its rows once, on tiny networks.
set -euo pipefail
# Threads that spin are slow on a machine that does other things too.
export OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() {
  printf '%s\n' "$1" "it printed:"
  cat "$scratch"/printed*
  exit 1
}

python3 "$1/tests/bench/peer_test.py"

# compare ARGUMENT...
compare() {
  python3 "$1/bench/peer/compare.py" --program "$2/bench/peer_work" --alone \
    --small --rounds 2 --steps 1 "${@:3}" >"$scratch/printed" \
    2>"$scratch/printed.errors"
}
compare "$1" "$2" --json "$scratch/run.json" || fail "the rows do not run"
python3 - "$1" "$scratch/run.json" <<'END' || fail "the JSON is not as it should be"
import json
import sys

sys.path.insert(0, sys.argv[1] + "/bench/peer")
from rows import ROWS

with open(sys.argv[2], encoding="utf-8") as file:
    run = json.load(file)
assert run["gemm_peak_min"] <= run["gemm_peak_gflops"] <= run["gemm_peak_max"]
assert run["threads"] == 2 and run["rounds"] == 2
assert run["versions"]["mjolnir"].startswith("Mjolnir ")
names = [row["name"] for row in run["rows"]]
assert len(names) == len(set(names))
for name in ROWS:
    assert any(made.startswith(name) for made in names), name
OWN = {"cifar10_epoch": "bare steps", "thread_scaling": "GEMM",
       "batch_scaling": "cheapest batch", "gflops_w4": "GEMM peak",
       "thor_w16_refresh": "step between"}
for row in run["rows"]:
    assert row["rounds"] == 2 and row["ours"] > 0, row
    if row["ratio"] is None:
        # What PyTorch is not there for; all of these have a target.
        assert row["target"] and row["met"] is None, row
    else:
        assert 0 < row["min"] <= row["ratio"] <= row["max"], row
        assert row["peer"] > 0 and row["peer_variant"], row
    assert row["peer_variant"] == OWN.get(row["name"], row["peer_variant"]), row
    if row["unit"] == "MB":
        assert 5 < row["ours"] < 500, row
END
grep -q '^epoch of 16 made-up images' "$scratch/printed" ||
  fail "it does not say where the images are from"

# The same from files: black images, in the format and number of CIFAR-10.
for i in 1 2 3 4 5; do truncate -s 30730000 "$scratch/data_batch_$i.bin"; done
compare "$1" "$2" --only epoch --data "$scratch" || fail "--data"
grep -q '^epoch of 16 CIFAR-10, a step ' "$scratch/printed" ||
  fail "it does not say that the images are from files"

# Some of the rows, and what cannot be.
compare "$1" "$2" --only '^mlp|^startup$' --check || fail "--only"
[[ $(grep -c ' ms$' "$scratch/printed") -eq 2 ]] || fail "not two rows"
grep -qE 'no run is committed|ratios moved' "$scratch/printed" || fail "--check"
for wrong in '--only nothing' '--only (' '--rounds 0'; do
  # shellcheck disable=SC2086
  if compare "$1" "$2" $wrong; then fail "$wrong is taken"; fi
done
if compare "$1" "$2" --only epoch --data "$scratch/none"; then
  fail "a folder without data is taken"
fi
grep -q '^mjolnir: a workload failed: .*cannot find' "$scratch/printed.errors" ||
  fail "no reason"
for wrong in 'fly' 'step --net nonsense' 'step --width 0'; do
  # shellcheck disable=SC2086
  if "$2/bench/peer_work" $wrong </dev/null >"$scratch/printed" 2>&1; then
    fail "peer_work $wrong"
  fi
done
