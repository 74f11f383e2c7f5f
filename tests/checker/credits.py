#!/usr/bin/env python3
"""Holds what banks paid against what was owed, with SQL of its own.

The banks are the sandbox's, whose own books An Sinh never reads. It asks of a database at rest,
after the banks' statements were matched:

* for each obligation at most one credit was carried out, across all banks and channels, less what
  came back; a bank that paid twice by itself has the break `debited_twice` for it;
* what a bank carried out we had told it, and it alone;
* a line that we call credited is in its bank's books with its amount, or a break says what differs;
  a line that a bank paid is credited by us, or unknown, or a break names it;
* a line that nobody paid and nobody answered is unknown, and has not vanished;
* a line from which an overpayment is netted pays what was determined less what is deducted, and no
  case has more netted, paid back and given up than was overpaid, but what a named exception gives back;
* each bank's sums are those of the ledger: what it was given, debited and gave back, what moved on to
  the bank that pays it again, and what it has not answered.

    credits.py --psql PATH --url postgres://…

Prints one JSON object; exit 8 where anything does not hold, with the names of the offenders.
"""

import argparse
import csv
import json
import subprocess
import sys
from collections import Counter, defaultdict

OFFENDERS_SHOWN = 20

QUERIES = {
    "owed": "SELECT l.run_no, l.part, l.chunk, l.line, r.programme, l.period, l.person_no,"
    " l.determination_no, l.amount, c.institution, c.released_at IS NOT NULL AS released"
    " FROM payments.lines l JOIN payments.runs r USING (run_no)"
    " JOIN payments.chunks c USING (run_no, part, chunk)",
    "aside": "SELECT run_no, part, chunk, line FROM payments.exceptions"
    " WHERE kind IN ('held', 'stopped') AND resolved_at IS NULL AND line IS NOT NULL",
    "answered": "SELECT run_no, part, chunk, line, status FROM payments.results",
    "unknown": "SELECT run_no, part, chunk, line FROM payments.exceptions"
    " WHERE kind = 'unknown' AND resolved_at IS NULL",
    "breaks": "SELECT run_no, part, chunk, line, institution, kind FROM reconciliation.breaks"
    " WHERE run_no IS NOT NULL",
    "booked": "SELECT e.run_no, e.part, e.chunk, e.line, e.institution, e.amount, e.status,"
    " f.statement_no FROM sandbox.entries e"
    " LEFT JOIN sandbox.funds f USING (institution, part, run_no, chunk, message)",
    "again": "SELECT run_no, part, chunk, line, cash_at FROM payments.attempts"
    " WHERE cash_at IS NOT NULL",
    "netted": "SELECT l.run_no, l.part, l.chunk, l.line, l.deducted, d.case_no,"
    " (SELECT max(e.amount) FROM eligibility.determinations e JOIN payments.runs q USING (run_no)"
    " WHERE q.series = 0 AND q.programme = r.programme AND (e.part, e.person_no, e.period,"
    " e.determination_no) = (l.part, l.person_no, l.period, l.determination_no)) AS gross"
    " FROM payments.lines l JOIN payments.runs r USING (run_no)"
    " LEFT JOIN payments.recoveries d USING (recovery_no) WHERE l.deducted > 0",
    "overpaid": "SELECT o.case_no, o.amount, (SELECT coalesce(sum(amount), 0)"
    " FROM payments.repayments r WHERE r.case_no = o.case_no) + (SELECT coalesce(sum(amount), 0)"
    " FROM payments.write_offs w WHERE w.case_no = o.case_no) AS gone"
    " FROM payments.overpayments o WHERE o.state = 'open'",
    "given_back": "SELECT run_no, part, chunk, line, sum(amount) AS amount FROM payments.exceptions"
    " WHERE kind = 'over_recovered' GROUP BY 1, 2, 3, 4",
    "moved": "SELECT run_no, part, chunk, line, institution, amount, entry_kind, statement_no"
    " FROM sandbox.movements",
    "books": "SELECT account_no / 10000000000 AS kind, account_no / 100 % 1000000 AS institution,"
    " sum(debits) AS debits, sum(credits) AS credits FROM ledger.balances"
    " WHERE account_no / 10000000000 IN (10, 50, 55) GROUP BY 1, 2",
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


def written(line):
    run_no, part, chunk, number = line
    return f"R{run_no:06}-{part:02}-{chunk:04}-{number:04}"


class Line:
    """What we owe and said of one payment."""

    def __init__(self, row):
        self.obligation = tuple(
            row[it] for it in ("programme", "period", "person_no", "determination_no")
        )
        self.amount = int(row["amount"])
        self.institution = int(row["institution"])
        self.released = row["released"] == "t"
        self.status = None
        self.unknown = False
        # Where the money for it lay before, if another bank had it first.
        self.came_from = None


class Credits:
    def __init__(self, read):
        self.lines = {place(row): Line(row) for row in read("owed")}
        for row in read("aside"):
            self.lines[place(row)].released = False
        for row in read("again"):
            self.lines[place(row)].came_from = int(row["cash_at"])
        self.offenders = []
        for row in read("answered"):
            self.ours(row, "an answer").status = row["status"]
        for row in read("unknown"):
            self.ours(row, "an exception").unknown = True
        self.breaks = Counter()
        for row in read("breaks"):
            self.breaks[place(row), int(row["institution"]), row["kind"]] += 1
        self.carried_out = defaultdict(list)
        self.silent = set()
        self.debits = Counter()
        self.returned = Counter()
        self.twice = 0
        for row in read("booked"):
            self.book(row)
        for row in read("moved"):
            self.move(row)
        self.netted = Counter()
        given_back = {place(row): int(row["amount"]) for row in read("given_back")}
        for row in read("netted"):
            self.net(row, given_back)
        for row in read("overpaid"):
            self.recovered(row)

    def ours(self, row, what):
        line = self.lines.get(place(row))
        if line is None:
            self.offend("no_such_line", place(row), f"{what} of a line that we do not have")
            return Line(
                {"programme": 0, "period": "", "person_no": 0, "determination_no": 0,
                 "amount": 0, "institution": 0, "released": "f"}
            )
        return line

    def offend(self, what, line, detail):
        name = written(line) if isinstance(line, tuple) else str(line)
        self.offenders.append({"what": what, "line": name, "detail": detail})

    def book(self, row):
        """A line as a bank has it in its own books."""
        at, bank, amount = place(row), int(row["institution"]), int(row["amount"])
        line = self.lines.get(at)
        if line is None or not line.released:
            self.offend("never_instructed", at, f"{bank} has it in its books")
        elif line.institution != bank:
            self.offend("other_bank", at, f"{bank} has it, {line.institution} was told")
        if row["status"] == "silent":
            self.silent.add(at)
        if row["status"] != "credited":
            return
        self.carried_out[at].append((bank, amount))
        if row["statement_no"]:
            self.debits[bank] += amount

    def move(self, row):
        """What a bank booked for a line once more."""
        at, bank, amount = place(row), int(row["institution"]), int(row["amount"])
        if row["entry_kind"] == "return":
            # Until a statement shows it, it has not come back.
            if row["statement_no"]:
                self.returned[bank] += amount
                self.carried_out[at].append((bank, -amount))
            return
        if self.breaks[at, bank, "debited_twice"]:
            self.breaks[at, bank, "debited_twice"] -= 1
            self.twice += 1
        else:
            self.carried_out[at].append((bank, amount))
        if row["statement_no"]:
            self.debits[bank] += amount

    def net(self, row, given_back):
        """A line that pays less than was determined, for a case."""
        at, deducted, gross = place(row), int(row["deducted"]), int(row["gross"] or 0)
        line = self.ours(row, "a deduction")
        if line.amount <= 0 or line.amount != gross - deducted:
            detail = f"{gross} determined, {deducted} deducted, {line.amount} to be paid"
            self.offend("not_determined_less_deducted", at, detail)
        # What came back is paid again, and the deduction counts with that.
        came_back = any(amount < 0 for _, amount in self.carried_out.get(at, ()))
        if line.status == "credited" and not came_back:
            self.netted[row["case_no"]] += deducted - given_back.get(at, 0)

    def recovered(self, row):
        case, overpaid = row["case_no"], int(row["amount"])
        gone = int(row["gone"]) + self.netted[case]
        if gone > overpaid:
            self.offend("recovered_too_much", f"case {case}", f"{gone} of {overpaid}")

    def check(self, books):
        self.one_credit_each()
        for at, line in self.lines.items():
            if line.released:
                self.agrees(at, line)
        self.sums(books)

    def one_credit_each(self):
        """Credits less returns, over all lines of an obligation."""
        paid = defaultdict(list)
        for at, credits in self.carried_out.items():
            line = self.lines.get(at)
            key = line.obligation if line else at
            net = sum(1 if amount > 0 else -1 for _, amount in credits)
            if net > 0:
                paid[key] += [at] * net
        for lines in paid.values():
            if len(lines) > 1:
                names = ", ".join(written(it) for it in sorted(lines))
                self.offend("paid_more_than_once", lines[0], names)

    def agrees(self, at, line):
        """Our word on a line beside its bank's books."""
        bank = line.institution
        paid = [amount for who, amount in self.carried_out.get(at, []) if who == bank and amount > 0]

        def named(*kinds):
            return any((at, bank, kind) in self.breaks for kind in kinds)

        if line.status == "credited" and not paid:
            if not named("not_on_statement"):
                self.offend("credited_and_not_paid", at, f"{bank} has no such credit")
        elif line.status == "credited" and paid[0] != line.amount:
            if not named("amount_differs"):
                self.offend("other_amount", at, f"{bank} paid {paid[0]}, we say {line.amount}")
        elif line.status == "rejected" and paid:
            if not named("debited_though_rejected", "amount_differs"):
                self.offend("paid_and_rejected", at, f"{bank} paid it, we say rejected")
        elif line.status is None and not line.unknown:
            what = "paid_and_not_credited" if paid else "vanished"
            self.offend(what, at, f"no answer, and not unknown; {bank} paid {sum(paid)}")
        elif line.status is None and paid and paid[0] != line.amount:
            if not named("amount_differs"):
                self.offend("other_amount", at, f"{bank} paid {paid[0]}, we told {line.amount}")

    def sums(self, books):
        """What we gave a bank, what it debited and gave back, and what it has not answered."""
        given, moved_on, open_lines = Counter(), Counter(), Counter()
        for line in self.lines.values():
            if line.released:
                if line.came_from != line.institution:
                    given[line.institution] += line.amount
                    if line.came_from:
                        moved_on[line.came_from] += line.amount
                if line.status is None:
                    open_lines[line.institution] += line.amount
        kept = defaultdict(lambda: [0, 0])
        unanswered = Counter()
        for row in books:
            bank, debits, credits = (int(row[it]) for it in ("institution", "debits", "credits"))
            if int(row["kind"]) == 10 and bank:
                kept[bank] = [debits, credits]
            elif bank:
                unanswered[bank] += credits - debits
        for bank in sorted(set(given) | set(moved_on) | set(self.debits) | set(kept) | set(unanswered)):
            for what, theirs, ledger in (
                ("given", given[bank] + self.returned[bank], kept[bank][0]),
                ("debited", self.debits[bank] + moved_on[bank], kept[bank][1]),
                ("unanswered", open_lines[bank], unanswered[bank]),
            ):
                if theirs != ledger:
                    self.offend(f"sum_{what}", bank, f"{theirs} here, {ledger} in the ledger")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--psql", default="psql")
    options.add_argument("--url", required=True)
    options = options.parse_args()

    def read(name):
        return rows(options.psql, options.url, name)

    credits = Credits(read)
    credits.check(read("books"))
    executed = sum(sum(1 for _, amount in it if amount > 0) for it in credits.carried_out.values())
    print(
        json.dumps(
            {
                "obligations": len({it.obligation for it in credits.lines.values()}),
                "lines": len(credits.lines),
                "paid_by_banks": executed + credits.twice,
                "paid_twice_and_named": credits.twice,
                "returned": sum(
                    sum(1 for _, amount in it if amount < 0)
                    for it in credits.carried_out.values()
                ),
                "netted": sum(credits.netted.values()),
                "unknown": sum(it.unknown for it in credits.lines.values()),
                "offenders": len(credits.offenders),
                "first": credits.offenders[:OFFENDERS_SHOWN],
            },
            ensure_ascii=False,
        )
    )
    return 8 if credits.offenders else 0


if __name__ == "__main__":
    sys.exit(main())
