#!/usr/bin/env bash
# Fills a virtual environment with what the project needs and does nothing where that is there already:
#   requirements/install.sh VENV [test] [bench] [torch]
# PYTHON=python3.12 chooses the interpreter. Without it: the environment's own, else python3, else the newest supported.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly SUPPORTED="3.10 3.11 3.12" UV="uv==0.13.9"
venv=${1:?usage: requirements/install.sh VENV [test] [bench] [torch]}
shift
started=$SECONDS

say() { printf '==> %s\n' "$*"; }
fail() { printf 'set-up: %s\n' "$*" >&2; exit 1; }
minor() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }
digest() { cat "$@" | sha256sum | cut -d' ' -f1; }
is_done() { [ "$(cat "$venv/.done-$1" 2>/dev/null)" = "$2" ]; }
mark_done() { printf '%s\n' "$2" >"$venv/.done-$1"; }

choose_python() {
  local name version
  for name in ${PYTHON:-python3 python3.12 python3.11 python3.10}; do
    version=$(minor "$name")
    case " $SUPPORTED " in *" ${version:-none} "*) echo "$name" && return ;; esac
  done
  fail "${PYTHON:-python3} is ${version:+Python $version, which is }not supported or not there." \
    "Install one of Python $SUPPORTED (Debian, Ubuntu: apt-get install python3 python3-venv) or name it: PYTHON=python3.12"
}

make_environment() {
  if [ -x "$venv/bin/python" ] && [ -n "$(minor "$venv/bin/python")" ]; then
    [ -z "${PYTHON:-}" ] && return
    [ "$(minor "$PYTHON")" = "$(minor "$venv/bin/python")" ] && return
  fi
  local python
  python=$(choose_python)
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments: apt-get install python3-venv (or python$(minor "$python")-venv)"
  [ ! -e "$venv" ] || [ -f "$venv/pyvenv.cfg" ] || fail "$venv is there and no virtual environment; remove it or set VENV"
  say "making $venv with Python $(minor "$python")"
  rm -rf "$venv"
  "$python" -m venv "$venv"
}

# pip_install ARGUMENTS...: by uv, which is several times faster; by pip where uv cannot be had.
pip_install() {
  if [ -x "$venv/bin/uv" ] || "$venv/bin/python" -m pip install --quiet "$UV" 2>/dev/null; then
    "$venv/bin/uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" "$@"
  else
    "$venv/bin/python" -m pip install --quiet "$@"
  fi
}

# Why the ROS wheels cannot be used here; nothing where they can.
no_ros_wheels() {
  if [ -n "${AMENT_PREFIX_PATH:-}${ROS_DISTRO:-}" ]; then
    echo "a ROS is sourced in this shell, and it is used as it is"
  elif [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "there are none for $(uname -sm); source a ROS 2 from apt to run the nodes, all else works without"
  fi
}

# install_lock PART FILE: the pinned packages of one lock, less the ROS wheels where they cannot be used.
install_lock() {
  local reason key
  reason=$(no_ros_wheels)
  key="$(digest "$2") ${reason:+without ROS wheels}"
  is_done "$1" "$key" && return
  say "installing $2"
  if [ -n "$reason" ]; then
    say "left out: the ROS wheels ($reason)"
    grep -v '^ros-' "$2" >"$venv/requirements.txt"
    pip_install -r "$venv/requirements.txt"
  else
    pip_install -r "$2"
  fi
  mark_done "$1" "$key"
}

# By pip and outside the locks, which would hold the CUDA libraries of one build: the machine's index offers the build.
install_torch() {
  local wanted
  wanted=$(grep '^torch==' requirements/torch.in)
  is_done torch "$wanted" && return
  say "installing $wanted"
  if "$venv/bin/python" -m pip install --quiet "$wanted"; then
    mark_done torch "$wanted"
  else
    say "left out: $wanted, so that training, export and their tests are not there"
  fi
}

install_interfaces() {
  local sources=perception/ros_interfaces key
  [ -f $sources/setup.py ] && [ -z "$(no_ros_wheels)" ] || return 0
  key=$(find $sources -type f -not -path '*/build/*' -not -path '*.egg-info/*' -print0 | sort -z | xargs -0 cat | sha256sum)
  is_done interfaces "$key" && return
  if ! command -v g++ >/dev/null || ! command -v gcc >/dev/null ||
    ! "$venv/bin/python" -c 'import os, sysconfig; assert os.path.exists(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null; then
    say "left out: tf2_msgs and vision_msgs, so that the nodes publish no transforms: no C++ compiler or no Python headers." \
      "For them: apt-get install g++ python3-dev, then make again"
    return
  fi
  say "building tf2_msgs and vision_msgs"
  pip_install --no-deps ./$sources
  mark_done interfaces "$key"
}

install_project() {
  local key
  key="$(digest setup.py setup.cfg pyproject.toml requirements/*.in) $PWD $(echo nodes/*_node.py)"
  is_done project "$key" && return
  say "installing the project itself, editable"
  pip_install --no-deps -e .
  mark_done project "$key"
}

compile_kernels() {
  local key
  key="$(grep -rlZ --include='*.py' -e njit -e warm_up slam perception | sort -z | xargs -0 cat | sha256sum)"
  key="$key $(grep -m1 '^model name' /proc/cpuinfo || uname -m)"
  is_done kernels "$key" && return
  say "compiling the kernels"
  "$venv/bin/python" -m perception.compile
  mark_done kernels "$key"
}

exec 9<requirements
flock 9 # two set-ups of one checkout at the same time would spoil the environment
make_environment
tag=py$(minor "$venv/bin/python" | tr -d .)
install_lock base "requirements/lock-$tag.txt"
for part in "$@"; do
  case $part in
    torch) install_torch ;;
    *) install_lock "$part" "requirements/lock-$part-$tag.txt" ;;
  esac
done
install_interfaces
install_project
compile_kernels
[ $((SECONDS - started)) -lt 3 ] || say "set up in $((SECONDS - started)) s"
