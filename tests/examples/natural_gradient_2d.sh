#!/usr/bin/env bash
# natural_gradient_2d prints the numbers that its own first comment states, and
# draws what it says: well-formed, with finite numbers, the same twice, and in
# a file of the given name or the default one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
program=$2/examples/natural_gradient_2d
picture=$folder/picture.svg
diff <(sed -n '/^[^/]/q; s|^//     ||p' "$1/examples/natural_gradient_2d.cpp" |
  tail -n +2) <("$program" "$picture")

fail() {
  echo "$1"
  exit 1
}
[[ ! -e natural_gradient_2d.svg ]] || fail "it wrote a file nobody asked for"
"$program" >/dev/null
cmp "$picture" natural_gradient_2d.svg

[[ $(head -c 4 "$picture") == "<svg" && $(tail -n 1 "$picture") == "</svg>" ]] ||
  fail "not an <svg>"
if grep -nE '(nan|inf)\b' "$picture"; then fail "a number is not finite"; fi

# has COUNT TEXT: so often, or at least so often with a +
has() {
  local count
  count=$(grep -cF -e "$2" "$picture" || true)
  [[ $count -eq ${1%+} || ($1 == *+ && $count -gt ${1%+}) ]] ||
    fail "expected '$2' $1 times, got $count"
}
has 1 "prefers-color-scheme: dark"
has 1 ">w1, the first weight</text>"
has 1 ">w2, the second weight</text>"
has 9 "<path class='loss' d='M"    # eight levels, and the legend's
has 2 "<path class='flat' d='M"
has 40+ "<path class='fisher' d='M"
# A line and a piece of the legend for each walk, and a dot for each point.
points=(82 13 20 9)
for walk in 1 2 3 4; do
  has 2 "<path class='walk$walk' d='M"
  has "${points[walk - 1]}" "<circle class='walk$walk'"
done
for text in "gradient descent: 81" "Newton: leaves after 12" "K-FAC: 19" \
  "natural gradient: 8" start minimum "Fisher matrix" "Hessian singular"; do
  has 1 ">$text</text>"
done

if "$program" /nowhere/picture.svg 2>error; then fail "it wrote to nowhere"; fi
grep -qF "/nowhere/picture.svg" error
