#!/usr/bin/env bash
# Every form of Tests/Fixtures/forms, patched with --portable, read by tools without the operator's library.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for model in Tests/Fixtures/forms/*.onnx; do
  # Models without sites and those older than functions are refused; the check counts what there is.
  .build/release/isa-patch patch "$model" -o "$folder/$(basename "$model")" --min-tokens 1 --only '*' --portable --quiet \
    >/dev/null 2>&1 || rm -f "$folder/$(basename "$model")"
done
for version in 1.17.3 1.22.1 1.31.1 1.32.0; do
  Tests/Python/make-environment.sh "$version"
  ".deps/python/onnxruntime-$version/bin/python" Tests/CommandLine/portable.py "$folder" .build/release/libisa_ops.so
done
