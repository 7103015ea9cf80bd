# shellcheck shell=bash
# umbra between two namespaces. Sourced by scripts/lab.

lab_veth() {
  # One frame, one buffer on AF_XDP; multi-segment frames need a port that can carry them.
  if ((mtu != 1500)); then
    [[ $ports == pcap ]] || die "--mtu $mtu needs --ports pcap: AF_XDP and AF_PACKET carry 1500 here"
    wire_keys="mtu = $mtu"
  fi
  net_mtu=$mtu
  net_up a b
  forwarder_start $((seconds * 4 + 240)) "$(port_vdev "$ports" 0 "$outer_a")" "$(port_vdev "$ports" 1 "$outer_b")"
  say "   $ns_a ($ip_a) ── $ports ── $forwarder ── $ports ── $ns_b ($ip_b), sampling $percentage%"

  veth_ping
  veth_frames a b
  veth_frames b a
  veth_iperf
  veth_transfer
  veth_http
  if [[ $forwarder == umbra ]]; then
    veth_freeze
    veth_link
    veth_replug
    check_umbra
  fi
}

veth_ping() {
  local out
  out=$(in_a timeout 20 ping -c 50 -i 0.02 -W 1 -q "$ip_b") || true
  check "ping: 50, none lost" "$(truth is "$(ping_loss <<<"$out")" 0/50)" \
    "$(ping_loss <<<"$out") lost, $(ping_average_ms <<<"$out") ms round trip"
  # 4000 bytes are three fragments each way. AF_PACKET would put them together and lose the whole.
  if [[ $ports != af_packet ]]; then
    out=$(in_a timeout 20 ping -c 20 -i 0.02 -W 1 -s 4000 -q "$ip_b") || true
    check "ping in IP fragments: 20, none lost" "$(truth is "$(ping_loss <<<"$out")" 0/20)" "$(ping_loss <<<"$out") lost"
  fi
}

# veth_frames FROM TO
veth_frames() {
  local log=$run_dir/frames-$1-$2.json count=2000 options=(--mtu "$mtu")
  local in_from=in_$1 in_to=in_$2
  [[ $ports != af_packet ]] || options+=(--af-packet)
  "$in_to" timeout 40 python3 "$repo/scripts/lib/frames.py" receive eth0 $count "${options[@]}" >"$log" 2>"$log.err" &
  local receiver=$!
  wait_for 10 grep -q listening "$log" || warn "the receiver of frames did not start"
  "$in_from" timeout 30 python3 "$repo/scripts/lib/frames.py" send eth0 $count "${options[@]}" || warn "sending frames failed"
  local verdict=true
  wait "$receiver" || verdict=false
  check "odd frames $1 → $2, byte for byte" $verdict "$(tail -1 "$log")$(cat "$log.err")"
}

veth_iperf() {
  start "$run_dir/iperf3-server.log" ip netns exec "$ns_b" timeout $((seconds * 4 + 230)) iperf3 -s --forceflush
  wait_for 5 grep -q 'Server listening' "$run_dir/iperf3-server.log" || true
  local gbit
  gbit=$(in_a timeout 20 iperf3 -c "$ip_b" -t 3 -J 2>/dev/null |
    python3 -c 'import json,sys; print(round(json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e9, 2))') || gbit=
  check "iperf3, 3 s" "$(truth above "$gbit" 0)" "${gbit:-no} Gbit/s"
}

# TCP for $seconds, longer if need be: all the while the percentage changes and instance 0 stops and starts.
veth_transfer() {
  local log=$run_dir/transfer.json client changing='' cycling='' verdict=true
  transfer_serve
  touch "$run_dir/busy"
  in_a timeout $((seconds * 4 + 90)) python3 "$repo/scripts/lib/transfer.py" send "$ip_b" 9000 --seconds "$seconds" \
    --while "$run_dir/busy" >"$log" &
  client=$!
  if [[ $forwarder == umbra ]]; then
    if ((changes > 0)); then
      veth_change_percentage $client >"$run_dir/changes" &
      changing=$!
    fi
    if ((cycles > 0)); then
      veth_cycle_instance $client >"$run_dir/cycles" &
      cycling=$!
    fi
  fi
  [[ -z $changing ]] || wait "$changing" || true
  [[ -z $cycling ]] || wait "$cycling" || true
  rm "$run_dir/busy"
  wait $client || verdict=false
  check "TCP both ways, SHA-256 equal" $verdict \
    "$(field "$log" bytes) bytes in $(field "$log" seconds) s, $(field "$log" mbit_per_s) Mbit/s each way, longest gap $(field "$log" longest_gap_ms) ms$(field "$log" errors | sed 's/^\[\]$//')"
  local changed cycled refused starts crashes
  if [[ -n $changing ]]; then
    read -r changed refused <"$run_dir/changes" || true
    check "percentage changed under load" "$(truth is "$changed/$refused" "$changes/0")" "$changed of $changes changes, $refused refused"
    ctl percentage "$percentage" >/dev/null || true
  fi
  if [[ -n $cycling ]]; then
    read -r cycled refused <"$run_dir/cycles" || true
    starts=$(instance_now 0 starts) crashes=$(instance_now 0 crashes)
    check "instance stopped and started under load" "$(truth is "$cycled/$refused/$starts/$crashes" "$cycles/0/$((cycles + 1))/0")" \
      "$cycled of $cycles cycles, $refused refused, $starts starts, $crashes crashes, $(ledger_sum taps no_instance 0) packets while there was none"
    check_ledger "ledger exact after the cycles"
  fi
}

