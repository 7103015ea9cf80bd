# shellcheck shell=bash
# umbra in front of a virtual machine on vhost-user; behind the wire is a namespace on a veth. Sourced by scripts/lab.
#
#   guest (Debian kernel, busybox), virtio-net ── vm.sock ── net_vhost0  umbra  AF_XDP ── veth ── umbra-a-ID
#
# The guest's memory is a memfd that QEMU shares with umbra; no huge pages. `-accel tcg` needs nothing of the machine;
# UMBRA_LAB_ACCEL=kvm takes KVM where that works.

ip_guest=10.99.0.2
guest_modules=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci failover net_failover virtio_net)

lab_vm() {
  have qemu-system-x86_64 || die "qemu-system-x86_64 is missing; scripts/setup --lab installs it"
  "$repo/scripts/setup" --lab >"$run_dir/setup.log" 2>&1 || die "no guest kernel: $(tail -3 "$run_dir/setup.log")"
  guest_image
  net_up a
  vm_forwarder
  say "   guest ($ip_guest) ── vhost-user ── $forwarder ── $ports ── $ns_a ($ip_a), sampling $percentage%"
  vm_serve
  vm_boot
  vm_traffic
  if [[ $forwarder == umbra ]]; then check_ledger "ledger exact, guest's traffic"; fi
  vm_kill_guest
  vm_kill_forwarder
  if [[ $forwarder == umbra ]]; then check_umbra; fi
}

vm_forwarder() {
  forwarder_start $((seconds + 200)) "net_vhost0,iface=$run_dir/vm.sock" "$(port_vdev "$ports" 0 "$outer_a")"
}

# The initramfs: busybox, the virtio modules, and an init that talks through the wire and reports on the console.
guest_image() {
  local kernel=$target_dir/lab/guest tree=$run_dir/guest m file
  mkdir -p "$tree"/{bin,proc,sys,dev,lib,www,tmp}
  cp "$(command -v busybox)" "$tree/bin/busybox"
  for m in "${guest_modules[@]}"; do
    # Some are built in, in some kernels.
    file=$(find "$kernel/lib/modules" -name "$m.ko*" -print -quit)
    case $file in
      *.xz) xz -dc "$file" >"$tree/lib/$m.ko" ;;
      *.ko) cp "$file" "$tree/lib/$m.ko" ;;
    esac
  done
  cat >"$tree/init" <<INIT
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for m in ${guest_modules[*]}; do [ ! -f /lib/\$m.ko ] || insmod /lib/\$m.ko; done
ip link set lo up; ip address add $ip_guest/24 dev eth0; ip link set eth0 up
dd if=/dev/urandom of=/www/file bs=1M count=4 2>/dev/null
httpd -p 80 -h /www
echo "GUEST file \$(sha256sum </www/file)"
echo "GUEST ready after \$(cut -d' ' -f1 /proc/uptime) s"
echo "GUEST ping \$(ping -c 20 -i 0.1 -W 1 -q $ip_a | grep loss)"
for i in 1 2 3 4 5; do timeout 20 wget -q -O /tmp/got http://$ip_a:8000/file && echo "GUEST got \$(sha256sum </tmp/got)"; done
echo "GUEST served"
while :; do sleep 1; done
INIT
  chmod +x "$tree/init"
  (cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1) >"$run_dir/initrd.gz"
}

vm_serve() {
  mkdir -p "$run_dir/www"
  head -c 4000000 /dev/urandom >"$run_dir/www/file"
  start "$run_dir/http.log" ip netns exec "$ns_a" timeout $((seconds + 190)) \
    python3 -m http.server --bind "$ip_a" --directory "$run_dir/www" 8000
}

