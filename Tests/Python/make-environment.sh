#!/usr/bin/env bash
# The Python that acceptance and the README's snippet run in: .deps/python/onnxruntime-1.31.1, made once.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=.deps/python/onnxruntime-1.31.1
if [ ! -e "$folder/ready" ]; then
  echo "Preparing Python with ONNX Runtime 1.31.1" >&2
  mkdir -p .deps/python
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
    onnxruntime==1.31.1 numpy==2.2.6 onnx==1.18.0
  touch "$folder/ready"
fi
