# shellcheck shell=bash
# DPDK's own tools beside a running umbra, on huge pages with shared config. Sourced by scripts/lab.
#
#   umbra-a-ID ── veth ── AF_XDP  umbra (primary)  AF_XDP ── veth ── umbra-b-ID
#                                   ║ shared memory, sockets below /var/run/dpdk
#             dpdk-telemetry.py, dpdk-proc-info, dpdk-dumpcap (secondaries)

# 256 MB for umbra, the rest for what dpdk-dumpcap allocates.
tools_hugepages=256
# All of them fit into dpdk-dumpcap's ring (2047): slow as the machine may be, it loses none.
captured_frames=2000

lab_tools() {
  if [[ $forwarder != umbra ]]; then
    say "   about umbra's own commands: nothing to do for $forwarder"
    return
  fi
  local tool
  for tool in dpdk-telemetry.py dpdk-proc-info dpdk-dumpcap; do
    have "$tool" || die "$tool is missing; scripts/setup --lab installs it"
  done
  hugepages_reserve "$tools_hugepages" ||
    die "no $tools_hugepages huge pages of 2 MiB to be had; scripts/setup --hugepages $tools_hugepages, or at boot hugepages=$tools_hugepages"
  hugepages_mounted "$run_dir/huge" || die "hugetlbfs cannot be mounted here"
  eal_memory=(--huge-dir "$run_dir/huge" -m 256)
  net_up a b
  tools_quiet
  forwarder_start 120 "$(port_vdev "$ports" 0 "$outer_a")" "$(port_vdev "$ports" 1 "$outer_b")"
  say "   $ns_a ── $ports ── umbra, $tools_hugepages huge pages ── $ports ── $ns_b; the tools as --file-prefix=$file_prefix"
  tools_traffic
  tools_telemetry
  tools_proc_info
  tools_dumpcap
  check "umbra unharmed by its secondaries" "$(truth alive "$forwarder_pid")" "all of them came and went"
  check_umbra
  eal_memory=()
  hugepages_release
}

# Nothing is on the wire but what is sent: no neighbour discovery, and addresses known beforehand.
tools_quiet() {
  local ns
  for ns in "$ns_a" "$ns_b"; do
    # shellcheck disable=SC2016
    ip netns exec "$ns" sh -c 'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >"$f"; done' 2>/dev/null || true
  done
  ip -n "$ns_a" neighbour replace "$ip_b" lladdr 02:00:00:00:0b:01 dev eth0 nud permanent
  ip -n "$ns_b" neighbour replace "$ip_a" lladdr 02:00:00:00:0a:01 dev eth0 nud permanent
}

tools_traffic() {
  local out
  out=$(in_a timeout 20 ping -c 100 -i 0.01 -W 1 -q "$ip_b") || true
  check "ping: 100, none lost" "$(truth is "$(ping_loss <<<"$out")" 0/100)" "$(ping_loss <<<"$out") lost"
  # Counters at rest: the accounts are published a few times a second.
  wait_for 5 tools_at_rest || true
}
tools_at_rest() {
  ledger_now "$run_dir/ledger.json"
  python3 "$repo/scripts/lib/ledger.py" settled "$run_dir/ledger.json"
}

# ask_telemetry COMMAND: its answer as JSON, through DPDK's own client.
ask_telemetry() { timeout 20 dpdk-telemetry.py -f "$file_prefix" <<<"$1" | grep -a "^{\"$1" | tail -1; }

# Each command's answer against what umbra says on its own socket.
tools_telemetry() {
  local command verdict detail
  ctl status --json >"$run_dir/status.json"
  ledger_now "$run_dir/ledger.json"
  for command in /umbra/status /umbra/wires /umbra/instances /umbra/ledger; do
    ask_telemetry "$command" >"$run_dir/telemetry.json" || true
    verdict=true
    detail=$(python3 "$repo/scripts/lib/tools.py" telemetry "$command" "$run_dir/telemetry.json" "$run_dir/status.json" "$run_dir/ledger.json") ||
      verdict=false
    check "telemetry $command" $verdict "$detail"
  done
}

tools_proc_info() {
  local verdict=true detail
  timeout 30 dpdk-proc-info --file-prefix="$file_prefix" --no-pci -- --stats >"$run_dir/proc-info.log" 2>&1 || true
  ctl status --json >"$run_dir/status.json"
  detail=$(python3 "$repo/scripts/lib/tools.py" proc-info "$run_dir/proc-info.log" "$run_dir/status.json") || verdict=false
  check "dpdk-proc-info lists the ports" $verdict "$detail"
}

# Known frames through the wire, captured where they enter and where they leave. A dpdk-dumpcap for each port: 22.11's
# captures on the last interface only when it is given two.
tools_dumpcap() {
  local arrived=$run_dir/frames.json end verdict detail options=() capturing=()
  [[ $ports != af_packet ]] || options+=(--af-packet)
  for end in 0 1; do
    start "$run_dir/dumpcap-$end.log" timeout -k 2 90 \
      dpdk-dumpcap --file-prefix="$file_prefix" -i "net_$ports$end" -w "$run_dir/dumpcap-$end.pcapng"
    capturing+=("$started")
    wait_for 20 grep -aq 'Packets captured' "$run_dir/dumpcap-$end.log" ||
      warn "dpdk-dumpcap does not capture: $(tail -1 "$run_dir/dumpcap-$end.log")"
  done
  in_b timeout 60 python3 "$repo/scripts/lib/frames.py" receive eth0 $captured_frames "${options[@]}" >"$arrived" 2>&1 &
  local receiver=$!
  wait_for 10 grep -q listening "$arrived" || warn "the receiver of frames did not start"
  in_a timeout 30 python3 "$repo/scripts/lib/frames.py" send eth0 $captured_frames "${options[@]}" || warn "sending frames failed"
  verdict=true
  wait "$receiver" || verdict=false
  check "frames through the captured wire" $verdict "$(tail -1 "$arrived")"
  for end in 0 1; do
    # What is still in its ring when it is told to end would not be in the file.
    wait_for 10 tools_dumpcap_has $captured_frames "$run_dir/dumpcap-$end.log" || true
    sleep 0.5
    stop "${capturing[$end]}" INT
    verdict=true
    detail=$(python3 "$repo/scripts/lib/frames.py" captured "$run_dir/dumpcap-$end.pcapng" $captured_frames "${options[@]}" 2>&1) ||
      verdict=false
    check "dpdk-dumpcap on net_$ports$end, byte for byte" $verdict "$detail; $(grep -ao 'received/dropped.*' "$run_dir/dumpcap-$end.log")"
  done
}

# tools_dumpcap_has N LOG: its running count, of which it writes one after the other on the same line.
tools_dumpcap_has() { (($(grep -a 'Packets captured' "$2" | grep -Eo '[0-9]+' | tail -1) >= $1)); }
