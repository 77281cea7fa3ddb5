#!/usr/bin/env bash
# What users get wrong: every case has its exit code and one line that says what to do, and leaves nothing behind.
set -uo pipefail
source "$(dirname "$0")/Support/checks.bash"

# Inputs
"$tool" editor.onnx -o patched.onnx --quiet >/dev/null || exit 1
echo "not a model" >text.onnx
for n in 1 100 5000 500000; do head -c "$n" editor.onnx >"cut-$n.onnx"; done
head -c 5000 /dev/urandom >noise.mp4
echo "{}" >empty.json
# One tensor whose data stands outside of the folder: graph { initializer { dims: 1 data_type: FLOAT name: "w"
# external_data { key: "location" value: "../w" } data_location: EXTERNAL } }.
python3 - <<'P'
def field(number, payload): return bytes([number << 3 | 2, len(payload)]) + payload
entry = field(1, b"location") + field(2, b"../w")
tensor = b"\x08\x01\x10\x01" + field(8, b"w") + field(13, entry) + b"\x70\x01"
open("outside.onnx", "wb").write(b"\x08\x08" + field(7, field(2, b"g") + field(5, tensor)) + field(8, b"\x10\x11"))
P
mkdir folder

refused "no such model" 66 "missing.onnx" "$tool" missing.onnx
refused "not ONNX" 65 "text.onnx" "$tool" text.onnx
for n in 1 100 5000 500000; do refused "truncated at $n" 65 "cut-$n.onnx" "$tool" "cut-$n.onnx" -o o.onnx; done
refused "external data outside the folder" 65 "w" "$tool" outside.onnx -o o.onnx
refused "segments that do not add up" 65 "--segments" "$tool" editor.onnx --segments target=5,context=7 -o o.onnx
refused "no profile" 66 "none.json" "$tool" editor.onnx --profile none.json -o o.onnx
refused "a malformed profile" 65 "empty.json" "$tool" editor.onnx --profile empty.json -o o.onnx
refused "patched already" 65 "restore" "$tool" patched.onnx -o o.onnx
refused "restoring an original" 65 "editor.onnx" "$tool" restore editor.onnx -o o.onnx
refused "an output in no folder" 73 "none/o.onnx" "$tool" editor.onnx -o none/o.onnx
refused "an output that is a folder" 73 "folder" "$tool" editor.onnx -o folder
refused "an output that is a device" 73 "regular" "$tool" editor.onnx -o /dev/null
refused "an output where nothing can be made" 73 "/proc/o.onnx" "$tool" editor.onnx -o /proc/o.onnx
refused "a file that may not grow" 74 "free space" bash -c 'ulimit -f 100; exec "$0" editor.onnx -o o.onnx' "$tool"
refused "a clip that may not grow" 74 "free space" bash -c \
  'ulimit -f 1; exec "$0" run editor.onnx --clip striped-balls.mp4 --edit mirror --steps 1 --quiet -o o.mp4' "$tool"
refused "results that nobody can take" 74 "stdout" bash -c 'exec "$0" inspect editor.onnx --quiet >/dev/full' "$tool"
refused "results without a stdout" 74 "stdout" bash -c 'exec "$0" inspect editor.onnx --quiet >&-' "$tool"
refused "no such clip" 66 "none.mp4" "$tool" run editor.onnx --clip none.mp4 --edit mirror -o o.mp4
refused "a clip that does not decode" 65 "noise.mp4" "$tool" run editor.onnx --clip noise.mp4 --edit mirror -o o.mp4
refused "a clip with too few frames" 65 "striped-balls.mp4" \
  "$tool" run editor.onnx --clip striped-balls.mp4 --edit mirror --frames 400 -o o.mp4
refused "an edit that the adapter does not have" 64 "mirror" \
  "$tool" run editor.onnx --clip striped-balls.mp4 --edit sharpen -o o.mp4
refused "a size that the model does not take" 64 "8" \
  "$tool" run editor.onnx --clip striped-balls.mp4 --edit mirror --size 100x100 -o o.mp4
refused "an output of a run in no folder" 73 "none/o.mp4" \
  "$tool" run editor.onnx --clip striped-balls.mp4 --edit mirror -o none/o.mp4
