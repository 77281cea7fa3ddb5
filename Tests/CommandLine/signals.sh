#!/usr/bin/env bash
# Signals at random moments (the same on every run), and too little memory: the command has done its work or has not
# begun it, for whoever looks at the files.
set -uo pipefail
source "$(dirname "$0")/Support/checks.bash"
# Background processes that can be interrupted from the keyboard, as those of a terminal.
set -m
RANDOM=7
small=(--edit mirror --frames 4 --size 64x64 --steps 4)
"$tool" editor.onnx -o whole.onnx --quiet >/dev/null || exit 1

# True where a patched model is whole: it leads back to the original.
is_whole() { "$tool" restore "$1" -o back.tmp --quiet >/dev/null 2>&1 && cmp -s editor.onnx back.tmp && rm back.tmp; }

# Signals a command after some milliseconds: it ends with the signal's code and leaves what was there, or it had done its
# work. A statistics file is written by and by, and whole each time.
at_a_random_moment() { # name, signal, exit code, longest wait in ms, output, command
  local name=$1 signal=$2 code=$3 longest=$4 output=$5 before after status delay pid seen=""
  shift 5
  before=$(ls -A)
  delay=$((RANDOM % longest))
  "$@" >/dev/null 2>&1 </dev/null &
  pid=$!
  sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  kill "-$signal" "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  status=$?
  after=$(ls -A | grep -vE '^out\.(onnx|mp4|isa\.json|isa\.stats)$')
  [ "$before" = "$after" ] || seen="left $(comm -13 <(echo "$before") <(echo "$after") | tr '\n' ' ')"
  [ ! -e out.onnx ] || is_whole out.onnx || seen="out.onnx is not whole"
  for document in out.isa.json out.isa.stats; do
    [ ! -e $document ] || python3 -m json.tool $document >/dev/null 2>&1 || seen="$document is not whole"
  done
  case $status in
    "$code") ;;
    0) [ -e "$output" ] || seen="exit 0 without $output" ;;
    *) seen="exit $status" ;;
  esac
  [ -z "$seen" ] && verdict "$name" yes "" || verdict "$name after $delay ms" no "$seen"
  rm -f out.* .isa-patch-*
}

# SIGPIPE ends nothing once the command runs: a reader that went away is an error of the call that meets it.
for pair in "INT 130" "TERM 143" "HUP 129" "KILL 137" "PIPE 141"; do
  read -r signal code <<<"$pair"
  for _ in 1 2 3 4 5 6; do
    at_a_random_moment "patch, SIG$signal" "$signal" "$code" 400 out.onnx "$tool" editor.onnx -o out.onnx --quiet
  done
  for _ in 1 2; do
    at_a_random_moment "run, SIG$signal" "$signal" "$code" 1500 out.mp4 \
      "$tool" run editor.onnx --clip striped-balls.mp4 "${small[@]}" -o out.mp4 --quiet
    at_a_random_moment "calibrate, SIG$signal" "$signal" "$code" 4000 out.onnx \
      "$tool" calibrate editor.onnx --clips striped-balls.mp4 "${small[@]}" --min-tokens 16 -o out.onnx --quiet
  done
done
"$tool" run editor.onnx --clip striped-balls.mp4 "${small[@]}" -o out.mp4 --quiet >/dev/null 2>&1 &
pid=$!
sleep 0.7
kill -PIPE "$pid"
wait "$pid"
status=$?
[ $status = 0 ] && verdict "SIGPIPE" yes "" || verdict "SIGPIPE" no "exit $status"
rm -f out.mp4
holds "a pipe that nobody reads" bash -c '"$0" editor.onnx -o out.onnx | true; exit ${PIPESTATUS[0]}' "$tool"
rm -f out.onnx

# Less and less memory: the whole output and success, or neither. Where an allocation of Swift's own fails the process is
# ended by the runtime; what is asked for is that this leaves nothing.
least=none
for megabytes in 1200 800 600 500 400 350 300 260 230 200 180 160 140 120 100 60 30; do
  before=$(ls -A)
  bash -c "ulimit -c 0 -v $((megabytes * 1024)); exec timeout -s KILL 20 \"\$0\" editor.onnx -o out.onnx --quiet" "$tool" \
    >/dev/null 2>&1
  status=$?
  if [ $status = 0 ]; then
    least=$megabytes
    cmp -s whole.onnx out.onnx && verdict "memory" yes "" || verdict "$megabytes MB" no "not the whole output"
    rm -f out.onnx
  else
    [ $status != 137 ] && [ "$before" = "$(ls -A)" ] && verdict "memory" yes "" \
      || verdict "$megabytes MB" no "exit $status, left $(comm -13 <(echo "$before") <(ls -A) | tr '\n' ' ')"
  fi
done
[ "$least" != none ] && verdict "memory" yes "" || verdict "memory" no "no limit was enough"
echo "the least address space that sufficed: $least MB"
finish
