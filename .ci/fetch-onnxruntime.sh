#!/usr/bin/env bash
# ONNX Runtime's shared library, from its pinned PyPI wheel, into the ignored folder .deps; silent where it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.31.1
checksum=fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3
folder=.deps/onnxruntime/lib
library=$folder/libonnxruntime.so.$version
[ -s "$library" ] && exit 0

command -v python3 >/dev/null || {
  echo "python3 with pip is needed to fetch ONNX Runtime; install python3-pip and python3-venv." >&2
  exit 69
}
mkdir -p "$folder"
work=$(mktemp -d .deps/fetch.XXXXXX)
trap 'rm -rf "$work"' EXIT
echo "Fetching ONNX Runtime $version" >&2
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --dest "$work" "onnxruntime==$version"
python3 - "$work" <<'PYTHON'
import glob, sys, zipfile
work = sys.argv[1]
wheel, = glob.glob(f"{work}/onnxruntime-*.whl")
with zipfile.ZipFile(wheel) as archive:
    name, = (n for n in archive.namelist() if n.split("/")[-1].startswith("libonnxruntime.so.1"))
    data = archive.read(name)
with open(f"{work}/library", "wb") as out:
    out.write(data)
PYTHON
echo "$checksum  $work/library" | sha256sum --check --quiet
chmod 755 "$work/library"
mv "$work/library" "$library"
