#!/usr/bin/env bash
# What the documents point at is there: every relative link of a Markdown file,
# and in the file behind it every name that stands directly after the link, as
#
#   [damping.cpp](../curvature/damping.cpp) `split_damping`, `damping_floor`
#
# Planted mistakes prove that it looks.
# shellcheck disable=SC2016  # backquotes are what Markdown has around code
set -euo pipefail
source_dir=$1

# text FILE: one line, without blocks of code between fences
text() {
  awk '/^```/ { fenced = !fenced; next } !fenced' "$1" | tr -s '\n ' '  '
}

# check ROOT: prints each link that leads nowhere and each name that is missing
check() {
  local root=$1 file target pair name
  while IFS= read -r file; do
    while IFS= read -r target; do
      [[ $target =~ ^([a-z]+:|#|$) || -e $(dirname "$file")/${target%%#*} ]] ||
        echo "$file: no $target"
    done < <(text "$file" | sed 's/`[^`]*`//g' | grep -oE '\]\([^) ]*\)' |
      sed -E 's/^..(.*).$/\1/')
    # Names: `one`, or `one`, `two`, and `three`.
    while IFS= read -r pair; do
      target=${pair%%)*}
      [[ -f $(dirname "$file")/$target ]] || continue
      while IFS= read -r name; do
        grep -qwF -e "$name" "$(dirname "$file")/$target" ||
          echo "$file: no $name in $target"
      done < <(grep -oE '`[^`]+`' <<<"${pair#*)}" | tr -d '`')
    done < <(text "$file" | sed 's/](/\n/g' |
      grep -oE '^[^)`:]+\.(cpp|h|py)\) `[^`]+`(,? (and )?`[^`]+`)*')
  done < <(find "$root" \( -name 'build*' -o -name '.*' -o -name runs \) \
    -not -path "$root" -prune -o -type f -name '*.md' -print)
}

found=$(check "$source_dir")
[[ -z $found ]] || { echo "$found"; exit 1; }

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
echo 'int one, two;' >"$planted/a.h"
cat >"$planted/a.md" <<'END'
[here](a.h) `one`, `two` and [`a.h`](a.h)
`three`, `one`
and `four`; [gone](b.h), [web](https://example.org/b.h), `[](c.h)`, [part](b.md#c)
```cpp
[](int d.h) {}
```
END
found=$(check "$planted" | sed 's/.*: //' | sort | tr '\n' ',')
if [[ $found != 'no b.h,no b.md#c,no four in a.h,no three in a.h,' ]]; then
  echo "the check overlooks or invents a mistake: $found"
  exit 1
fi
