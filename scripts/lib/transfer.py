#!/usr/bin/env python3
"""A TCP transfer in both directions at once, checked by SHA-256.

    transfer.py serve ADDRESS PORT                    echoes what it gets, until it is killed
    transfer.py send ADDRESS PORT --seconds S         sends for S seconds, reads the echo, prints one JSON line
        --while FILE                                  goes on beyond S, to 4 S + 30 at most, as long as FILE exists

The echo equals what was sent only if neither direction lost, changed or swapped a byte. Exit code 1 if it does not.
`longest_gap_ms` is the longest time without a byte coming back.
"""

import argparse
import hashlib
import json
import os
import socket
import sys
import threading
import time

BLOCK_LEN = 64 * 1024


def echo(connection):
    with connection:
        while data := connection.recv(4 * BLOCK_LEN):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


def serve(address, port):
    with socket.create_server((address, port)) as listener:
        print("listening", flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=echo, args=(connection,), daemon=True).start()


def send_all(connection, seconds, flag, sent, failed):
    # Random bytes once, a counter in every block: cheap to make, and no two blocks are equal.
    noise = os.urandom(BLOCK_LEN - 8)
    digest, count, began = hashlib.sha256(), 0, time.monotonic()

    def wanted():
        gone = time.monotonic() - began
        return gone < seconds or (flag and gone < 4 * seconds + 30 and os.path.exists(flag))

    try:
        while not failed and wanted():
            block = count.to_bytes(8, "big") + noise
            connection.sendall(block)
            digest.update(block)
            count += 1
        connection.shutdown(socket.SHUT_WR)
    except OSError as error:
        failed.append(f"sending: {error}")
    sent.append((digest.hexdigest(), count * BLOCK_LEN))


def send(address, port, seconds, flag, patience):
    connection = socket.create_connection((address, port), timeout=10)
    connection.settimeout(patience)
    sent, failed = [], []
    sender = threading.Thread(target=send_all, args=(connection, seconds, flag, sent, failed), daemon=True)
    started = last = time.monotonic()
    digest, received, gap = hashlib.sha256(), 0, 0.0
    sender.start()
    try:
        while data := connection.recv(4 * BLOCK_LEN):
            now = time.monotonic()
            gap, last = max(gap, now - last), now
            digest.update(data)
            received += len(data)
    except OSError as error:
        failed.append(f"receiving: {error} after {patience} s")
    elapsed = time.monotonic() - started
    sender.join(timeout=5)
    sent_digest, sent_len = sent[0] if sent else ("", -1)
    equal = not failed and sent_digest == digest.hexdigest()
    print(json.dumps({
        "equal": equal,
        "bytes": received,
        "sent_bytes": sent_len,
        "sha256": digest.hexdigest(),
        "mbit_per_s": round(8e-6 * received / elapsed, 1),
        "seconds": round(elapsed, 2),
        "longest_gap_ms": round(1000 * gap, 1),
        "errors": failed,
    }))
    return equal


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=["serve", "send"])
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--while", dest="flag", metavar="FILE")
    parser.add_argument("--patience", type=float, default=30.0, help="give up after so many seconds without a byte")
    args = parser.parse_args()
    if args.role == "serve":
        serve(args.address, args.port)
    sys.exit(0 if send(args.address, args.port, args.seconds, args.flag, args.patience) else 1)


if __name__ == "__main__":
    main()