transfer_serve() {
  [[ -z ${transfer_server:-} ]] || ! alive "$transfer_server" || return 0
  start "$run_dir/transfer-server.log" ip netns exec "$ns_b" timeout $((seconds * 4 + 200)) \
    python3 "$repo/scripts/lib/transfer.py" serve "$ip_b" 9000
  transfer_server=$started
  wait_for 5 grep -q listening "$run_dir/transfer-server.log" || true
}

# pause_until MS: sleeps until then, by now_ms.
pause_until() {
  local left=$(($1 - $(now_ms)))
  ((left <= 0)) || sleep "$(printf '%d.%03d' $((left / 1000)) $((left % 1000)))"
}

# veth_change_percentage PID: $changes changes evenly over the transfer, as long as PID runs. Prints "changed refused".
veth_change_percentage() {
  local began changed=0 refused=0 p
  began=$(now_ms)
  while alive "$1" && ((changed < changes)); do
    # 0, small, odd and full, and everything between.
    case $((RANDOM % 4)) in
      0) p=0.0 ;;
      1) p=100.0 ;;
      2) p=0.$((RANDOM % 10000)) ;;
      3) p=$((RANDOM % 100)).$((RANDOM % 10)) ;;
    esac
    ctl percentage "$p" >/dev/null || refused=$((refused + 1))
    changed=$((changed + 1))
    pause_until $((began + changed * seconds * 900 / changes))
  done
  echo "$changed $refused"
}

# veth_cycle_instance PID: stops and starts instance 0 $cycles times over the transfer. Prints "cycled refused".
veth_cycle_instance() {
  local began cycled=0 refused=0 part=$((seconds * 900 / cycles))
  began=$(now_ms)
  while alive "$1" && ((cycled < cycles)); do
    ctl instance stop 0 >/dev/null || refused=$((refused + 1))
    # It drains first.
    wait_for 10 instance_is 0 state stopped || refused=$((refused + 1))
    pause_until $((began + cycled * part + part / 2))
    ctl instance start 0 --json >/dev/null || refused=$((refused + 1))
    wait_for 10 instance_is 0 state running || refused=$((refused + 1))
    cycled=$((cycled + 1))
    pause_until $((began + cycled * part))
  done
  echo "$cycled $refused"
}

# Instance 0 frozen: its ring fills, drops and counts, production does not notice. The first time it is left to the
# watchdog, the second time it is replaced by hand.
veth_freeze() {
  local full discarded hangs
  full=$(ledger_sum taps ring_full 0) discarded=$(ledger_sum behind discarded 0) hangs=$(instance_now 0 hangs)
  ctl instance pause 0 --json >/dev/null || warn "instance pause 0 was refused"
  veth_fill_ring "$full"
  check "instance frozen: its ring is full" "$(truth above "$(ledger_sum taps ring_full 0)" "$full")" \
    "ring_full $full → $(ledger_sum taps ring_full 0), instance 0 $(instance_now 0 state)"
  check_ledger "ledger exact with a full ring"
  veth_unharmed "instance frozen"
  wait_for 15 instance_is 0 hangs $((hangs + 1)) || true
  wait_for 5 instance_is 0 state running || true
  check "the watchdog replaces it" "$(truth is "$(instance_now 0 hangs) $(instance_now 0 state)" "$((hangs + 1)) running")" \
    "hangs $hangs → $(instance_now 0 hangs), starts $(instance_now 0 starts), discarded $discarded → $(ledger_sum behind discarded 0)"
  veth_replaced "$discarded" watchdog

  full=$(ledger_sum taps ring_full 0) discarded=$(ledger_sum behind discarded 0)
  ctl instance pause 0 >/dev/null || warn "instance pause 0 was refused"
  veth_fill_ring "$full"
  ctl instance replace 0 >/dev/null || warn "instance replace 0 was refused"
  wait_for 5 instance_is 0 state running || true
  check "frozen again: its ring is full" "$(truth above "$(ledger_sum taps ring_full 0)" "$full")" \
    "ring_full $full → $(ledger_sum taps ring_full 0)"
  veth_replaced "$discarded" "by hand"
}

