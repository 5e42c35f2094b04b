#!/usr/bin/env bash
# make mutation: change the losses and the statistics, one operator or number at a time, in a copy of the last commit,
# and list the changes that no test notices. Kernels are left out: each change would be compiled anew, for a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
targets=(
  "losses/_inputs.py tests/losses/test_inputs.py tests/losses/test_pixelwise.py tests/losses/test_contract.py"
  "losses/pixelwise.py tests/losses/test_pixelwise.py"
  "losses/overlap.py tests/losses/test_overlap.py"
  "losses/combined.py tests/losses/test_combined.py"
  "experiments/frontier/score_codes.py tests/frontier/test_score_codes.py"
  "experiments/frontier/pr_curve.py tests/frontier/test_pr_curve.py tests/frontier/test_score_properties.py"
  "experiments/frontier/operating_point.py tests/frontier/test_operating_point.py tests/frontier/test_score_properties.py"
  "experiments/frontier/two_way_tail.py tests/frontier/test_two_way_tail.py"
  "experiments/frontier/paired_difference.py tests/frontier/test_paired_difference.py tests/frontier/test_statistics_properties.py"
  "experiments/frontier/verdict_tests.py tests/frontier/test_verdict.py tests/frontier/test_statistics_properties.py"
  "experiments/frontier/verdict.py tests/frontier/test_verdict.py tests/frontier/test_statistics_properties.py"
)
tools=$(dirname "$PYTHON")
copy=build/mutation
rm -rf "$copy" && mkdir -p "$copy"
git archive HEAD | tar -x -C "$copy"
cd "$copy"
for target in "${targets[@]}"; do
  read -r file tests <<<"$target"
  [[ -z "${1:-}" || "$1" == "$file" ]] || continue
  name=$(basename "$file" .py)
  cat > "$name.toml" <<EOF
[cosmic-ray]
module-path = "$file"
timeout = 120.0
excluded-modules = []
test-command = "$PYTHON -m pytest -q -x -p no:cacheprovider $tests"
[cosmic-ray.distributor]
name = "local"
EOF
  "$tools/cosmic-ray" init "$name.toml" "$name.sqlite"
  "$tools/cosmic-ray" baseline "$name.toml"
  "$tools/cosmic-ray" exec "$name.toml" "$name.sqlite"
  "$tools/cr-report" --surviving-only --show-diff "$name.sqlite"
done
