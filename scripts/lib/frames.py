#!/usr/bin/env python3
"""Odd Ethernet frames through a wire, compared byte for byte and in order.

    frames.py receive IFACE COUNT [OPTIONS]     waits for COUNT frames, prints one JSON line
    frames.py send    IFACE COUNT [OPTIONS]     sends them
    frames.py captured FILE COUNT [OPTIONS]     are exactly these frames in a pcapng file?

Both sides make the same frames from the seed: sizes from 60 bytes to the MTU's, VLAN, QinQ and MPLS tags, LLDP, LACP
and STP to their link-local groups, IPv4 fragments, wrong checksums, unknown ethertypes. Each bears its number. The
receiver prints how many came, were lost, came twice, were changed, or came out of order; exit code 1 if any did.
Needs root (raw sockets). --af-packet leaves out what a port of DPDK's AF_PACKET driver does not carry as it is: the tag
88a8 (it becomes 8100) and IPv4 fragments (the kernel puts them together).
"""

import argparse
import json
import random
import socket
import struct
import sys
import time

MAGIC = b"umbra-lab"
ETH_P_ALL = 0x0003
SOL_PACKET, PACKET_AUXDATA, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 8, 1, 1
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6
PACKET_OUTGOING = 4

LLDP = bytes.fromhex("0180c200000e")
LACP = bytes.fromhex("0180c2000002")
STP = bytes.fromhex("0180c2000000")
UNICAST = bytes.fromhex("02aabbccdd01")
BROADCAST = b"\xff" * 6
SOURCE = bytes.fromhex("02aabbccdd02")


def tag(tpid, vid):
    return struct.pack("!HH", tpid, vid)


def ipv4(rng, fragment):
    checksum = rng.getrandbits(16)  # seldom right, and none of the wire's business
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1400, rng.getrandbits(16), fragment, 64, 17, checksum,
                       bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))


def header(rng, plain):
    """Addresses, tags, ethertype and what must follow it."""
    kinds = [
        lambda: UNICAST + SOURCE + b"\x88\xb5",
        lambda: BROADCAST + SOURCE + b"\x88\xb6",
        lambda: LLDP + SOURCE + b"\x88\xcc",
        lambda: LACP + SOURCE + b"\x88\x09",
        lambda: UNICAST + SOURCE + tag(0x8100, rng.randrange(1, 4095)) + b"\x88\xb5",
        lambda: UNICAST + SOURCE + tag(0x8100, 5) + tag(0x8100, 6) + b"\x88\xb5",
        lambda: UNICAST + SOURCE + b"\x88\x47" + struct.pack("!I", 0x000FF1FF),
        lambda: UNICAST + SOURCE + b"\x08\x00" + ipv4(rng, 0x4000),
        lambda: UNICAST + SOURCE + struct.pack("!H", rng.randrange(0x9100, 0xFFFF)),
    ]
    if not plain:
        kinds.append(lambda: UNICAST + SOURCE + b"\x08\x00" + ipv4(rng, 0x2000))
        kinds.append(lambda: UNICAST + SOURCE + b"\x08\x00" + ipv4(rng, 0x00B9))
        kinds.append(lambda: UNICAST + SOURCE + tag(0x88A8, 100) + tag(0x8100, 200) + b"\x08\x00" + ipv4(rng, 0))
        kinds.append(lambda: UNICAST + SOURCE + tag(0x88A8, rng.randrange(1, 4095)) + b"\x88\xb5")
    return rng.choice(kinds)()


def frame(number, options):
    seed, mtu, plain = options.seed, options.mtu, options.af_packet
    rng = random.Random(f"{seed}/{number}")
    untagged_len = 60 + (number * 7919) % (mtu + 14 - 60 + 1)
    if number % 16 == 15 and untagged_len <= 1514:  # 802.3 with LLC: a length, not an ethertype
        head = STP + SOURCE + struct.pack("!H", untagged_len - 14) + b"\x42\x42\x03"
        total_len = untagged_len
    else:
        head = header(rng, plain)
        # Raw sockets let a frame with one 8100 tag be 4 bytes longer than one without, and no other.
        one_tag = head[12:14] == b"\x81\x00" and head[16:18] != b"\x81\x00"
        total_len = untagged_len + (4 if one_tag else 0)
    body = head + MAGIC + struct.pack("!I", number)
    return body + rng.randbytes(max(0, total_len - len(body)))


