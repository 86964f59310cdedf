#!/bin/sh
# Every smoke config through the real command line: validate, train, eval, plot, predict.
set -eu
cd "$(dirname "$0")/../.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for config in configs/smoke/*.yaml; do
    echo "== $config"
    clfkit validate "$config"
    clfkit train "$config" --out "$out" --run-id smoke --json
    run="$out/$(sed -n 's/^name: //p' "$config")/smoke"
    clfkit eval --checkpoint "$run" --split valid --json
    clfkit plot curves --checkpoint "$run" --out "$out/curves.png"
    clfkit plot confusion --checkpoint "$run" --out "$out/confusion.svg"
done
clfkit predict --checkpoint "$out/smoke-table/smoke" configs/tables/sightings.csv --out "$out/predictions.csv"
clfkit gradcheck configs/smoke/scratch.yaml --entries 5
clfkit eval --checkpoint "$out/smoke-scratch/smoke" --set engine=torch --json
clfkit runs --out "$out"
echo "all smoke runs passed"
