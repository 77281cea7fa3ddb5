#!/usr/bin/env bash
# Every form of a mask, and real exports of masked attention, patched, in old and new ONNX Runtimes: they give what the
# original gives for every content of the mask, or stay with the reason that is expected.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
Tests/Python/make-environment.sh 1.31.1
.deps/python/onnxruntime-1.31.1/bin/python Tests/CommandLine/masks.py patch "$folder" .build/release/isa-patch
for version in 1.17.3 1.22.1 1.32.0; do
  Tests/Python/make-environment.sh "$version"
  ".deps/python/onnxruntime-$version/bin/python" Tests/CommandLine/masks.py compare "$folder" .build/release/libisa_ops.so
done
.deps/python/onnxruntime-1.31.1/bin/python Tests/CommandLine/masks.py portable "$folder" .build/release/isa-patch
