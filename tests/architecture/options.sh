#!/usr/bin/env bash
# Every field of an options struct in a public header has a default, so that a
# designated initializer may leave it out without a warning.
set -euo pipefail

# bare_fields FILE...: prints the fields without one
bare_fields() {
  awk '
    FNR == 1 { inside = 0 }
    /^struct [A-Za-z0-9]*Options \{$/ { inside = 1; field = ""; next }
    /^\};/ { inside = 0 }
    !inside { next }
    {
      line = $0
      if (comment) {
        if (line !~ /\*\//) next
        sub(/^.*\*\//, "", line)
        comment = 0
      }
      gsub(/\/\*.*\*\//, "", line)
      sub(/\/\/.*/, "", line)
      if (line ~ /\/\*/) { comment = 1; sub(/\/\*.*/, "", line) }
      field = field line
      if (field ~ /;[ ]*$/) {
        gsub(/^ +/, "", field)
        if (field !~ /=/) print FILENAME ": " field
        field = ""
      }
    }' "$@"
}

planted=$(mktemp)
trap 'rm -f "$planted"' EXIT
cat >"$planted" <<'END'
struct GoodOptions {
  int a = 1;  ///< Not; this.
  /** Nor
   * int this; */
  std::function<void(int)>
      b = {};
};
struct BadOptions {
  std::function<void(int)>
      c;
};
struct Other {
  int d;
};
END
[[ $(bare_fields "$planted" | grep -c 'c;$') -eq 1 &&
  $(bare_fields "$planted" | wc -l) -eq 1 ]] ||
  { echo "the check itself is broken"; exit 1; }

cd "$1"
headers=$(find core io data layers curvature optim models train testing \
  -name '*.h' -not -path '*/detail/*' -not -path '*/kernels/*')
# shellcheck disable=SC2086
found=$(bare_fields $headers)
[[ -z $found ]] || { echo "fields without a default:"; echo "$found"; exit 1; }
