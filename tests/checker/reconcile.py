#!/usr/bin/env python3
"""Reconciles a database's bank days once more, from the definitions and with SQL of its own.

It shares nothing with the engine but the tables that hold what was heard: instructions, results,
statements. What it makes of them it compares with the matches and breaks that the engine kept,
line by line and in đồng; and where the sandbox's banks have books, those as well. It takes each
result as known when the statement was matched.

    reconcile.py --psql PATH --url postgres://…

Prints one JSON object; exit 1 where anything differs.
"""

import argparse
import csv
import json
import subprocess
import sys
from collections import Counter, defaultdict

QUERIES = {
    "instructed": "SELECT run_no, part, chunk, line, institution, amount,"
    " encode(account_index, 'hex') AS account FROM reconciliation.instructions",
    "answered": "SELECT run_no, part, chunk, line, status, booked_on"
    " FROM reconciliation.results",
    "contradicted": "SELECT institution, run_no, part, chunk, line, amount"
    " FROM reconciliation.contradictions",
    "statements": "SELECT institution, statement_no, date, opening, received, returned, debits,"
    " closing, entries_count FROM reconciliation.statements WHERE state = 'matched'"
    " ORDER BY institution, statement_no",
    "entries": "SELECT e.institution, e.statement_no, e.entry_no, e.run_no, e.part, e.chunk,"
    " e.line, e.amount, encode(e.account_index, 'hex') AS account, e.entry_kind, e.booked_on"
    " FROM reconciliation.entries e JOIN reconciliation.statements s"
    " USING (institution, statement_no) WHERE s.state = 'matched'"
    " ORDER BY e.institution, e.statement_no, e.entry_no",
    # What officers settled by hand is not what the rules found.
    "matches": "SELECT m.run_no, m.part, m.chunk, m.line, m.institution, m.statement_no,"
    " m.entry_no, m.amount FROM reconciliation.matches m WHERE NOT EXISTS ("
    " SELECT FROM reconciliation.breaks b JOIN reconciliation.resolutions r"
    " USING (part, institution, statement_no, break_no)"
    " WHERE (b.institution, b.statement_no, b.entry_no)"
    " = (m.institution, m.statement_no, m.entry_no) AND r.how IN ('matched', 'split'))",
    "breaks": "SELECT institution, statement_no, kind, run_no, part, chunk, line, entry_no, amount"
    " FROM reconciliation.breaks",
    "bank_books": "SELECT e.institution, e.run_no, e.part, e.chunk, e.line, e.amount"
    " FROM sandbox.entries e JOIN sandbox.funds f USING (institution, part, run_no, chunk)"
    " WHERE e.status = 'credited' AND f.statement_no IS NOT NULL",
    "bank_closings": "SELECT institution, statement_no, closing FROM sandbox.statements",
}


def rows(psql, url, name):
    """The rows of one query, streamed as CSV."""
    copy = f"COPY ({QUERIES[name]}) TO STDOUT (FORMAT csv, HEADER)"
    command = [psql, "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", copy]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as psql_run:
        yield from csv.DictReader(psql_run.stdout)
    if psql_run.returncode != 0:
        raise SystemExit(f"psql could not read {name}")


def place(row):
    return (int(row["run_no"]), int(row["part"]), int(row["chunk"]), int(row["line"]))