# veth_fill_ring BEFORE: many flows, until instance 0's ring has dropped more than BEFORE. Flows, so that some are its own.
veth_fill_ring() {
  local before=$1 n
  for n in 1 2 3; do
    in_a timeout 10 iperf3 -c "$ip_b" -P 8 -n 40M >"$run_dir/fill.log" 2>&1 || warn "iperf3 failed: $(tail -1 "$run_dir/fill.log")"
    (($(ledger_sum taps ring_full 0) <= before)) || break
  done
}

# veth_unharmed WHEN: production, while the shadow is not well.
veth_unharmed() {
  local out verdict=true log=$run_dir/unharmed.json
  out=$(in_a timeout 20 ping -c 50 -i 0.01 -W 1 -q "$ip_b") || true
  check "$1: 50 pings, none lost" "$(truth is "$(ping_loss <<<"$out")" 0/50)" "$(ping_loss <<<"$out") lost"
  transfer_serve
  in_a timeout 30 python3 "$repo/scripts/lib/transfer.py" send "$ip_b" 9000 --seconds 1 >"$log" || verdict=false
  check "$1: TCP, SHA-256 equal" $verdict "$(field "$log" bytes) bytes at $(field "$log" mbit_per_s) Mbit/s each way, instance 0 then $(instance_now 0 state)"
}

# veth_replaced DISCARDED HOW: what was in the old ring is discarded, and the new instance analyses.
veth_replaced() {
  local now analysed
  now=$(ledger_sum behind discarded 0)
  check "replaced ($2): remainder discarded" "$(truth above "$now" "$1")" "discarded $1 → $now"
  check_ledger "ledger exact, replaced ($2)"
  analysed=$(ledger_sum behind analysed 0)
  in_a timeout 10 iperf3 -c "$ip_b" -P 8 -n 4M >"$run_dir/fill.log" 2>&1 || warn "iperf3 failed: $(tail -1 "$run_dir/fill.log")"
  wait_for 5 analysed_more_than "$analysed" || true
  check "replaced ($2): analysing again" "$(truth analysed_more_than "$analysed")" "analysed $analysed → $(ledger_sum behind analysed 0)"
}
analysed_more_than() { (($(ledger_sum behind analysed 0) > $1)); }

veth_http() {
  mkdir -p "$run_dir/www"
  head -c 3000000 /dev/urandom >"$run_dir/www/file"
  start "$run_dir/http.log" ip netns exec "$ns_b" timeout 60 python3 -m http.server --bind "$ip_b" --directory "$run_dir/www" 8000
  wait_for 5 in_b curl -s -o /dev/null --max-time 1 "http://$ip_b:8000/" || true
  local ok=0 equal=0 wanted got code
  wanted=$(sha256sum <"$run_dir/www/file")
  for _ in {1..20}; do
    code=$(in_a curl -s --max-time 10 -o "$run_dir/got" -w '%{http_code}' "http://$ip_b:8000/file") || true
    got=$(sha256sum <"$run_dir/got")
    [[ $code != 200 ]] || ok=$((ok + 1))
    [[ $got != "$wanted" ]] || equal=$((equal + 1))
    rm -f "$run_dir/got"
  done
  check "HTTP: 20 answers 200, SHA-256 equal" "$(truth is "$ok/$equal" 20/20)" "$ok answers 200, $equal equal"
}

# The neighbour's link at one end is what the other end's neighbour sees, as on a cable. A port that was down has 4 s of
# grace to come back before it counts as lost, so nothing is expected within the first seconds.
veth_link() {
  local inner_a inner_b down=false up=false
  inner_a=$(in_a ls /sys/class/net | grep -v '^lo$' | head -1)
  inner_b=$(in_b ls /sys/class/net | grep -v '^lo$' | head -1)
  has_carrier() { [[ $(in_b cat "/sys/class/net/$inner_b/carrier" 2>/dev/null) == "$1" ]]; }
  in_a ip link set "$inner_a" down
  if wait_for 8 has_carrier 0; then down=true; fi
  in_a ip link set "$inner_a" up
  if wait_for 8 has_carrier 1 && wait_for 8 in_a ping -c 1 -W 0.2 -q "$ip_b"; then up=true; fi
  check "link state passes through the wire" "$(truth is "$down/$up" true/true)" \
    "lost at a: carrier of b gone: $down; back at a: b is up and answers: $up"
}

# One veth goes away under the port and comes back: forwarding again within 2 s of the new one being up.
veth_replug() {
  ip link delete "$outer_a"
  sleep 1
  local alive_after=false since took=
  alive "$forwarder_pid" && alive_after=true
  net_side a
  since=$(now_ms)
  if wait_for 10 in_a ping -c 1 -W 0.1 -q "$ip_b"; then took=$(($(now_ms) - since)); fi
  check "veth deleted and made again" "$(truth at_most "${took:-99999}" 2000)" \
    "umbra alive: $alive_after; forwarding again after ${took:-more than 10000} ms"
}
