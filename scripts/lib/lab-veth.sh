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
  forwarder_start $((seconds * 2 + 150)) "$(port_vdev "$ports" 0 "$outer_a")" "$(port_vdev "$ports" 1 "$outer_b")"
  say "   $ns_a ($ip_a) ── $ports ── $forwarder ── $ports ── $ns_b ($ip_b), sampling $percentage%"

  veth_ping
  veth_frames a b
  veth_frames b a
  veth_iperf
  veth_transfer
  veth_http
  if [[ $forwarder == umbra ]]; then
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
  start "$run_dir/iperf3-server.log" ip netns exec "$ns_b" timeout 30 iperf3 -s --forceflush
  wait_for 5 grep -q 'Server listening' "$run_dir/iperf3-server.log" || true
  local gbit
  gbit=$(in_a timeout 20 iperf3 -c "$ip_b" -t 3 -J 2>/dev/null |
    python3 -c 'import json,sys; print(round(json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e9, 2))') || gbit=
  check "iperf3, 3 s" "$(truth above "$gbit" 0)" "${gbit:-no} Gbit/s"
  stop "$started"
}

veth_transfer() {
  local log=$run_dir/transfer.json
  start "$run_dir/transfer-server.log" ip netns exec "$ns_b" timeout $((seconds + 60)) \
    python3 "$repo/scripts/lib/transfer.py" serve "$ip_b" 9000
  wait_for 5 grep -q listening "$run_dir/transfer-server.log" || true
  in_a timeout $((seconds + 45)) python3 "$repo/scripts/lib/transfer.py" send "$ip_b" 9000 --seconds "$seconds" >"$log" &
  local client=$! changed=0 refused=0 pause p
  if [[ $forwarder == umbra ]] && ((changes > 0)); then
    pause=$(awk -v s="$seconds" -v n="$changes" 'BEGIN { print 0.9 * s / n }')
    while alive $client && ((changed < changes)); do
      # 0, small, odd and full, and everything between.
      case $((RANDOM % 4)) in
        0) p=0.0 ;;
        1) p=100.0 ;;
        2) p=0.$((RANDOM % 10000)) ;;
        3) p=$((RANDOM % 100)).$((RANDOM % 10)) ;;
      esac
      ctl percentage "$p" >/dev/null || refused=$((refused + 1))
      changed=$((changed + 1))
      sleep "$pause"
    done
  fi
  local verdict=true
  wait $client || verdict=false
  check "TCP both ways, SHA-256 equal" $verdict \
    "$(field "$log" bytes) bytes in $(field "$log" seconds) s, $(field "$log" mbit_per_s) Mbit/s each way, longest gap $(field "$log" longest_gap_ms) ms$(field "$log" errors | sed 's/^\[\]$//')"
  if ((changed > 0)); then
    check "percentage changed under load" "$(truth is $refused 0)" "$changed changes, $refused refused"
    ctl percentage "$percentage" >/dev/null || true
  fi
}

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
