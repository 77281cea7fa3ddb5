#!/usr/bin/env bash
# Python with ONNX Runtime, ONNX and numpy in .deps/python/onnxruntime-VERSION, made once: make-environment.sh [VERSION].
# Acceptance and the README's snippet run in 1.31.1, the default. VERSION "tools" is 1.31.1 with the tools that models
# go through: simplifiers, and converters to float16.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=${1:-1.31.1}
folder=.deps/python/onnxruntime-$version
# What goes with it.
case $version in
  tools)
    version=1.31.1
    pins=(numpy==2.2.6 onnx==1.18.0 onnxslim==0.1.98 onnxsim==0.8.1 onnxconverter-common==1.16.0 sympy==1.14.0)
    ;;
  1.16.* | 1.17.*) pins=(numpy==1.26.4 onnx==1.16.2) ;;
  *) pins=(numpy==2.2.6 onnx==1.18.0 ml_dtypes==0.5.3 safetensors==0.6.2) ;;
esac
# Made anew where what goes with it has changed.
ready=$folder/ready-$(cksum <<<"${pins[*]}" | cut -d' ' -f1)
if [ ! -e "$ready" ]; then
  echo "Preparing Python with ONNX Runtime $version" >&2
  mkdir -p .deps/python
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
    "onnxruntime==$version" "${pins[@]}"
  touch "$ready"
fi
