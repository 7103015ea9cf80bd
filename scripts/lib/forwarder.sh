# shellcheck shell=bash
# Starts and asks the forwarder under test: umbra, or dpdk-testpmd in its place, which tells whether a failure is the
# laboratory's or umbra's. Sourced after common.sh; wants $run_dir, $forwarder (umbra|testpmd) and $umbra.

# The cores this process may use; the first takes analyzers and control, the second (where there is one) the worker.
mapfile -t allowed_cores < <(taskset -pc $$ | sed 's/.*: //' | tr ',' '\n' | awk -F- '{ for (c = $1; c <= ($2 == "" ? $1 : $2); c++) print c }')
forwarder_starts=0
# The prefix of umbra's files below /var/run/dpdk, and where it has its memory from: no huge pages unless a laboratory says so.
file_prefix=umbra-lab-$$
eal_memory=()
analyzer_core=${allowed_cores[0]}
worker_core=${allowed_cores[1]:-${allowed_cores[0]}}

toml_list() {
  local out='' item
  for item in "$@"; do out+="${out:+, }\"$item\""; done
  printf '[%s]' "$out"
}

# write_manifest FILE A_NAME B_NAME EAL_ARG…: reads $percentage, $instances and $wire_keys.
write_manifest() {
  local file=$1 a=$2 b=$3
  shift 3
  cat >"$file" <<MANIFEST
[host]
eal = $(toml_list "$@")
workers = [$worker_core]
analyzers = [$analyzer_core]
poll = "adaptive"                       # two cores carry everything here: give them back when idle
control_socket = "$run_dir/control.sock"

[appliance]
name = "lab"

[[wire]]
name = "lab"
a = "$a"
b = "$b"
${wire_keys:-}

[shadowing]
shadow_enabled = true
shadow_instance_count = ${instances:-2}
shadow_traffic_percentage = ${percentage:-100.0}
shadow_analysis_profiles = ["Performance_Profiling"]

[outputs]
directory = "$run_dir/out"
MANIFEST
}

# forwarder_start SECONDS VDEV_A VDEV_B [try]: starts it between the two ports and waits until it forwards; its pid is in
# $forwarder_pid, its log in $forwarder_log. Runs at most SECONDS. Where it does not come up the script ends, or with `try`
# goes on.
forwarder_start() {
  local seconds=$1 a=$2 b=$3 otherwise=${4:-die}
  mkdir -p "$run_dir/out"
  forwarder_log=$run_dir/forwarder-$((forwarder_starts += 1)).log
  if [[ $forwarder == testpmd ]]; then
    # Its own end of life is our SIGTERM, or timeout's; it wants an input that does not end.
    # shellcheck disable=SC2016
    start "$forwarder_log" timeout -k 2 "$seconds" bash -c 'exec "$@" < <(exec sleep '"$seconds"')' bash \
      dpdk-testpmd --lcores "($worker_core,$((worker_core + 64)))@$worker_core" --no-pci --no-huge -m 512 --no-telemetry \
      --file-prefix "umbra-lab-$$-$forwarder_starts" "--vdev=$a" "--vdev=$b" \
      -- --forward-mode=io --auto-start --nb-cores=1 --total-num-mbufs=16384 --no-flush-rx \
      --max-pkt-len=$((${net_mtu:-1500} + 18)) --mbuf-size=$((${net_mtu:-1500} > 1500 ? 9600 : 2176))
    forwarder_pid=$started
    forwarder_ready grep -q 'io packet forwarding' "$forwarder_log"
  else
    local memory=("${eal_memory[@]}")
    ((${#memory[@]})) || memory=(--no-huge -m 512)
    write_manifest "$run_dir/manifest.toml" "${a%%,*}" "${b%%,*}" \
      --no-pci --file-prefix "$file_prefix" "${memory[@]}" "--vdev=$a" "--vdev=$b"
    start "$forwarder_log" "$umbra" run "$run_dir/manifest.toml" --for "$seconds" --stats-period 5
    forwarder_pid=$started
    forwarder_ready ctl status
  fi
}

# forwarder_ready CMD…: polls CMD, 20 s at most, and gives up as soon as the forwarder has ended.
forwarder_ready() {
  local end=$((SECONDS + 20))
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)) || ! alive "$forwarder_pid"; then
      stop "$forwarder_pid"
      [[ $otherwise != try ]] || return 0
      tail -25 "$forwarder_log" >&2
      die "$forwarder did not come up; the end of its log is above"
    fi
    sleep 0.05
  done
}

# What EAL leaves below /var/run/dpdk, of all processes that this script started.
remove_eal_files() { rm -rf "/var/run/dpdk/$file_prefix" "/var/run/dpdk/$file_prefix"-*; }

ctl() { timeout 5 "$umbra" ctl --socket "$run_dir/control.sock" "$@"; }
