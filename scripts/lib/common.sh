# shellcheck shell=bash disable=SC2034
# What the scripts share: messages, privileges, a run directory, and children that never outlive the script.
# Sourced, never run. The caller has `set -euo pipefail`.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$repo/target}
prog=${0##*/}

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' plain=$'\e[0m'
else
  bold='' red='' green='' yellow='' plain=''
fi

say() { printf '%s\n' "$*"; }
head_line() { printf '%s== %s%s\n' "$bold" "$*" "$plain"; }
warn() { printf '%s%s: %s%s\n' "$yellow" "$prog" "$*" "$plain" >&2; }
die() {
  printf '%s%s: %s%s\n' "$red" "$prog" "$*" "$plain" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
ci() { [[ ${CI:-} == true ]]; }

# as_root CMD…: as root, through sudo where needed.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    die "needs root for: $* (run it as root, or install sudo)"
  fi
}

# usage_from_header: the comment block under the shebang is the help text.
usage_from_header() { awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"; }

# A number of whole seconds from $1 to $2 in $3, or the script ends with a message that names option $4.
want_number() {
  if [[ $3 =~ ^[0-9]{1,6}$ ]] && (($3 >= $1 && $3 <= $2)); then return 0; fi
  die "$4 takes a whole number from $1 to $2, not '$3'"
}

# Children. `start LOG CMD…` runs CMD in the background in a session of its own, its output in LOG, and leaves
# its process id in $started; `stop PID [SIGNAL]` ends it (TERM, or SIGNAL, then KILL) and waits for it.
children=()
start() {
  local log=$1
  shift
  setsid "$@" >"$log" 2>&1 </dev/null &
  started=$!
  children+=("$started")
}

alive() { kill -0 "$1" 2>/dev/null; }

# wait_gone PID SECONDS: true when it has ended in time.
wait_gone() {
  local end=$((SECONDS + $2))
  while alive "$1"; do
    ((SECONDS < end)) || return 1
    sleep 0.05
  done
}

stop() {
  local pid=$1 signal=${2:-TERM}
  alive "$pid" || return 0
  if [[ $signal != KILL ]]; then
    kill -s "$signal" "$pid" 2>/dev/null || true
    if wait_gone "$pid" "${stop_within_s:-10}"; then
      wait "$pid" 2>/dev/null || true
      return 0
    fi
    warn "process $pid did not end on SIG$signal; killing it"
  fi
  # Its session: what it started itself (a program under timeout) goes with it.
  kill -s KILL -- "-$pid" 2>/dev/null || kill -s KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

stop_children() {
  local pid
  for pid in "${children[@]}"; do
    kill -s TERM "$pid" 2>/dev/null || true
  done
  for pid in "${children[@]}"; do
    wait_gone "$pid" 5 || true
    kill -s KILL -- "-$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  children=()
}

# wait_for SECONDS CMD…: polls CMD until it succeeds; false when the time is over.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.05
  done
}

now_ms() {
  local t=${EPOCHREALTIME/[.,]/}
  printf '%s' "$((t / 1000))"
}
