#!/usr/bin/env bash
# The operator library in Python's ONNX Runtime, old and new: an environment for each version under .deps/python, made
# once, then the tests in each. ISA_ORT_VERSIONS="1.31.1" runs fewer.
set -euo pipefail
cd "$(dirname "$0")/../.."

library=${1:-$PWD/.build/release/libisa_ops.so}
[ -e "$library" ] || { echo "$library is missing; run 'swift build -c release --product isa_ops'" >&2; exit 1; }

status=0
for version in ${ISA_ORT_VERSIONS:-1.16.3 1.17.3 1.22.1 1.31.1 1.32.0}; do
  Tests/Python/make-environment.sh "$version"
  ".deps/python/onnxruntime-$version/bin/python" Tests/Python/test_op_library.py "$library" || status=1
done
exit "$status"
