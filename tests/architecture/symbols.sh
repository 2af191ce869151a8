#!/usr/bin/env bash
# What the library exports: names of our namespace only, each defined once.
set -euo pipefail
library=$2/libmjolnir.a
if [[ ! -e $library ]]; then
  echo "skipped: $library is not there (a shared build)"
  exit 77
fi

symbols=$(nm -S --defined-only "$library" 2>/dev/null)
strong=$(awk '$3 ~ /^[TDBR]$/ { print $4 }' <<<"$symbols")
if [[ $(wc -l <<<"$strong") -lt 100 ]]; then
  echo "nm found next to nothing in $library"
  exit 1
fi

foreign=$(c++filt <<<"$strong" |
  grep -vE '^((vtable|VTT|typeinfo|typeinfo name|guard variable) for |[a-z-]+ thunk to )?mjolnir(::|_)' |
  grep -vE '^(__odr_asan|_GLOBAL__)' || true)
if [[ -n $foreign ]]; then
  printf 'outside our namespace:\n%s\n' "$foreign"
  exit 1
fi

twice=$(sort <<<"$strong" | uniq -d | c++filt)
if [[ -n $twice ]]; then
  printf 'defined twice:\n%s\n' "$twice"
  exit 1
fi
