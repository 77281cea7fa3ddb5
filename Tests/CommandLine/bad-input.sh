#!/usr/bin/env bash
# What users get wrong: every case has its exit code and one line that says what to do, and leaves nothing behind.
set -uo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
tool=$root/.build/release/isa-patch
sample=$root/Adapters/sample-editor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$sample/editor.onnx" "$sample/striped-balls.mp4" "$work"
cd "$work"
export ISA_ORT_LIBRARY=$root/.deps/onnxruntime/lib ISA_ADAPTERS=$root/Adapters
passed=0 failed=0

verdict() { # name, whether it is good, what was seen
  if [ "$2" = yes ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED $1: $3"; fi
}

refused() { # name, exit code, words of the message, command
  local name=$1 code=$2 words=$3 before after status lines
  shift 3
  before=$(ls -A)
  "$@" >stdout.txt 2>stderr.txt </dev/null
  status=$?
  lines=$(grep -c . stderr.txt)
  local text
  text=$(cat stderr.txt)
  local empty=no
  [ -s stdout.txt ] || empty=yes
  rm -f stdout.txt stderr.txt
  after=$(ls -A)
  if [ "$status" = "$code" ] && [ "$lines" = 1 ] && [ "$empty" = yes ] && [ "$before" = "$after" ] && [[ $text == *"$words"* ]]; then
    verdict "$name" yes ""
  else
    verdict "$name" no "exit $status (asked $code), $lines lines, left $(comm -13 <(echo "$before") <(echo "$after") | tr '\n' ' '): $text"
  fi
}

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

if command -v clang >/dev/null; then
  cat >old.c <<'C'
typedef struct { const void *(*api)(unsigned); const char *(*version)(void); } base;
static const void *api(unsigned v) { return v > 16 ? 0 : (const void *)1; }
static const char *version(void) { return "1.16.0"; }
const base *OrtGetApiBase(void) { static const base b = {api, version}; return &b; }
C
  clang -shared -fPIC -o old.so old.c
  refused "ONNX Runtime too old" 69 "1.16.0" \
    env ISA_ORT_LIBRARY="$work/old.so" "$tool" run editor.onnx --clip striped-balls.mp4 --edit mirror -o o.mp4
fi

"$tool" run editor.onnx >/dev/null 2>&1
[ $? = 64 ] && verdict "usage" yes "" || verdict "usage" no "another code"
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

for when in 1 4; do
  before=$(ls -A)
  "$tool" run editor.onnx --clip striped-balls.mp4 --edit mirror --steps 200 -o i.mp4 >/dev/null 2>&1 &
  pid=$!
  sleep "$when"
  kill -INT "$pid"
  start=$(date +%s%N)
  wait "$pid"
  status=$?
  elapsed=$((($(date +%s%N) - start) / 1000000))
  after=$(ls -A)
  [ "$status" = 130 ] && [ "$before" = "$after" ] && [ "$elapsed" -lt 1000 ] && verdict "Ctrl-C after $when s" yes "" \
    || verdict "Ctrl-C after $when s" no "exit $status after $elapsed ms"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
