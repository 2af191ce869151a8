#!/usr/bin/env bash
# report.html and compare.html of short runs, looked at in headless Chromium:
# every part, at a desktop's and a phone's width, light and dark. A page with
# planted faults proves that it looks.
set -euo pipefail
export OMP_WAIT_POLICY=passive
look=$1/tests/all/browser/look.py
programs=$2/examples
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
pictures=()
if [[ -n ${MJOLNIR_PICTURES:-} ]]; then  # a folder, to look at them oneself
  pictures=(--pictures "$MJOLNIR_PICTURES")
fi

# train OUT FLAG...
train() {
  "$programs/train_resnet" --data synthetic --model resnet8 --width 4 \
    --batch 64 --epochs 2 --log-every 5 --out "$folder/$1" "${@:2}" \
    >"$folder/$1.txt" 2>&1 || {
    cat "$folder/$1.txt"
    exit 1
  }
}
train thor --report-curvature 10 --refresh-rule thor-stop --frequency 2
train '<b>sgd & co' --optimizer sgd
"$programs/compare" "$folder/thor" "$folder/<b>sgd & co" --accuracy 0.2 0.5 \
  --out "$folder/compare.html" >"$folder/compare.txt"
cat "$folder/compare.txt"

common=(name axes loss accuracy learning-rate damping speed)
parts=("${common[@]}" status best test last-loss progress seconds rate refreshes
  spectra damping-share filters confusion mistakes options surroundings)
python3 "$look" "$folder/thor/report.html" "${parts[@]}" "${pictures[@]}"
python3 "$look" "$folder/compare.html" "${common[@]}" results reached \
  differences validation-accuracy validation-loss "${pictures[@]}"

# A part that is away, a word on the console, something from a network, and
# something too wide: each is told.
sed -e "s/id='spectra'/id='specter'/" \
  -e 's|</main>|<div style="width:2000px">wide</div></main>|' \
  -e 's|"use strict";|"use strict"; console.log("hello"); fetch("http://localhost:9/x").catch(() => {});|' \
  -e "s/default-src 'none'/default-src */" \
  "$folder/thor/report.html" >"$folder/planted.html"
if python3 "$look" "$folder/planted.html" "${parts[@]}" >"$folder/told"; then
  echo "no fault was found where there are four"
  exit 1
fi
for fault in 'there is no #spectra' 'wider than the screen' 'on the console' \
  'it asked for http://localhost:9/x'; do
  grep -q "$fault" "$folder/told" || {
    echo "'$fault' was not told, but:"
    cat "$folder/told"
    exit 1
  }
done
