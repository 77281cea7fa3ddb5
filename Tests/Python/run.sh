#!/usr/bin/env bash
# The operator library in Python's ONNX Runtime, old and new: a virtual environment for each version under .deps/python,
# made once, then the tests in each. ISA_ORT_VERSIONS="1.31.1" runs fewer.
set -euo pipefail
cd "$(dirname "$0")/../.."

library=${1:-$PWD/.build/release/libisa_ops.so}
[ -e "$library" ] || { echo "$library is missing; run 'swift build -c release --product isa_ops'" >&2; exit 1; }

# ONNX Runtime, and what goes with it.
pins() {
  case $1 in
    1.16.3) echo "numpy==1.26.4 onnx==1.16.2" ;;
    1.17.3) echo "numpy==1.26.4 onnx==1.16.2" ;;
    *) echo "numpy==2.2.6 onnx==1.18.0" ;;
  esac
}

environment() {
  local version=$1 folder=.deps/python/onnxruntime-$1
  if [ ! -e "$folder/ready" ]; then
    echo "Preparing Python with ONNX Runtime $version" >&2
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
      "onnxruntime==$version" $(pins "$version")
    touch "$folder/ready"
  fi
}

mkdir -p .deps/python
status=0
for version in ${ISA_ORT_VERSIONS:-1.16.3 1.17.3 1.22.1 1.31.1}; do
  environment "$version"
  ".deps/python/onnxruntime-$version/bin/python" Tests/Python/test_op_library.py "$library" || status=1
done
exit "$status"