vm_boots=0
vm_boot() {
  local since images
  since=$(now_ms)
  images=("$target_dir"/lab/guest/boot/vmlinuz-*)
  vm_console=$run_dir/console-$((vm_boots += 1)).log
  # Offloads off on the device: behind the wire frames must be as they are on a medium. vectors=0: QEMU 7.2 crashes
  # under tcg when vhost-user asks for interrupts that nobody unmasked. reconnect=1: umbra may come and go.
  start "$run_dir/qemu-$vm_boots.log" timeout -k 2 $((seconds + 190)) taskset -c "$analyzer_core" \
    qemu-system-x86_64 -accel "${UMBRA_LAB_ACCEL:-tcg}" -cpu max -machine q35 -m 192 -nodefaults -no-user-config -no-reboot \
    -display none -serial "file:$vm_console" \
    -kernel "${images[0]}" -initrd "$run_dir/initrd.gz" -append 'console=ttyS0 quiet panic=1 random.trust_cpu=on' \
    -object memory-backend-memfd,id=mem,size=192M,share=on -numa node,memdev=mem \
    -chardev "socket,id=vhost,path=$run_dir/vm.sock,reconnect=1" -netdev vhost-user,id=net,chardev=vhost \
    -device "virtio-net-pci,netdev=net,mac=02:00:00:00:0b:01,vectors=0,csum=off,guest_csum=off,gso=off,guest_tso4=off,guest_tso6=off,guest_ufo=off,host_tso4=off,host_tso6=off,host_ufo=off,romfile="
  vm_pid=$started
  vm_says 'GUEST ready' 60 || {
    tail -20 "$run_dir/qemu-$vm_boots.log" "$vm_console" >&2
    die "the guest did not come up within 60 s"
  }
  say "   the guest is up, $(($(now_ms) - since)) ms after QEMU's start"
}

# vm_says TEXT SECONDS
vm_says() { wait_for "$2" grep -aq "$1" "$vm_console"; }

vm_traffic() {
  local out guest_loss wanted got code started_at=$SECONDS ok=0 n=0
  # One after the other: a download fills the guest's ring, and a ping into a full ring is lost by right.
  vm_says 'GUEST served' 90 || true
  guest_loss=$(grep -a 'GUEST ping' "$vm_console" | sed 's/GUEST ping //' | ping_loss)
  check "ping from the guest: 20, none lost" "$(truth is "$guest_loss" 0/20)" "${guest_loss:-?} lost"
  out=$(in_a timeout 20 ping -c 50 -i 0.02 -W 1 -q "$ip_guest") || true
  check "ping to the guest: 50, none lost" "$(truth is "$(ping_loss <<<"$out")" 0/50)" \
    "$(ping_loss <<<"$out") lost, $(ping_average_ms <<<"$out") ms round trip"

  wanted=$(sha256sum <"$run_dir/www/file")
  got=$(grep -ac "GUEST got ${wanted%% *}" "$vm_console") || true
  check "HTTP by the guest: 5, SHA-256 equal" "$(truth is "$got" 5)" "$got of 5 equal"

  wanted=$(sed -nE 's/.*GUEST file ([0-9a-f]{64}).*/\1/p' "$vm_console")
  while ((n < 5 || SECONDS - started_at < seconds)); do
    code=$(in_a curl -s --max-time 20 -o "$run_dir/got" -w '%{http_code}' "http://$ip_guest/file") || true
    got=$(sha256sum <"$run_dir/got")
    n=$((n + 1))
    [[ "$code ${got%% *}" != "200 $wanted" ]] || ok=$((ok + 1))
    rm -f "$run_dir/got"
  done
  check "HTTP from the guest, SHA-256 equal" "$(truth is $ok $n)" "$ok of $n answers 200 and equal, 4 MiB each"
}

# The guest dies, another boots on the same socket.
vm_kill_guest() {
  local out
  stop "$vm_pid" KILL
  sleep 0.5
  check "$forwarder outlives kill -9 of the guest" "$(truth alive "$forwarder_pid")" "QEMU killed with its rings in use"
  vm_boot
  vm_says 'GUEST served' 90 || true
  out=$(in_a timeout 20 ping -c 20 -i 0.05 -W 1 -q "$ip_guest") || true
  check "forwarding to the next guest: 20 pings" "$(truth is "$(ping_loss <<<"$out")" 0/20)" "$(ping_loss <<<"$out") lost"
}

# The forwarder dies and leaves its socket behind; started again it takes the socket over, QEMU reconnects within a second.
vm_kill_forwarder() {
  local since took=
  stop "$forwarder_pid" KILL
  [[ $forwarder != testpmd ]] || rm -f "$run_dir/vm.sock" # which it would trip over
  vm_forwarder
  since=$(now_ms)
  if wait_for 15 in_a ping -c 1 -W 0.1 -q "$ip_guest"; then took=$(($(now_ms) - since)); fi
  # QEMU tries again every second, and shares the core with everything else here: 5 s, not 2.
  check "stale socket of a killed $forwarder" "$(truth at_most "${took:-99999}" 5000)" \
    "guest reached again ${took:-more than 15000} ms after the new one was up"
}
