# shellcheck shell=bash
# Two network namespaces with a veth pair each; the outer ends are the ports of a wire. Sourced after common.sh.
#
#   namespace umbra-a-ID: eth0 (10.99.0.1) ── veth ── uaID   the wire   ubID ── veth ── eth0 (10.99.0.2) :umbra-b-ID

net_id=$(printf '%04x' $((RANDOM ^ $$ & 0xffff)))
ns_a=umbra-a-$net_id ns_b=umbra-b-$net_id
outer_a=ua$net_id outer_b=ub$net_id
ip_a=10.99.0.1 ip_b=10.99.0.2

# True where namespaces, veths and raw sockets may be had.
namespaces_allowed() {
  ip netns add "umbra-try-$net_id" 2>/dev/null || return 1
  local ok=0
  ip link add "ut$net_id" type veth peer name eth0 netns "umbra-try-$net_id" 2>/dev/null || ok=1
  ip netns exec "umbra-try-$net_id" true 2>/dev/null || ok=1
  ip link delete "ut$net_id" 2>/dev/null || true
  ip netns delete "umbra-try-$net_id" 2>/dev/null || true
  return $ok
}

# net_side a|b: makes the veth pair of one side. The same MAC addresses every time, so that a pair that was deleted and
# made again is the same neighbour.
net_side() {
  local ns outer ip mac
  case $1 in
    a) ns=$ns_a outer=$outer_a ip=$ip_a mac=02:00:00:00:0a ;;
    b) ns=$ns_b outer=$outer_b ip=$ip_b mac=02:00:00:00:0b ;;
  esac
  ip link add "$outer" address "$mac:02" mtu "${net_mtu:-1500}" type veth \
    peer name eth0 netns "$ns" address "$mac:01" mtu "${net_mtu:-1500}"
  # What crosses a veth is never put on a medium, so Linux leaves checksums open and packets unsegmented on it. Behind
  # the wire is another veth that takes frames as they are: they must be real frames.
  ip netns exec "$ns" ethtool -K eth0 tx off tso off gso off gro off >/dev/null
  ethtool -K "$outer" tx off tso off gso off gro off >/dev/null 2>&1 || true
  # The outer end is a port, not a host: no addresses, no neighbour discovery of its own.
  echo 1 2>/dev/null >"/proc/sys/net/ipv6/conf/$outer/disable_ipv6" || true
  ip -n "$ns" link set lo up
  ip -n "$ns" address add "$ip/24" dev eth0
  ip -n "$ns" link set eth0 up
  ip link set "$outer" up
}

net_up() {
  local side
  for side in "$@"; do
    case $side in
      a) ip netns add "$ns_a" ;;
      b) ip netns add "$ns_b" ;;
    esac
    net_side "$side"
  done
}

net_down() {
  local ns
  ip link delete "$outer_a" 2>/dev/null || true
  ip link delete "$outer_b" 2>/dev/null || true
  for ns in "$ns_a" "$ns_b"; do
    ip netns delete "$ns" 2>/dev/null || true
  done
}

in_a() { ip netns exec "$ns_a" "$@"; }
in_b() { ip netns exec "$ns_b" "$@"; }

# True where this kernel and this DPDK can open an AF_XDP port: the kernel knows the address family and the driver is there.
af_xdp_possible() {
  python3 -c 'import socket; socket.socket(44, socket.SOCK_RAW).close()' 2>/dev/null &&
    compgen -G '/usr/lib/*/dpdk/pmds-*/librte_net_af_xdp.so*' >/dev/null
}

# port_vdev KIND N INTERFACE: the --vdev of a port on a network interface. AF_PACKET's driver joins a fanout group that
# puts IP fragments together and rewrites the tag 88a8 to 8100; AF_XDP and libpcap take frames as they are.
port_vdev() {
  case $1 in
    af_xdp) printf 'net_af_xdp%s,iface=%s' "$2" "$3" ;;
    pcap) printf 'net_pcap%s,rx_iface_in=%s,tx_iface=%s' "$2" "$3" "$3" ;;
    af_packet) printf 'net_af_packet%s,iface=%s' "$2" "$3" ;;
    *) die "unknown kind of port '$1': af_xdp, pcap or af_packet" ;;
  esac
}

# What ping says, as "lost/sent" and the average round trip.
ping_loss() { sed -nE 's/^([0-9]+) packets transmitted, ([0-9]+) (packets )?received.*/\1 \2/p' | awk '{ print $1 - $2 "/" $1 }'; }
ping_average_ms() { sed -nE 's#^(rtt|round-trip) [^=]*= [0-9.]+/([0-9.]+)/.*#\2#p'; }
