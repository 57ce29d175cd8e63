#!/usr/bin/env bash
# Sources ROS and, where the kernel cache of the image is read-only, copies it to where it can grow.
set -eo pipefail

source "/opt/ros/${ROS_DISTRO:-jazzy}/setup.bash"

if [ -n "${NUMBA_CACHE_DIR:-}" ] && [ ! -w "$NUMBA_CACHE_DIR" ]; then
  writable=$(mktemp -d)
  cp -r "$NUMBA_CACHE_DIR/." "$writable"
  export NUMBA_CACHE_DIR=$writable
fi

exec "$@"
