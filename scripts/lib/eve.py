#!/usr/bin/env python3
"""Reads an eve.json.

    eve.py count FILE TYPE      how many records of that event type; every line must be JSON and have a `shadow` object
    eve.py flows FILE N         the N largest flows, as a table
"""

import json
import sys


def records(path):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                sys.exit(f"{path}:{number}: not JSON: {error}")


def count(path, kind):
    found = 0
    for number, record in enumerate(records(path), 1):
        if "shadow" not in record or "timestamp" not in record:
            sys.exit(f"{path}:{number}: no shadow object or no timestamp")
        found += record.get("event_type") == kind
    print(found)


def flows(path, limit):
    def size(record):
        flow = record["flow"]
        return flow["bytes_toserver"] + flow["bytes_toclient"]

    found = sorted((r for r in records(path) if r.get("event_type") == "flow"), key=size, reverse=True)
    print(f"{'proto':<6} {'from':>22}   {'to':<22} {'packets':>15} {'bytes':>21}  state")
    for record in found[:limit]:
        flow = record["flow"]
        source = f"{record['src_ip']}:{record.get('src_port', '-')}"
        target = f"{record['dest_ip']}:{record.get('dest_port', '-')}"
        packets = f"{flow['pkts_toserver']}/{flow['pkts_toclient']}"
        size_text = f"{flow['bytes_toserver']}/{flow['bytes_toclient']}"
        print(f"{record['proto']:<6} {source:>22} → {target:<22} {packets:>15} {size_text:>21}  {flow.get('state', '')}")
    print(f"{len(found)} flows in all")


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("count", "flows"):
        sys.exit(__doc__)
    if sys.argv[1] == "count":
        count(sys.argv[2], sys.argv[3])
    else:
        flows(sys.argv[2], int(sys.argv[3]))


if __name__ == "__main__":
    main()