def open_raw(interface):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    raw.bind((interface, ETH_P_ALL))
    member = struct.pack("iHH8s", socket.if_nametoindex(interface), PACKET_MR_PROMISC, 0, b"")
    raw.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, member)
    return raw


def receive_one(raw):
    """A frame as it was on the wire: Linux takes the outer tag off and tells it beside the frame."""
    data, extra, _, address = raw.recvmsg(65536, 256)
    if address[2] == PACKET_OUTGOING:
        return None
    for level, kind, value in extra:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", value[:20])
            if status & TP_STATUS_VLAN_VALID:
                tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                data = data[:12] + tag(tpid, tci) + data[12:]
    return data


def receive(options):
    interface, count, seconds = options.interface, options.count, options.seconds
    raw = open_raw(interface)
    raw.settimeout(0.2)
    print("listening", flush=True)
    seen, changed, disorder, twice, highest, examples = set(), 0, 0, 0, -1, []
    # `seconds` bounds the whole; after the first frame two quiet seconds end it.
    end, quiet = time.monotonic() + seconds, None
    while len(seen) < count and time.monotonic() < min(end, quiet or end):
        try:
            data = receive_one(raw)
        except TimeoutError:
            continue
        at = data.find(MAGIC) if data else -1
        if at < 0 or len(data) < at + len(MAGIC) + 4:
            continue
        quiet = time.monotonic() + 2
        (number,) = struct.unpack_from("!I", data, at + len(MAGIC))
        if number >= count or data != frame(number, options):
            changed += 1
            if len(examples) < 3 and number < count:
                examples.append({"number": number, "sent": frame(number, options)[:48].hex(), "got": data[:48].hex(),
                                 "sent_len": len(frame(number, options)), "got_len": len(data)})
            continue
        twice += number in seen
        disorder += number < highest
        highest = max(highest, number)
        seen.add(number)
    result = {"equal": len(seen), "lost": count - len(seen), "changed": changed, "twice": twice, "out_of_order": disorder}
    if examples:
        result["examples"] = examples
    lost = sorted(set(range(count)) - seen)[:4]
    if lost:
        result["first_lost"] = [{"number": n, "len": len(frame(n, options)), "starts": frame(n, options)[:20].hex()} for n in lost]
    print(json.dumps(result))
    return all(result[fault] == 0 for fault in ("lost", "changed", "twice", "out_of_order"))


def send(options):
    interface, count = options.interface, options.count
    raw = open_raw(interface)
    for number in range(count):
        raw.send(frame(number, options))
        # In small bursts: a queue on the way is not what is tested here.
        if number % 16 == 15:
            time.sleep(0.002)
    return True


def blocks(data):
    """The blocks of a little-endian pcapng file: type and body."""
    at = 0
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if length < 12 or at + length > len(data):
            sys.exit(f"cut short, or no pcapng, at byte {at} of {len(data)}")
        yield kind, data[at + 8:at + length - 4]
        at += length


def captured(options):
    """All that was sent is in the capture, nothing else, and in order."""
    section, packet = 0x0A0D0D0A, 6
    found = []
    with open(options.interface, "rb") as file:
        for kind, body in blocks(file.read()):
            if kind == section and body[:4] != b"\x4d\x3c\x2b\x1a":
                sys.exit("not a little-endian pcapng file")
            if kind == packet:
                captured_len, frame_len = struct.unpack_from("<II", body, 12)
                found.append(body[20:20 + captured_len] if captured_len == frame_len else b"cut short")
    sent = [frame(number, options) for number in range(options.count)]
    if found != sent:
        first = next((i for i, (a, b) in enumerate(zip(found, sent)) if a != b), min(len(found), len(sent)))
        got = found[first][:64].hex() if first < len(found) else "nothing"
        print(f"{len(found)} captured of {len(sent)} sent, the first difference at {first}: got {got}")
        return False
    print(f"{len(found)} captured of {len(sent)} sent, all equal and in order")
    return bool(sent)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=["send", "receive", "captured"])
    parser.add_argument("interface")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--mtu", type=int, default=1500)
    parser.add_argument("--af-packet", action="store_true")
    options = parser.parse_args()
    sys.exit(0 if {"send": send, "receive": receive, "captured": captured}[options.role](options) else 1)


if __name__ == "__main__":
    main()
