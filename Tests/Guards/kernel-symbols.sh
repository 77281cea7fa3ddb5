#!/usr/bin/env bash
# The kernels are one source compiled three times. A weak symbol of one name in two of the modules would be linked once:
# a CPU without AVX-512 could then run AVX-512 code. And the baseline must use nothing beyond SSE2.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(swift build -c release --show-bin-path)
failed=0
symbols() { find "$build/$1.build" -name '*.o' -exec nm {} + | awk 'NF == 3 && $2 ~ /^[WVu]$/ { print $3 }' | sort -u; }
text() { find "$build/$1.build" -name '*.o' -exec nm {} + | awk 'NF == 3 && $2 == "W" { print $3 }' | sort -u; }
for pair in "KernelsBaseline KernelsAVX2" "KernelsBaseline KernelsAVX512" "KernelsAVX2 KernelsAVX512"; do
  set -- $pair
  [ -n "$(symbols "$1")" ] && [ -n "$(symbols "$2")" ] || { echo "no symbols found in $1 or $2: build first"; exit 1; }
  shared=$(comm -12 <(text "$1") <(text "$2"))
  if [ -n "$shared" ]; then
    echo "$1 and $2 share weak code: $shared"
    failed=1
  fi
done
if find "$build/KernelsBaseline.build" -name '*.o' -exec objdump -d {} + | grep -qE '%[yz]mm|\bvmov'; then
  echo "KernelsBaseline holds AVX instructions"
  failed=1
fi
exit $failed
