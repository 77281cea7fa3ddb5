#!/usr/bin/env bash
# What a build of the operator library must be, whatever its code does: one exported symbol, no Swift runtime or
# Foundation to be found at run time, and no function that one instruction set's kernels could take from another's.
set -euo pipefail
cd "$(dirname "$0")/../.."

library=${1:-.build/release/libisa_ops.so}
[ -e "$library" ] || { echo "$library is missing; run 'swift build -c release --product isa_ops'" >&2; exit 1; }
failed=0
fail() {
  echo "FAIL $1" >&2
  failed=1
}

exported=$(nm -D --defined-only "$library" | awk '{print $NF}' | sed 's/@.*//' | grep -v '^ISA_OPS_' || true)
[ "$exported" = RegisterCustomOps ] || fail "exports: $(echo "$exported" | tr '\n' ' ')"

needed=$(readelf -dW "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
if grep -qiE 'swift|foundation|dispatch|onnx|icu' <<<"$needed"; then fail "needs: $(echo $needed)"; fi
for name in $needed; do
  case $name in
    libm.so.6 | libstdc++.so.6 | libgcc_s.so.1 | libc.so.6 | libpthread.so.0 | libdl.so.2 | ld-linux-x86-64.so.2) ;;
    *) fail "needs $name, which a plain Linux may lack" ;;
  esac
done

# Sessions come and go; unmapping the library with one would take the Swift runtime and the operators' records along.
readelf -dW "$library" | grep -q NODELETE || fail "may be unloaded; link it with -z nodelete"

# glibc 2.34 and libstdc++ of GCC 11 are what the oldest supported systems have.
newest() { objdump -T "$library" | grep -oE "$1_[0-9.]+" | sed "s/$1_//" | sort -uV | tail -1; }
check() {
  local found
  found=$(newest "$1")
  [ "$(printf '%s\n%s\n' "$found" "$2" | sort -V | tail -1)" = "$2" ] || fail "needs $1 $found, newer than $2"
}
check GLIBC 2.34
check GLIBCXX 3.4.29

# A weak function in a kernel module and in another is one function in the library: perhaps the one with AVX-512 in it.
objects() { find -L ".build/release/$1.build" -name '*.o' 2>/dev/null; }
weak() { nm $(objects "$1") | awk '$2 == "W" { print $3 }' | sort -u; }
kernels="KernelsBaseline KernelsAVX2 KernelsAVX512"
for module in $kernels; do
  [ -n "$(objects "$module")" ] || { fail "no object files of $module"; continue; }
  for other in $kernels SparseAttention SparseAttentionCPU ISAOpsCore ISAOps; do
    [ "$module" = "$other" ] && continue
    shared=$(comm -12 <(weak "$module") <(weak "$other"))
    [ -z "$shared" ] || fail "weak functions that $module and $other share: $(echo $shared)"
  done
done

# The baseline must run on any x86-64.
wide=$(find -L .build/release/KernelsBaseline.build -name '*.o' -exec objdump -d {} + | grep -cE '%[yz]mm[0-9]' || true)
[ "$wide" = 0 ] || fail "KernelsBaseline has $wide instructions on ymm or zmm registers"

[ "$failed" = 0 ] && echo "ok: $library exports RegisterCustomOps alone and needs $(echo $needed)"
exit "$failed"