class Day:
    """What is known, and what follows from it."""

    def __init__(self, read):
        self.instructed = {}
        for row in read("instructed"):
            told = (int(row["institution"]), int(row["amount"]), row["account"])
            self.instructed[place(row)] = told
        self.answered = {
            place(row): (row["status"], row["booked_on"]) for row in read("answered")
        }
        self.contradicted = [
            (int(row["institution"]), place(row), int(row["amount"]))
            for row in read("contradicted")
        ]
        self.statements = list(read("statements"))
        self.entries = defaultdict(list)
        for row in read("entries"):
            self.entries[int(row["institution"]), int(row["statement_no"])].append(row)
        self.settled = {}
        self.told = Counter()
        self.unsettled = set()
        self.brought_back = set()
        self.wrong = []

    def reconcile(self):
        contradictions = defaultdict(list)
        for institution, line, amount in self.contradicted:
            contradictions[institution].append((line, amount))
        for statement in self.statements:
            bank = int(statement["institution"])
            number = int(statement["statement_no"])
            entries = self.entries[bank, number]
            self.adds_up(statement, entries)
            self.read_statement(bank, number, statement["date"], entries)
            for line, amount in contradictions.pop(bank, []):
                self.say(bank, number, "contradicting_result", line, None, amount)

    def adds_up(self, statement, entries):
        sums = Counter()
        for row in entries:
            sums["returned" if row["entry_kind"] == "return" else "debits"] += int(row["amount"])
        left = int(statement["opening"]) + int(statement["received"])
        left += sums["returned"] - sums["debits"]
        stated = [int(statement[it]) for it in ("debits", "returned", "closing", "entries_count")]
        if [sums["debits"], sums["returned"], left, len(entries)] != stated:
            self.wrong.append(f"statement {statement['institution']}/{statement['statement_no']}")

    def read_statement(self, bank, number, date, entries):
        ours = [row for row in entries if row["entry_kind"] != "return"]
        for row in ours:
            if row["entry_kind"] == "payment" and self.is_exact(bank, row):
                self.settle(bank, number, row)
        for row in ours:
            if self.settled.get(place(row), (None,))[:3] != (bank, number, int(row["entry_no"])):
                self.say_debit(bank, number, row)
        for row in entries:
            if row["entry_kind"] == "return":
                self.say_return(bank, number, row)
        self.look_for_missing(bank, number, date, {int(row["run_no"]) for row in entries})

    def is_exact(self, bank, row):
        line = place(row)
        told = self.instructed.get(line)
        return (
            told == (bank, int(row["amount"]), row["account"])
            and self.answered.get(line, ("",))[0] == "credited"
            and line not in self.settled
        )

    def settle(self, bank, number, row):
        line = place(row)
        self.settled[line] = (bank, number, int(row["entry_no"]), int(row["amount"]))
        booked_on = row["booked_on"]
        if booked_on and booked_on != self.answered[line][1]:
            self.say(bank, number, "day_differs", line, row["entry_no"], row["amount"])

    def say_debit(self, bank, number, row):
        line, amount = place(row), int(row["amount"])
        told = self.instructed.get(line)
        status = self.answered.get(line, (None,))[0]
        if row["entry_kind"] == "charge":
            kind = "fee_taken"
        elif told is None:
            kind = "not_instructed"
        elif told[0] != bank:
            kind = "wrong_institution"
        elif told[1] != amount:
            kind = "amount_differs"
        elif told[2] != row["account"]:
            kind = "account_differs"
        elif line in self.settled:
            kind = "debited_twice"
        elif status == "rejected":
            kind = "debited_though_rejected"
        else:
            kind = "debited_without_result"
        if kind in ("amount_differs", "account_differs") and status == "credited":
            if line not in self.settled:
                self.unsettled.add(line)
        self.say(bank, number, kind, line, row["entry_no"], amount)

    def say_return(self, bank, number, row):
        line, amount = place(row), int(row["amount"])
        told = self.instructed.get(line, (None, None))
        if told[:2] != (bank, amount):
            kind = "return_unexplained"
        elif line in self.brought_back:
            kind = "returned_twice"
        elif line in self.settled:
            kind = "returned_after_credit"
            self.brought_back.add(line)
        else:
            kind = "return_unexplained"
        self.say(bank, number, kind, line, row["entry_no"], amount)

    def look_for_missing(self, bank, number, date, named):
        for line, (status, booked_on) in self.answered.items():
            told = self.instructed.get(line)
            if status != "credited" or told is None or told[0] != bank:
                continue
            due = booked_on < date or (booked_on == date and line[0] in named)
            if due and line not in self.settled and line not in self.unsettled:
                self.unsettled.add(line)
                self.say(bank, number, "not_on_statement", line, None, told[1])

    def say(self, bank, number, kind, line, entry_no, amount):
        where = line if line[0] > 0 else None
        entry = int(entry_no) if entry_no else None
        self.told[bank, number, kind, where, entry, int(amount)] += 1


def kept_breaks(read):
    kept = Counter()
    for row in read("breaks"):
        where = place(row) if row["run_no"] else None
        entry = int(row["entry_no"]) if row["entry_no"] else None
        bank, number = int(row["institution"]), int(row["statement_no"])
        kept[bank, number, row["kind"], where, entry, int(row["amount"])] += 1
    return kept


def kept_matches(read):
    kept = {}
    for row in read("matches"):
        bank, number = int(row["institution"]), int(row["statement_no"])
        kept[place(row)] = (bank, number, int(row["entry_no"]), int(row["amount"]))
    return kept


def against_bank_books(read, settled, breaks, statements):
    """What the banks themselves say they paid and hold."""
    wrong = []
    named = {where for (_, _, _, where, _, _) in breaks}
    for row in read("bank_books"):
        match = settled.get(place(row))
        paid = (int(row["institution"]), int(row["amount"]))
        if match is None and place(row) not in named:
            wrong.append(f"paid by the bank and not settled: {place(row)}")
        elif match is not None and (match[0], match[3]) != paid:
            wrong.append(f"the bank paid otherwise: {place(row)}")
    stated = {
        (row["institution"], row["statement_no"]): row["closing"] for row in statements
    }
    for row in read("bank_closings"):
        key = (row["institution"], row["statement_no"])
        if key in stated and stated[key] != row["closing"]:
            wrong.append(f"the bank closed with another balance: {key}")
    return wrong


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--psql", default="psql")
    options.add_argument("--url", required=True)
    options = options.parse_args()

    def read(name):
        return rows(options.psql, options.url, name)

    day = Day(read)
    day.reconcile()
    breaks, matches = kept_breaks(read), kept_matches(read)
    wrong = list(day.wrong)
    wrong += [f"not found: {it}" for it in (day.told - breaks)]
    wrong += [f"found, and should not be: {it}" for it in (breaks - day.told)]
    for line in sorted(day.settled.keys() | matches.keys()):
        if day.settled.get(line) != matches.get(line):
            wrong.append(f"settled otherwise: {line}")
    wrong += against_bank_books(read, matches, breaks, day.statements)
    kinds = Counter()
    for (_, _, kind, _, _, _), count in day.told.items():
        kinds[kind] += count
    print(
        json.dumps(
            {
                "instructed": len(day.instructed),
                "settled": len(day.settled),
                "settled_total": str(sum(it[3] for it in day.settled.values())),
                "breaks": dict(sorted(kinds.items())),
                "wrong": len(wrong),
                "first": wrong[:10],
            },
            ensure_ascii=False,
        )
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
