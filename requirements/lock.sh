#!/usr/bin/env bash
# Writes the locks anew from the *.in files with the newest versions that fit: requirements/lock.sh UV
set -euo pipefail
cd "$(dirname "$0")"
uv=${1:?usage: requirements/lock.sh UV}

# compile PYTHON TAG OUT ARGUMENTS...
compile() {
  local version=$1 out=$2 platform=${PLATFORM:-x86_64-manylinux_2_28}
  shift 2
  "$uv" pip compile --quiet --upgrade --no-python-downloads --python-version "$version" \
    --python-platform "$platform" --no-annotate --no-emit-index-url --custom-compile-command 'make lock' "$@" -o "$out"
}

for version in 3.10 3.11 3.12; do
  tag=py${version/./}
  compile "$version" "lock-$tag.txt" base.in ros.in
  compile "$version" "lock-bench-$tag.txt" -c "lock-$tag.txt" bench.in
  PLATFORM=x86_64-manylinux_2_35 compile "$version" "lock-test-$tag.txt" -c "lock-$tag.txt" test.in # open3d asks for it
done
