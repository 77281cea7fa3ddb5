#!/usr/bin/env bash
# Every form of Tests/Fixtures/forms, patched, in old and new ONNX Runtimes: it loads, and gives what the original gives.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for model in Tests/Fixtures/forms/*.onnx; do
  code=0
  .build/release/isa-patch patch "$model" -o "$folder/$(basename "$model")" --min-tokens 1 --only '*' --quiet \
    >/dev/null 2>"$folder/error" || code=$?
  # 2: nothing was replaced.
  [ "$code" = 0 ] || [ "$code" = 2 ] || { echo "$model ended with $code:" >&2; cat "$folder/error" >&2; exit 1; }
done
for version in 1.17.3 1.22.1 1.31.1 1.32.0; do
  Tests/Python/make-environment.sh "$version"
  ".deps/python/onnxruntime-$version/bin/python" Tests/CommandLine/forms.py "$folder" .build/release/libisa_ops.so
done
