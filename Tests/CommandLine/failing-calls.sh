#!/usr/bin/env bash
# Every call that changes a file fails in turn, with each of the errors that a disk or rights give: the command ends with
# its exit code and one line, leaves no file half-made, and what was there before is as it was.
set -uo pipefail
source "$(dirname "$0")/Support/checks.bash"
export LC_ALL=C
clang=$(dirname "$(readlink -f "$(command -v swift)")")/clang
shim=$(mktemp -d)
trap 'rm -rf "$work" "$shim"' EXIT
"$clang" -shared -fPIC -O1 -Wall -Werror -o "$shim/failing.so" "$root/Tests/CommandLine/Support/failing.c" -ldl || exit 1

contents() { find . -type f -exec sha256sum {} + | sort -k 2; }

# Fails the n-th call for n = 1, 2, … until the command makes no more of them.
each_call_fails() { # name, errors, what is new where the command succeeds (a pattern of names), command
  local name=$1 errors=$2 new=$3 before after status lines error n call good seen="" count=0
  shift 3
  before=$(contents)
  for error in $errors; do
    for ((n = 1; n < 100; n++)); do
      rm -f "$shim/log"
      LD_PRELOAD=$shim/failing.so FAIL_AT=$n FAIL_ERROR=$error FAIL_LOG=$shim/log "$@" \
        >"$shim/stdout" 2>"$shim/stderr" </dev/null
      status=$?
      [ -e "$shim/log" ] || break
      call=$(cat "$shim/log") lines=$(grep -c . "$shim/stderr") after=$(contents)
      count=$((count + 1)) good=no
      case $status in
        # Another way was found: the output is whole, as the last run of this function shows.
        0) grep -vE "  \./($new)$" <<<"$after" | cmp -s - <(grep -vE "  \./($new)$" <<<"$before") && good=yes ;;
        73 | 74) [ "$lines" = 1 ] && [ "$before" = "$after" ] && good=yes ;;
      esac
      # A full or broken disk is told from a place that takes no file.
      case $status$error$call in 73*write | 73*fsync) [ "$error" = 13 ] || good=no ;; esac
      if [ $good = no ]; then
        seen="call $n ($call) with errno $error: exit $status, left $(comm -13 <(echo "$before") <(echo "$after") |
          cut -d' ' -f3 | tr '\n' ' '): $(tail -c 300 "$shim/stderr")"
        break 2
      fi
      restored
    done
    # The command succeeded, since nothing failed.
    [ "$status" = 0 ] || { seen="exit $status without a failure: $(tail -c 300 "$shim/stderr")" && break; }
    restored
  done
  [ "$count" -ge 3 ] || seen="${seen:-only $count calls were made to fail}"
  [ -z "$seen" ] && verdict "$name" yes "" || verdict "$name" no "$seen"
  total=$((${total:-0} + count))
}

# Puts the folder back as it was before the command.
keep() { rm -rf "$shim/before" && cp -a . "$shim/before"; }
restored() { find . -mindepth 1 -delete && cp -a "$shim/before/." .; }

full=28 broken=5 forbidden=13 # ENOSPC, EIO, EACCES
quiet=(--quiet)
small=(--edit mirror --frames 4 --size 64x64 --steps 1)
rm -f -- *.mp4.txt
keep
each_call_fails "patch" "$full $broken $forbidden" 'new\.onnx' "$tool" editor.onnx -o new.onnx "${quiet[@]}"
FAIL_UNNAMED=1 each_call_fails "patch where files have names at once" "$full $broken $forbidden" 'new\.onnx' \
  "$tool" editor.onnx -o new.onnx "${quiet[@]}"
"$tool" editor.onnx -o patched.onnx "${quiet[@]}" >/dev/null || exit 1
echo "what was there" >there.onnx
keep
each_call_fails "patch over a file" $broken 'there\.onnx' "$tool" editor.onnx -o there.onnx "${quiet[@]}"
each_call_fails "restore over a file" $full 'there\.onnx' "$tool" restore patched.onnx -o there.onnx "${quiet[@]}"
each_call_fails "restore with a name of its own" $broken 'patched\.onnx\.restored\.onnx' "$tool" restore patched.onnx "${quiet[@]}"
each_call_fails "run to a clip" "$full $forbidden" 'out\.mp4' \
  "$tool" run editor.onnx --clip striped-balls.mp4 "${small[@]}" -o out.mp4 "${quiet[@]}"
each_call_fails "run to an array" $full 'out\.npz' \
  "$tool" run editor.onnx --clip striped-balls.mp4 "${small[@]}" -o out.npz "${quiet[@]}"

# Weights in a file of their own, for another folder.
python3 - <<'P'
def field(number, payload): return bytes([number << 3 | 2, len(payload)]) + payload
entry = field(1, b"location") + field(2, b"data/w.bin")
tensor = b"\x08\x04\x10\x01" + field(8, b"w") + field(13, entry) + b"\x70\x01"
graph = field(1, field(1, b"w") + field(2, b"y") + field(4, b"Identity")) + field(2, b"g") + field(5, tensor) + field(12, field(1, b"y"))
open("weights.onnx", "wb").write(b"\x08\x08" + field(7, graph) + field(8, b"\x10\x11"))
P
mkdir -p above/data above/other && printf '0123456789abcdef' >above/data/w.bin && mv weights.onnx above
keep
# Links lead down alone.
for case in copy:above/other link:.; do
  folder=${case#*:}
  each_call_fails "external data: ${case%:*}" "$full $broken $forbidden" "($folder/|)(w\.onnx|data/w\.bin)" \
    bash -c '"$@"; status=$?; [ $status = 2 ] && exit 0; exit $status' - \
    "$tool" above/weights.onnx -o "$folder/w.onnx" --external-data "${case%:*}" "${quiet[@]}"
done

# A disk that is really full, where one can be mounted.
disk=$shim/disk
mkdir "$disk"
if mount -t tmpfs -o size=64k tmpfs "$disk" 2>/dev/null; then
  echo there >"$disk/o.onnx"
  "$tool" editor.onnx -o "$disk/o.onnx" "${quiet[@]}" >/dev/null 2>"$shim/stderr"
  status=$?
  [ $status = 74 ] && [ "$(ls -A "$disk")" = o.onnx ] && [ "$(cat "$disk/o.onnx")" = there ] \
    && [ "$(grep -c . "$shim/stderr")" = 1 ] \
    && verdict "a full disk" yes "" || verdict "a full disk" no "exit $status: $(cat "$shim/stderr")"
  umount "$disk"
else
  echo "(no file system can be mounted here: a full disk is tried by the calls above alone)"
fi

echo "$total calls were made to fail"
finish
