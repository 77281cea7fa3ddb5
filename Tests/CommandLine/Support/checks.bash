# Shared by the scripts beside this folder: a work folder with the sample editor, and a count of what passed.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
tool=$root/.build/release/isa-patch
sample=$root/Adapters/sample-editor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$sample/editor.onnx" "$sample/striped-balls.mp4" "$work"
cd "$work" || exit 1
export ISA_ORT_LIBRARY=$root/.deps/onnxruntime/lib ISA_ADAPTERS=$root/Adapters SWIFT_BACKTRACE=enable=no
# Whatever this machine's speed, sites are replaced.
export ISA_COST_MODEL=$root/Tests/Fixtures/cost/gains.json
passed=0 failed=0

verdict() { # name, whether it is good, what was seen
  if [ "$2" = yes ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED $1: $3"; fi
}

holds() { # name, command: it ends with 0
  local name=$1 seen
  shift
  if seen=$("$@" 2>&1); then verdict "$name" yes ""; else verdict "$name" no "exit $?: ${seen: -300}"; fi
}

refused() { # name, exit code, words of the message, command: one line on stderr, nothing on stdout, nothing left behind
  local name=$1 code=$2 words=$3 before after status lines text empty=no
  shift 3
  before=$(ls -A)
  "$@" >stdout.txt 2>stderr.txt </dev/null
  status=$?
  lines=$(grep -c . stderr.txt)
  text=$(cat stderr.txt)
  [ -s stdout.txt ] || empty=yes
  rm -f stdout.txt stderr.txt
  after=$(ls -A)
  if [ "$status" = "$code" ] && [ "$lines" = 1 ] && [ "$empty" = yes ] && [ "$before" = "$after" ] && [[ $text == *"$words"* ]]; then
    verdict "$name" yes ""
  else
    verdict "$name" no "exit $status (asked $code), $lines lines, left $(comm -13 <(echo "$before") <(echo "$after") | tr '\n' ' '): $text"
  fi
}

finish() {
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
}
