#!/usr/bin/env bash
# Writes the locks anew from the *.in files with the newest versions that fit: requirements/lock.sh UV
set -euo pipefail
cd "$(dirname "$0")"
uv=${1:?usage: requirements/lock.sh UV}

# compile PYTHON TAG OUT ARGUMENTS...
compile() {
  local version=$1 out=$2
  shift 2
  "$uv" pip compile --quiet --upgrade --no-python-downloads --python-version "$version" \
    --python-platform x86_64-manylinux_2_28 --no-annotate --no-emit-index-url --custom-compile-command 'make lock' "$@" -o "$out"
}

for version in 3.10 3.11 3.12; do
  tag=py${version/./}
  compile "$version" "lock-$tag.txt" base.in ros.in
  for part in test bench; do
    compile "$version" "lock-$part-$tag.txt" -c "lock-$tag.txt" "$part.in"
  done
done
