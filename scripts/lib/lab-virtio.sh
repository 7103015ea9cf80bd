# shellcheck shell=bash
# umbra's two vhost-user ports between two testpmd processes on virtio-user. Sourced by scripts/lab.
#
#   left (testpmd, net_virtio_user) ── left.sock ── net_vhost0  umbra  net_vhost1 ── right.sock ── right (testpmd, net_virtio_user)
#
# Both ends send back what they get, so a known number of frames goes round for ever: the traffic clocks itself, no
# queue overflows, and at the end every counter on the way must agree to the frame.

circling=256

lab_virtio() {
  forwarder_start $((seconds * 2 + 180)) "net_vhost0,iface=$run_dir/left.sock" "net_vhost1,iface=$run_dir/right.sock"
  say "   testpmd ── virtio-user ── $forwarder ── virtio-user ── testpmd, sampling $percentage%"
  peer_start left
  peer_start right
  virtio_circle
  virtio_kill right left
  virtio_kill left right
  if [[ $forwarder == umbra ]]; then check_umbra; fi
}

declare -A peer_pid peer_fd peer_log
peer_starts=0

# peer_start NAME: a testpmd with one virtio-user port on NAME.sock, obeying `tell NAME COMMAND`. Anonymous shared memory
# (a memfd) in one segment is what virtio-user hands over; huge pages are not needed.
peer_start() {
  local name=$1 n=$((peer_starts += 1)) fd
  peer_log[$name]=$run_dir/$name-$n.log
  mkfifo "$run_dir/$name-$n.in"
  exec {fd}<>"$run_dir/$name-$n.in"
  # shellcheck disable=SC2016
  start "${peer_log[$name]}" bash -c 'exec "${@:2}" <"$1"' bash "$run_dir/$name-$n.in" \
    timeout -k 2 $((seconds * 2 + 170)) stdbuf -o0 \
    dpdk-testpmd --lcores "($analyzer_core,$((analyzer_core + 64)))@$analyzer_core" --no-pci --no-huge -m 128 \
    --single-file-segments --no-telemetry --file-prefix "umbra-lab-$$-$name-$n" \
    "--vdev=net_virtio_user0,path=$run_dir/$name.sock,queue_size=1024" \
    -- -i --port-topology=loop --forward-mode=io --nb-cores=1 --total-num-mbufs=4096 --no-flush-rx
  peer_pid[$name]=$started peer_fd[$name]=$fd
  wait_for 15 grep -aq 'testpmd>' "${peer_log[$name]}" || die "testpmd ($name) did not start: $(tail -5 "${peer_log[$name]}")"
}

tell() { printf '%s\n' "$2" >&"${peer_fd[$1]}"; }

# The real testpmd under timeout.
peer_process() { pgrep -P "${peer_pid[$1]}" -x dpdk-testpmd; }

# peer_counts NAME: "RX TX" packets of its port, now.
peer_counts() {
  local log=${peer_log[$1]} before
  before=$(wc -l <"$log")
  tell "$1" 'show port stats 0'
  wait_for 10 bash -c "tail -n +$((before + 1)) '$log' | grep -aq 'Tx-pps'" || true
  tail -n +$((before + 1)) "$log" | sed -nE 's/.*RX-packets: *([0-9]+).*/\1/p; s/.*TX-packets: *([0-9]+).*/\1/p' | head -2 | tr '\n' ' '
}

peer_received_something() {
  local rx
  read -r rx _ <<<"$(peer_counts "$1")"
  ((rx > 0))
}

virtio_circle() {
  tell right start
  tell left "start tx_first $((circling / 32))"
  sleep "$seconds"
  # Left stops sending back; what is under way comes to rest in its ring, and the counters stand still.
  tell left stop
  sleep 1
  local left_rx left_tx right_rx right_tx
  read -r left_rx left_tx <<<"$(peer_counts left)"
  read -r right_rx right_tx <<<"$(peer_counts right)"
  check "frames go round" "$(truth above "${left_rx:-0}" "$circling")" \
    "${left_tx:-0} sent by left, ${right_rx:-0} at right, back ${right_tx:-0} and ${left_rx:-0}; $((${right_rx:-0} / seconds / 500)) k/s through both directions"
  check "none lost" "$(truth is "$left_tx $right_rx" "$right_rx $right_tx")" \
    "left to right $((left_tx - right_rx)), right's answers $((right_rx - right_tx)), still in left's ring $((right_tx - left_rx)) of $circling"
  if [[ $forwarder == umbra ]]; then
    check_wire_counts a_to_b "$left_tx" "$right_rx"
    check_wire_counts b_to_a "$right_tx" "$right_tx"
  fi
  tell left start
}

# virtio_kill VICTIM OTHER: kill -9; the other goes on sending into the void; a new one on the same socket.
virtio_kill() {
  local victim=$1 other=$2 since took=
  kill -s KILL "$(peer_process "$victim")"
  stop "${peer_pid[$victim]}" KILL
  eval "exec ${peer_fd[$victim]}>&-"
  tell "$other" stop
  tell "$other" 'set fwd txonly'
  tell "$other" start
  sleep 1
  tell "$other" stop
  tell "$other" 'set fwd io'
  tell "$other" start
  check "umbra outlives kill -9 of $victim" "$(truth alive "$forwarder_pid")" "with $other sending all the while"
  launched=$(now_ms)
  peer_start "$victim"
  since=$(now_ms)
  tell "$victim" 'start tx_first 2'
  if wait_for 10 peer_received_something "$victim"; then took=$(($(now_ms) - since)); fi
  check "forwarding again after kill -9 of $victim" "$(truth at_most "${took:-99999}" 2000)" \
    "${took:-more than 10000} ms after the new peer was up, $((since - launched)) ms of its own start before that"
}
