#!/usr/bin/env bash
# The same bytes on processors with and without AVX: quantize and verify natively and under qemu's user emulation.
# processors.sh GUARDBIT WORK_FOLDER; exit 77 (skipped) where qemu-x86_64 is not installed.
set -eu
guardbit="$1"; work="$2"
command -v qemu-x86_64 >/dev/null || { echo "skipped: qemu-x86_64 (Debian package qemu-user) is not installed"; exit 77; }
rm -rf "$work"; mkdir -p "$work"
"$guardbit" train trainer/recipes/lenet5_glyphs.yaml trainer.epochs=1 dataset.train_size=512 dataset.test_size=64 \
  output="$work/net" >/dev/null 2>&1
# job PREFIX command...: quantize and verify through `command`, results named PREFIX.*
job() {
  local name="$1"; shift
  "$@" "$guardbit" quantize "$work/net" scheme=int8 calibration.images=32 output="$work/bundle" >/dev/null 2>&1
  "$@" "$guardbit" verify "$work/bundle" sim/configs/edge16.yaml samples=2 threads=1 \
    machine.numerics.accumulator.format='int<16,SAT>' --json "$work/$name.json" >/dev/null 2>&1
  cat "$work/bundle/net.yaml" "$work/bundle/weights.safetensors" "$work/bundle/float.safetensors" >"$work/$name.bundle"
  rm -rf "$work/bundle"
}
job native env
for processor in qemu64 Nehalem Haswell; do
  job "$processor" qemu-x86_64 -cpu "$processor"
  cmp "$work/native.bundle" "$work/$processor.bundle"
  cmp "$work/native.json" "$work/$processor.json"
  echo "$processor: same bundle, same verification"
done
