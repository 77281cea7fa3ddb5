#!/usr/bin/env bash
# The main job on the model and clips beside this script: calibrate on one clip, edit and compare on another.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=Adapters/sample-editor
tool=.build/release/isa-patch
out=.demo
size=(--frames 16 --size 128x128) # 8,192 tokens
mkdir -p "$out"

show() { # prints a command as a user would type it, then runs it
  echo
  echo "\$ ${*/#$tool/isa-patch}"
  "$@"
}

show "$tool" inspect "$here/editor.onnx"
show "$tool" calibrate "$here/editor.onnx" --clips "$here/rolling-balls.mp4" --edit mirror "${size[@]}" --target-psnr 40 \
  -o "$out/editor.isa.onnx"
show "$tool" run "$out/editor.isa.onnx" --clip "$here/striped-balls.mp4" --edit mirror "${size[@]}" -o "$out/edited.mp4"
echo
echo "Comparing with full attention on the clip that calibration did not see"
"$tool" compare "$here/editor.onnx" "$out/editor.isa.onnx" --clips "$here/striped-balls.mp4" --edit mirror "${size[@]}" \
  --sheet "$out/contact-sheet.png" --json >"$out/compare.json"
"$tool" bench model "$here/editor.onnx" "$out/editor.isa.onnx" "${size[@]}" --json >"$out/bench.json"
"$tool" inspect "$out/editor.isa.onnx" --json --quiet >"$out/inspect.json"
python3 "$here/demo_table.py" "$out"