refused "no operator library" 69 "none.so" \
  env ISA_OP_LIBRARY="$work/none.so" "$tool" run patched.onnx --clip striped-balls.mp4 --edit mirror -o o.mp4
refused "no ONNX Runtime" 69 "ISA_ORT_LIBRARY" \
  env ISA_ORT_LIBRARY="$work/none.so" "$tool" run editor.onnx --clip striped-balls.mp4 --edit mirror -o o.mp4
refused "a dial that the model does not have" 64 "calibrate" \
  "$tool" run patched.onnx --clip striped-balls.mp4 --edit mirror --quality 40 -o o.mp4
refused "no GPU in this version" 69 "cuda" \
  "$tool" run editor.onnx --clip striped-balls.mp4 --edit mirror --device cuda -o o.mp4

cat >old.c <<'C'
typedef struct { const void *(*api)(unsigned); const char *(*version)(void); } base;
static const void *api(unsigned v) { return v > 16 ? 0 : (const void *)1; }
static const char *version(void) { return "1.16.0"; }
const base *OrtGetApiBase(void) { static const base b = {api, version}; return &b; }
C
# The compiler that every Swift toolchain has.
"$(dirname "$(readlink -f "$(command -v swift)")")/clang" -shared -fPIC -o old.so old.c
refused "ONNX Runtime too old" 69 "1.16.0" \
  env ISA_ORT_LIBRARY="$work/old.so" "$tool" run editor.onnx --clip striped-balls.mp4 --edit mirror -o o.mp4

# Command lines
refused "no model" 64 "<model>" "$tool"
refused "an unknown option" 64 "'isa-patch patch --help'" "$tool" editor.onnx --frobnicate
refused "a second model" 64 "'b.onnx'" "$tool" patch editor.onnx b.onnx
refused "an unknown mode" 64 "exact" "$tool" editor.onnx --mode approximate
refused "a mode and a profile" 64 "not both" "$tool" editor.onnx --mode exact --profile p.json
refused "segments that are none" 64 "target=2048:8x16x16" "$tool" editor.onnx --segments everything -o o.onnx
refused "a name of no site" 64 "blocks.0" "$tool" editor.onnx --only nothing -o o.onnx
refused "a clip and arrays" 64 "or --inputs" "$tool" run editor.onnx --clip a.mp4 --inputs a.npz -o o.npz
refused "no output of a run" 64 "--output" "$tool" run editor.onnx --clip striped-balls.mp4
refused "an ending that says nothing" 64 ".mp4" "$tool" run editor.onnx --clip striped-balls.mp4 -o o.xyz
refused "a size that is none" 64 "--size" "$tool" run editor.onnx --clip striped-balls.mp4 --size 10 -o o.mp4
refused "no steps" 64 "--steps" "$tool" run editor.onnx --clip striped-balls.mp4 --steps 0 -o o.mp4
refused "two targets" 64 "one target" "$tool" calibrate editor.onnx --clips a.mp4 --target-psnr 35 --max-error 0.1
refused "no clips to calibrate on" 64 "--clip" "$tool" calibrate editor.onnx
refused "one clip twice" 64 "same file name" \
  "$tool" compare editor.onnx patched.onnx --clips striped-balls.mp4 ./striped-balls.mp4 --edit mirror

"$tool" patch editor.onnx --dry-run -o dry.onnx --quiet >/dev/null && [ ! -e dry.onnx ] \
  && verdict "dry run" yes "" || verdict "dry run" no "a file was written"
"$tool" editor.onnx --only 'blocks.0' --except 'blocks.0' -o same.onnx --quiet >/dev/null 2>&1
[ $? = 2 ] && cmp -s editor.onnx same.onnx && verdict "nothing to replace" yes "" \
  || verdict "nothing to replace" no "not the same bytes, or not exit 2"
rm -f same.onnx
"$tool" inspect editor.onnx --json | python3 -c 'import json, sys; assert len(json.load(sys.stdin)["sites"]) == 6' \
  && verdict "one document" yes "" || verdict "one document" no "not JSON"
"$tool" inspect editor.onnx --quiet 2>stderr.txt >/dev/null
[ -s stderr.txt ] && verdict "quiet" no "$(cat stderr.txt)" || verdict "quiet" yes ""
rm -f stderr.txt

finish
