#!/usr/bin/env bash
# Ctrl-C at any time: exit code 130 within a second, no file half-made, no child left.
set -uo pipefail
source "$(dirname "$0")/Support/checks.bash"

interrupted() { # name, signal, exit code, what to wait for (a command), files that may be there afterwards, command
  local name=$1 signal=$2 code=$3 ready=$4 complete=$5 before after pid status start elapsed
  shift 5
  before=$(ls -A)
  "$@" >/dev/null 2>&1 </dev/null &
  pid=$!
  for _ in $(seq 100); do eval "$ready" && break; sleep 0.1; done
  kill "-$signal" "$pid"
  start=$(date +%s%N)
  wait "$pid" 2>/dev/null
  status=$?
  elapsed=$((($(date +%s%N) - start) / 1000000))
  after=$(ls -A | grep -vxF -- "${complete:-no such file}")
  if [ "$status" = "$code" ] && [ "$before" = "$after" ] && [ "$elapsed" -lt 1000 ]; then
    verdict "$name" yes ""
  else
    verdict "$name" no "exit $status after $elapsed ms, left $(comm -13 <(echo "$before") <(echo "$after") | tr '\n' ' ')"
  fi
}

edit=(run editor.onnx --clip striped-balls.mp4 --edit mirror -o i.mp4)
interrupted "Ctrl-C at the start" INT 130 "sleep 0.3" "" "$tool" "${edit[@]}"
interrupted "Ctrl-C between steps" INT 130 "sleep 3" "" "$tool" "${edit[@]}" --steps 200
interrupted "SIGTERM between steps" TERM 143 "sleep 3" "" "$tool" "${edit[@]}" --steps 200
interrupted "a terminal that closes" HUP 129 "sleep 2" "" "$tool" "${edit[@]}" --steps 200
# What was measured by then is complete, and --resume goes on from it.
interrupted "Ctrl-C while calibrating" INT 130 "sleep 5" "editor.isa.stats" \
  "$tool" calibrate editor.onnx --clips striped-balls.mp4 --edit mirror

# An ffmpeg that reads clips as always, but never ends when it is to write one.
watch=$(mktemp -d)
trap 'rm -rf "$work" "$watch"' EXIT
cat >"$watch/ffmpeg" <<W
#!/usr/bin/env bash
case "\$*" in
*pipe:0*) echo half >"\${@: -1}"; echo "\$\$" >"$watch/pid"; exec sleep 60 ;;
*) exec "$(command -v ffmpeg)" "\$@" ;;
esac
W
chmod +x "$watch/ffmpeg"
interrupted "Ctrl-C while encoding" INT 130 '[ -s "$watch/pid" ]' "" \
  env PATH="$watch:$PATH" "$tool" "${edit[@]}" --steps 1
child=$(cat "$watch/pid" 2>/dev/null || echo none)
gone=no
for _ in $(seq 10); do
  # Ended, or ended and not yet collected by init.
  state=$(cut -d' ' -f3 "/proc/$child/stat" 2>/dev/null)
  case "$state" in "" | Z*) gone=yes && break ;; esac
  sleep 0.1
done
[ "$child" != none ] && [ "$gone" = yes ] && verdict "no ffmpeg is left" yes "" \
  || verdict "no ffmpeg is left" no "process $child runs"

finish
