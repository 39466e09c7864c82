#!/bin/bash
# Runs the short tests N times beside two busy loops, which it starts and ends itself: what a busy machine breaks is no
# test. Prints what failed and how often, and writes that to bench/flaky.txt.
# Usage: scripts/flaky.sh [N]    N is 5 unless said; ARGS= goes to pytest.
set -euo pipefail

cd "$(dirname "$0")/.."
runs=${1:-5}
report=bench/flaky.txt
work=$(mktemp -d)
loops=()

finish() {
    [ ${#loops[@]} = 0 ] || kill "${loops[@]}" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

scripts/setup.sh dev
scripts/install-test-packages.sh
for _ in 1 2; do
    (while :; do :; done) &
    loops+=($!)
done

passed=0
for run in $(seq "$runs"); do
    status=0
    ARGS="-q ${ARGS:-}" scripts/test.sh short >"$work/$run.txt" 2>&1 || status=$?
    [ "$status" != 0 ] || passed=$((passed + 1))
    echo "run $run: $(tail -n 1 "$work/$run.txt")" | tee -a "$work/runs"
done

{
    echo "The short tests beside two busy loops on $(nproc) processors: $passed of $runs runs passed."
    cat "$work/runs"
    echo
    # What failed, most often first: "FAILED test/x.py::test_y - why" without the reason, which may name this machine.
    sed -n 's/^\(FAILED\|ERROR\) \([^ ]*\).*/\2/p' "$work"/[0-9]*.txt | sort | uniq -c | sort -rn
} | sed "s#$PWD/##g" | tee "$report"

if [ "$passed" != "$runs" ]; then
    echo "flaky: what the failed runs said:"
    for run in $(seq "$runs"); do
        grep -q '^FAILED\|^ERROR' "$work/$run.txt" && cat "$work/$run.txt"
    done
    exit 1
fi
