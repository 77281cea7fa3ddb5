#!/usr/bin/env bash
# What the commands print and write where all goes well: documents, tables, help, files.
set -uo pipefail
source "$(dirname "$0")/Support/checks.bash"

one_document() { # name, schema, command: one JSON document on stdout, whatever is said on stderr
  local name=$1 schema=$2 seen
  shift 2
  seen=$("$@" 2>stderr.txt | python3 -c 'import json, sys; print(json.load(sys.stdin)["schema"])' 2>&1)
  [ "$seen" = "$schema" ] && verdict "$name" yes "" || verdict "$name" no "${seen: -200} $(cat stderr.txt)"
}

small=(--edit mirror --frames 4 --size 64x64 --steps 2)
clips=(--clips striped-balls.mp4 "${small[@]}")

# There and back
holds "patch" "$tool" editor.onnx -o patched.onnx
holds "patched files are the same each time" \
  bash -c '"$0" patch editor.onnx -o again.onnx >/dev/null && cmp patched.onnx again.onnx' "$tool"
holds "inspect the patched model" bash -c '[ "$("$0" inspect patched.onnx 2>/dev/null | grep -c exact)" = 6 ]' "$tool"
holds "restore" "$tool" restore patched.onnx -o restored.onnx
holds "the original's bytes" cmp editor.onnx restored.onnx
holds "names without -o" bash -c 'mkdir names && cp editor.onnx names && cd names && "$0" editor.onnx -q >/dev/null &&
  rm editor.onnx && "$0" restore editor.isa.onnx -q >/dev/null && cmp editor.onnx ../editor.onnx' "$tool"

# One document each
one_document "patch --json" isa-patch/inspect/1 "$tool" editor.onnx --dry-run --json
one_document "inspect --json" isa-patch/inspect/1 "$tool" inspect patched.onnx --json --verbose
one_document "calibrate --json" isa-patch/calibrate/1 \
  "$tool" calibrate editor.onnx "${clips[@]}" --min-tokens 16 -o calibrated.onnx --json
one_document "compare --json" isa-patch/compare/1 "$tool" compare editor.onnx calibrated.onnx "${clips[@]}" --json
one_document "run --json" isa-patch/run/1 \
  "$tool" run calibrated.onnx --clip striped-balls.mp4 "${small[@]}" -o edited.mp4 --json
one_document "restore --json" isa-patch/restore/1 "$tool" restore calibrated.onnx -o restored.onnx --json
one_document "bench --json" isa-patch/bench/1 \
  "$tool" bench attention --tokens 256 --heads 1 --case exact --compute float32 --repeats 1 --json
python3 - <<'PYTHON'
import struct, zipfile
def array(values, kind, shape):
    text = repr({"descr": kind, "fortran_order": False, "shape": shape})
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + values
clip = struct.pack("<f", 0.25) * (3 * 4 * 64 * 64)
with zipfile.ZipFile("step.npz", "w") as file:
    file.writestr("sample.npy", array(clip, "<f4", (1, 3, 4, 64, 64)))
    file.writestr("source.npy", array(clip, "<f4", (1, 3, 4, 64, 64)))
    file.writestr("timestep.npy", array(struct.pack("<f", 0.5), "<f4", (1,)))
    file.writestr("edit.npy", array(struct.pack("<q", 5), "<i8", (1,)))
PYTHON
one_document "bench model --inputs --json" isa-patch/bench/1 \
  "$tool" bench model editor.onnx calibrated.onnx --inputs step.npz --repeats 1 --json
one_document "doctor --json" isa-patch/doctor/1 "$tool" doctor --json
holds "a calibrated model's original" cmp editor.onnx restored.onnx
holds "its profile patches the original the same way" bash -c \
  '"$0" editor.onnx --profile calibrated.isa.json --min-tokens 16 -o profiled.onnx >/dev/null && "$0" inspect profiled.onnx --json 2>/dev/null >a &&
   "$0" inspect calibrated.onnx --json 2>/dev/null | sed s/calibrated/profiled/ | cmp - a' "$tool"
holds "the clip has its frames and size" bash -c \
  '[ "$(ffprobe -v error -show_entries stream=width,height,nb_frames -of csv=p=0 edited.mp4)" = 64,64,4 ]'

