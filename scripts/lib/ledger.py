#!/usr/bin/env python3
"""Reads what `umbra ctl ledger --json` says.

    ledger.py check FILE                 every residual recomputed and zero, nothing negative; one line of sums
    ledger.py settled FILE               the same, and nothing in a ring or in hand
    ledger.py wire FILE DIRECTION        "rx tx" of all wires in that direction (a_to_b, b_to_a)
    ledger.py sum FILE KIND TERM INSTANCE   one term of an instance's accounts (taps, behind), over all workers
    ledger.py show FILE                  a table

FILE may be - for standard input.
"""

import json
import sys

WIRE_TERMS = ("tx", "tx_full", "tx_invalid", "link_down", "blocked")
TAP_TERMS = ("enqueued", "ring_full", "oversize", "no_instance")
BEHIND_TERMS = ("analysed", "discarded", "in_ring", "in_hand", "lost_in_crash")


def find_accounts(value):
    """The object that has the accounts, wherever in the answer it stands."""
    if isinstance(value, dict):
        if isinstance(value.get("wires"), list) and "taps" in value:
            return value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            if found := find_accounts(inner):
                return found
    return None


def faults(ledger):
    for kind, left, terms in (("wires", "rx", WIRE_TERMS), ("taps", "offered", TAP_TERMS), ("behind", "enqueued", BEHIND_TERMS)):
        for row in ledger.get(kind, []):
            where = {k: row[k] for k in ("wire", "direction", "worker", "instance") if k in row}
            recomputed = row[left] - sum(row[t] for t in terms)
            if recomputed or row.get("residual"):
                yield f"{kind} {where}: residual {row.get('residual')}, recomputed {recomputed}"
            if min(row[t] for t in (left, *terms)) < 0:
                yield f"{kind} {where}: a negative number of packets"
    for row in ledger.get("selection", []):
        if row.get("residual") or row["offered"] != row["due"]:
            yield f"selection: {row}"


def total(rows, term):
    return sum(row[term] for row in rows)


def check(ledger, settled):
    found = list(faults(ledger))
    wires, taps, behind = ledger["wires"], ledger["taps"], ledger["behind"]
    if not wires or not taps or not behind:
        found.append("an account is missing")
    if settled and total(behind, "in_ring") + total(behind, "in_hand"):
        found.append(f"not settled: {total(behind, 'in_ring')} in rings, {total(behind, 'in_hand')} in hand")
    rows = len(wires) + len(taps) + len(behind) + len(ledger.get("selection", []))
    print(f"{rows} residuals 0; rx {total(wires, 'rx')}, tx {total(wires, 'tx')}, selected {total(wires, 'selected')}, "
          f"enqueued {total(taps, 'enqueued')}, analysed {total(behind, 'analysed')}" if not found else "; ".join(found))
    return not found


def show(ledger):
    for kind, head, columns in (
        ("wires", ("wire", "direction", "worker"), ("rx", *WIRE_TERMS, "selected", "residual")),
        ("taps", ("worker", "instance"), ("offered", *TAP_TERMS, "residual")),
        ("behind", ("worker", "instance"), ("enqueued", *BEHIND_TERMS, "residual")),
    ):
        rows = [[str(row.get(c, "")) for c in (*head, *columns)] for row in ledger[kind]]
        table = [[*head, *columns], *rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        for row in table:
            print("  ".join(cell.rjust(width) for cell, width in zip(row, widths)))
        print()
    return True


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    what, path, *rest = sys.argv[1:]
    with sys.stdin if path == "-" else open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        ledger = find_accounts(json.loads(text))
    except json.JSONDecodeError as error:
        print(f"not JSON ({error}): {text[:80]!r}")
        sys.exit(1)
    if ledger is None:
        print("no accounts in the answer")
        sys.exit(1)
    if what == "wire":
        rows = [row for row in ledger["wires"] if row["direction"] == rest[0]]
        print(total(rows, "rx"), total(rows, "tx"))
        ok = bool(rows)
    elif what == "sum":
        kind, term, instance = rest
        print(total([row for row in ledger[kind] if row["instance"] == int(instance)], term))
        ok = True
    else:
        ok = show(ledger) if what == "show" else check(ledger, what == "settled")
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
