#!/usr/bin/env bash
# all.kills with 200 trials.
set -euo pipefail
exec bash "$1/tests/all/kills.sh" "$1" "$2" 200