# Quiet, plain and short
said=$("$tool" run patched.onnx --clip striped-balls.mp4 "${small[@]}" -o q.mp4 --quiet 2>&1 >/dev/null)
[ -z "$said" ] && verdict "--quiet" yes "" || verdict "--quiet" no "$said"
said=$("$tool" run patched.onnx --clip striped-balls.mp4 "${small[@]}" -o q.mp4 2>&1 >/dev/null | wc -l)
[ "$said" = 1 ] && verdict "short work is one line of progress" yes "" || verdict "short work is one line" no "$said lines"
coloured=$(NO_COLOR=1 "$tool" inspect editor.onnx 2>&1 | grep -c $'\e')
[ "$coloured" = 0 ] && verdict "NO_COLOR" yes "" || verdict "NO_COLOR" no "$coloured lines with escapes"
holds "a reader that has seen enough" bash -c 'set -o pipefail; "$0" inspect editor.onnx 2>/dev/null | head -n 1' "$tool"
holds "messages that nobody takes" bash -c '"$0" inspect editor.onnx 2>/dev/full >/dev/null' "$tool"
holds "closed messages do not get into files" \
  bash -c '"$0" editor.onnx -o closed.onnx >/dev/null 2>&- <&- && cmp closed.onnx patched.onnx' "$tool"

# Never slower
loses=$root/Tests/Fixtures/cost/loses.json
ISA_COST_MODEL=$loses "$tool" editor.onnx -o slower.onnx >slower.txt 2>&1
[ $? = 2 ] && cmp -s editor.onnx slower.onnx && grep -q "1.25 of the original's time" slower.txt &&
  verdict "what the original does faster stays" yes "" || verdict "what the original does faster stays" no "$(cat slower.txt)"
holds "… unless it is asked for" \
  bash -c 'ISA_COST_MODEL=$1 "$0" editor.onnx --only "*" -o only.onnx >/dev/null && cmp only.onnx patched.onnx' "$tool" "$loses"
holds "… and what is sparse still gains" bash -c \
  'ISA_COST_MODEL=$1 "$0" editor.onnx --profile calibrated.isa.json --min-tokens 16 -o sparse.onnx >/dev/null' "$tool" "$loses"
holds "inspect says so" bash -c 'ISA_COST_MODEL=$1 "$0" inspect editor.onnx | grep -q "1.25 of the original.s time"' "$tool" "$loses"

# Nothing to do
rm -f dry.onnx
holds "a dry run" bash -c '"$0" editor.onnx --dry-run -o dry.onnx >/dev/null 2>&1 && [ ! -e dry.onnx ]' "$tool"
"$tool" editor.onnx --only 'blocks.0' --except 'blocks.0' -o same.onnx >/dev/null 2>&1
status=$?
[ "$status" = 2 ] && cmp -s editor.onnx same.onnx && verdict "nothing to replace" yes "" \
  || verdict "nothing to replace" no "exit $status, or not the original's bytes"
"$tool" editor.onnx --min-tokens 16 --strict -o strict.onnx >/dev/null 2>&1
[ $? = 0 ] && verdict "--strict" yes "" || verdict "--strict" no "exit $?"

# Help
holds "--version" bash -c '[[ $("$0" --version) =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]]' "$tool"
for command in "" patch inspect calibrate "calibrate whole" "calibrate collect" "calibrate solve" run compare restore bench \
  "bench attention" "bench model" doctor; do
  # shellcheck disable=SC2086
  "$tool" $command --help 2>stderr.txt | grep -q "USAGE: isa-patch $command" && [ ! -s stderr.txt ] \
    && verdict "help" yes "" || verdict "$command --help" no "$(cat stderr.txt)"
done

# What make install makes of the commands
holds "make install" make -s -C "$root" -o build install PREFIX="$work/prefix"
holds "the installed tool finds its operator library" \
  bash -c 'cd / && env -u ISA_ADAPTERS "$0/bin/isa-patch" doctor | grep "operator library" | grep -q "$0/bin/../lib/libisa_ops.so"' "$work/prefix"
page=$work/prefix/share/man/man1/isa-patch.1
for command in patch inspect calibrate run compare restore bench doctor; do
  grep -q "^\.SS isa..patch $command" "$page" && verdict "manual" yes "" || verdict "manual of $command" no "not in the page"
done
holds "no line of the manual is an unknown request" bash -c '! grep -nE "^[.'"'"']" "$0" | grep -vE ":\.(TH|SH|SS|TP|PP)\b"' "$page"
holds "bash's completions" bash -n "$work/prefix/share/bash-completion/completions/isa-patch"
holds "zsh's completions" grep -q '^#compdef isa-patch' "$work/prefix/share/zsh/site-functions/_isa-patch"
holds "fish's completions" grep -q "complete -c 'isa-patch'" "$work/prefix/share/fish/vendor_completions.d/isa-patch.fish"

finish
