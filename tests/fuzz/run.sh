#!/bin/bash
# run.sh FUZZER CORPUS SECONDS: from the kept corpus on. What it finds stays in its own folder, which is printed if it fails.
set -u
found=$(mktemp -d)
"$1" -max_total_time="$3" -timeout=30 -rss_limit_mb=3000 -print_final_stats=1 -artifact_prefix="$found/" "$found" "$2" \
  > "$found/log" 2>&1
code=$?
grep -E "stat::number_of_executed_units|stat::new_units" "$found/log"
if ((code)); then
  tail -60 "$found/log"
  echo "found in $found"
else
  rm -rf "$found"
fi
exit $code
