#!/usr/bin/env python3
"""A small capture of believable traffic, made here, and a comparison of two captures.

    capture.py make FILE         TCP connections with a request and an answer, DNS-like UDP, pings; 2 VLANs; a few MB
    capture.py compare A B       the same frames in the same order? prints the counts; exit code 1 if not
"""

import random
import struct
import sys

SERVERS = [bytes([198, 51, 100, n]) for n in range(1, 9)]
CLIENTS = [bytes([10, 0, n // 250, n % 250 + 1]) for n in range(400)]
MAC_CLIENT, MAC_SERVER = bytes.fromhex("020000000a01"), bytes.fromhex("020000000b01")
FIN, SYN, PSH, ACK = 1, 2, 8, 16


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def with_checksum(segment, at, pseudo):
    value = checksum(pseudo + segment)
    return segment[:at] + struct.pack("!H", value) + segment[at + 2:]


class Writer:
    """Frames with times, in the order of time."""

    def __init__(self, rng):
        self.rng, self.frames, self.identification = rng, [], 0

    def ip(self, at_us, source, target, protocol, payload, from_client, vlan):
        self.identification = (self.identification + 1) & 0xFFFF
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), self.identification, 0x4000, 64, protocol, 0,
                           source, target)
        head = with_checksum(head, 10, b"")
        macs = MAC_SERVER + MAC_CLIENT if from_client else MAC_CLIENT + MAC_SERVER
        tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
        frame = macs + tag + b"\x08\x00" + head + payload
        self.frames.append((at_us, frame.ljust(60, b"\0")))

    def tcp_connection(self, at_us, client, server, port, request_len, answer_len, vlan):
        rng = self.rng
        ports = (rng.randrange(32768, 60999), port)
        seq = [rng.getrandbits(32), rng.getrandbits(32)]
        now = at_us

        def segment(side, flags, data=b""):
            nonlocal now
            now += rng.randrange(20, 400)
            source, target = (client, server) if side == 0 else (server, client)
            options = b"\x02\x04\x05\xb4\x01\x03\x03\x07\x04\x02\x01\x01" if flags & SYN else b""
            body = struct.pack("!HHIIBBHHH", ports[side], ports[1 - side], seq[side], seq[1 - side] if flags & ACK else 0,
                               (20 + len(options)) // 4 << 4, flags, 64240, 0, 0) + options + data
            pseudo = source + target + struct.pack("!BBH", 0, 6, len(body))
            self.ip(now, source, target, 6, with_checksum(body, 16, pseudo), side == 0, vlan)
            seq[side] = (seq[side] + len(data) + bool(flags & SYN) + bool(flags & FIN)) & 0xFFFFFFFF

        segment(0, SYN)
        segment(1, SYN | ACK)
        segment(0, ACK)
        segment(0, PSH | ACK, b"GET /" + b"x" * request_len + b" HTTP/1.1\r\nHost: example.org\r\n\r\n")
        left = answer_len
        while left > 0:
            part = min(left, 1448)
            segment(1, ACK | (PSH if part == left else 0), rng.randbytes(part))
            left -= part
            if rng.random() < 0.5:
                segment(0, ACK)
        segment(1, FIN | ACK)
        segment(0, FIN | ACK)
        segment(1, ACK)

    def udp_exchange(self, at_us, client, server, port):
        rng = self.rng
        local = rng.randrange(32768, 60999)
        for side, size in ((0, rng.randrange(30, 60)), (1, rng.randrange(60, 400))):
            source, target = (client, server) if side == 0 else (server, client)
            ends = (local, port) if side == 0 else (port, local)
            body = struct.pack("!HHHH", *ends, 8 + size, 0) + rng.randbytes(size)
            pseudo = source + target + struct.pack("!BBH", 0, 17, len(body))
            self.ip(at_us + 300 * side, source, target, 17, with_checksum(body, 6, pseudo), side == 0, 0)

    def echo(self, at_us, client, server, number):
        for side, kind in ((0, 8), (1, 0)):
            source, target = (client, server) if side == 0 else (server, client)
            body = with_checksum(struct.pack("!BBHHH", kind, 0, 0, 77, number) + bytes(range(56)), 2, b"")
            self.ip(at_us + 200 * side, source, target, 1, body, side == 0, 0)


def make(path):
    rng = random.Random(20260102)
    writer = Writer(rng)
    for number in range(600):
        at, client, server = rng.randrange(8_000_000), rng.choice(CLIENTS), rng.choice(SERVERS)
        kind = rng.random()
        if kind < 0.55:
            answer_len = min(200_000, int(rng.paretovariate(1.1) * 800))
            writer.tcp_connection(at, client, server, rng.choice([80, 80, 443, 8080]), rng.randrange(10, 300), answer_len,
                                  rng.choice([0, 0, 0, 10, 20]))
        elif kind < 0.9:
            writer.udp_exchange(at, client, server, 53)
        else:
            writer.echo(at, client, server, number)
    writer.frames.sort(key=lambda frame: frame[0])
    start_s = 1_767_322_800
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for at, frame in writer.frames:
            file.write(struct.pack("<IIII", start_s + at // 1_000_000, at % 1_000_000, len(frame), len(frame)) + frame)
    print(f"{len(writer.frames)} frames, {sum(len(f) for _, f in writer.frames)} bytes")


def frames(path):
    with open(path, "rb") as file:
        data = file.read()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}.get(data[:4])
    if order is None:
        sys.exit(f"{path}: not a pcap file")
    at = 24
    while at + 16 <= len(data):
        captured_len = struct.unpack_from(f"{order}I", data, at + 8)[0]
        yield data[at + 16:at + 16 + captured_len]
        at += 16 + captured_len


def compare(a, b):
    first, second = list(frames(a)), list(frames(b))
    equal = first == second
    different = next((i for i, (x, y) in enumerate(zip(first, second)) if x != y), None)
    print(f"{len(first)} frames in, {len(second)} out, " + ("all equal and in order" if equal else f"first difference at frame {different}"))
    return equal


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "make":
        make(sys.argv[2])
    elif len(sys.argv) == 4 and sys.argv[1] == "compare":
        sys.exit(0 if compare(sys.argv[2], sys.argv[3]) else 1)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
