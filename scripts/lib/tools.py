#!/usr/bin/env python3
"""Holds what DPDK's tools say of a running umbra against what it says itself. One line; exit code 1 if they differ.

    tools.py telemetry COMMAND ANSWER STATUS LEDGER     an answer of dpdk-telemetry.py, `ctl status --json`, `ctl ledger --json`
    tools.py proc-info LOG STATUS                       what dpdk-proc-info --stats printed, `ctl status --json`
"""

import json
import re
import sys

STATS = {"RX-packets": "ipackets", "TX-packets": "opackets", "RX-bytes": "ibytes", "TX-bytes": "obytes"}


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def different(told, own, keys):
    return [f"{key} {told.get(key)!r}, umbra says {own.get(key)!r}" for key in keys if str(told.get(key)) != str(own.get(key))]


def rows(answer):
    return [answer[key] for key in sorted(answer, key=int)]


def telemetry(command, answer, status, ledger):
    told = answer[command]
    if command == "/umbra/status":
        faults = different(told, status, ("appliance", "select", "distribute", "shadow_traffic_percentage"))
        says = ", ".join(f"{key} {told.get(key)}" for key in ("appliance", "shadow_traffic_percentage", "select", "uptime_s"))
        return faults, says
    if command == "/umbra/ledger":
        return [] if told.get("exact") == 1 else ["not exact"], f"exact {told.get('exact')}, sequence {told.get('sequence')}"
    kind, source, keys = {
        "/umbra/wires": ("wires", ledger, ("wire", "direction", "rx", "tx", "selected", "residual")),
        "/umbra/instances": ("instances", status, ("instance", "state", "starts", "core")),
    }[command]
    told, own = rows(told), source[kind]
    faults = [fault for a, b in zip(told, own) for fault in different(a, b, keys)]
    if not own or len(told) != len(own):
        faults.append(f"{len(told)} rows, umbra has {len(own)}")
    if kind == "wires" and not all(row["rx"] > 0 for row in told):
        faults.append("nothing received")
    return faults, "; ".join(", ".join(f"{key} {row[key]}" for key in keys) for row in told)


def proc_info(path, status):
    ports = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if re.search(r"NIC statistics for port \d", line):
                ports.append({})
            elif ports and "Stats reg" not in line:
                ports[-1].update((name, int(n)) for name, n in re.findall(r"([RT]X-\w+): *(\d+)", line))
    faults = []
    if len(ports) != len(status["ports"]) or not ports:
        faults.append(f"{len(ports)} ports, umbra has {len(status['ports'])}")
    for told, own in zip(ports, status["ports"]):
        faults += [f"{own['port']}: {name} {told.get(name)}, umbra says {own['stats'][key]}"
                   for name, key in STATS.items() if told.get(name) != own["stats"][key]]
        if not told.get("RX-packets"):
            faults.append(f"{own['port']}: nothing received")
    return faults, "; ".join(f"{own['port']}: " + ", ".join(f"{name} {told.get(name)}" for name in STATS)
                             for told, own in zip(ports, status["ports"]))


def main():
    if len(sys.argv) == 6 and sys.argv[1] == "telemetry":
        faults, says = telemetry(sys.argv[2], *(load(path) for path in sys.argv[3:]))
    elif len(sys.argv) == 4 and sys.argv[1] == "proc-info":
        faults, says = proc_info(sys.argv[2], load(sys.argv[3]))
    else:
        sys.exit(__doc__)
    print("; ".join(faults) if faults else says)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, KeyError) as error:
        print(f"no usable answer: {error!r}")
        sys.exit(1)
