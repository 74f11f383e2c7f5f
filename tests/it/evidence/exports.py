"""What auditors take away, read by programs that nobody here wrote: openpyxl, DuckDB, Python's own csv.

    exports.py read FILE      the file's types, rows (every value as text) and what it says of itself
    exports.py draw LINES …   the sample of a pack's list, drawn from README's words alone
"""

import csv
import datetime
import hashlib
import json
import pathlib
import sys


def text(value):
    """One text for one value, whatever the format."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    return str(value)


def read_csv(path):
    """An apostrophe before a name is the escape; it is taken away again."""

    def names(path):
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield from csv.reader(file)

    rows = list(names(path))
    control = dict((key, value) for key, _, value in names(path.with_suffix(".control.csv")))
    plain = [[text(it[1:] if it.startswith("'") else it) for it in row] for row in rows[1:]]
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    return {"types": dict.fromkeys(rows[0], "text"), "rows": plain, "control": control}


def read_xlsx(path):
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True)
    names = book.sheetnames
    assert names[-1] == "Kiểm soát", names
    types, plain = {}, []
    for name in names[:-1]:
        rows = book[name].iter_rows(values_only=True)
        head = next(rows)
        for row in rows:
            for column, value in zip(head, row):
                if value is not None:
                    types.setdefault(column, type(value).__name__)
            plain.append([text(it) for it in row])
    control = {row[0]: row[2] for row in book[names[-1]].iter_rows(values_only=True)}
    return {"types": types, "rows": plain, "control": control}


def read_parquet(path):
    import duckdb

    file = f"'{path}'"
    columns = duckdb.sql(f"DESCRIBE SELECT * FROM {file}").fetchall()
    types = {name: kind for name, kind, *_ in columns}
    # DuckDB needs another package to hand over times with their zone; as UTC it does not.
    asked = [
        f"strftime(make_timestamp(epoch_us(\"{name}\")), '%Y-%m-%dT%H:%M:%S.%fZ')"
        if kind == "TIMESTAMP WITH TIME ZONE"
        else f'"{name}"'
        for name, kind in types.items()
    ]
    rows = duckdb.sql(f"SELECT {', '.join(asked)} FROM {file}").fetchall()
    told = duckdb.sql(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata({file})")
    control = {key.removeprefix("ansinh."): value for key, value in told.fetchall()}
    return {"types": types, "rows": [[text(it) for it in row] for row in rows], "control": control}


def lines_of(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        for it in csv.DictReader(file):
            part, chunk, line = (int(it[name]) for name in ("part", "chunk", "line"))
            yield f"R000001-{part:02}-{chunk:04}-{line:04}", int(it["amount"]), it


def sha256(said):
    return hashlib.sha256(said.encode("ascii")).hexdigest()


def draw_units(lines, size, seed):
    """Each interval of the added-up amounts has one đồng that is drawn."""
    total = sum(amount for _, amount, _ in lines)
    interval = -(-total // size)
    start = int(sha256(f"mus R000001 {seed} start")[:32], 16) % interval
    drawn, passed = [], 0
    for line_id, amount, _ in lines:
        units = [it for it in range(start, total, interval) if passed <= it < passed + amount]
        if units:
            drawn.append([line_id, str(units[0]), str(len(units))])
        passed += amount
    return {"interval": str(interval), "start": str(start), "sum": str(total), "rows": drawn}


def draw_strata(lines, given, by, seed):
    """Of each stratum the smallest hashes."""
    drawn = []
    for stratum, count in sorted(given.items()):
        ids = [line_id for line_id, _, it in lines if str(int(it[by])) == stratum]
        ids.sort(key=lambda it: sha256(f"stratified R000001 {seed} {it}"))
        drawn.extend(ids[:count])
    return {"rows": drawn}


def main(asked, path, *rest):
    path = pathlib.Path(path)
    if asked == "read":
        readers = {".csv": read_csv, ".xlsx": read_xlsx, ".parquet": read_parquet}
        return readers[path.suffix](path)
    lines = list(lines_of(path))
    if rest[0] == "mus":
        return draw_units(lines, int(rest[1]), int(rest[2]))
    return draw_strata(lines, json.loads(rest[1]), rest[2], int(rest[3]))


json.dump(main(*sys.argv[1:]), sys.stdout)
