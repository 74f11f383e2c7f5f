#!/usr/bin/env python3
"""Verifies an evidence pack of An Sinh: python3 verify.py PACK --log-key 'origin+id+base64'.

Needs Python 3.8 alone. The log's key is what you noted down, not what came with the pack. Exit 8: by its place."""
import argparse, base64, collections, csv, hashlib, json, pathlib, sys

P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
ORDER = 2**252 + 27742317777372353535851937790883648493
def sha256(*pieces):
    return hashlib.sha256(b"".join(pieces)).digest()
def point_of(encoded):
    """The point of the curve that 32 bytes name (RFC 8032, 5.1.3)."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT_OF_MINUS_ONE % P
    if y >= P or x * x % P != square or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)
def add(a, b):
    """In extended coordinates, without a division (RFC 8032, 5.1.4)."""
    less, more = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    t, z = 2 * D * a[3] * b[3] % P, 2 * a[2] * b[2] % P
    e, f, g, h = more - less, z - t, z + t, more + less
    return (e * f % P, g * h % P, f * g % P, e * h % P)

def times(number, point):
    total = (0, 1, 1, 0)
    for bit in bin(number)[2:]:
        total = add(total, total)
        total = add(total, point) if bit == "1" else total
    return total
BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
def signed(public_key, message, signature):
    """Ed25519 (RFC 8032, 5.1.7)."""
    key, commitment = point_of(public_key), point_of(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if not key or not commitment or len(signature) != 64 or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    a, b = times(scalar, BASE), add(commitment, times(challenge, key))
    return not (a[0] * b[2] - b[0] * a[2]) % P and not (a[1] * b[2] - b[1] * a[2]) % P
def tree(leaves):
    """The root over leaf hashes (RFC 6962, 2.1)."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else sha256()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1", tree(leaves[:half]), tree(leaves[half:]))
def leads_to(leaf, index, size, path):
    """The root to which a path leads from a leaf (RFC 9162, 2.1.3.2)."""
    last, node = size - 1, leaf
    for step in path:
        if last == 0 or index > last:
            return None
        if index & 1 or index == last:
            node = sha256(b"\1", step, node)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = sha256(b"\1", node, step)
        index, last = index >> 1, last >> 1
    return node if last == 0 else None

class Pack:
    def __init__(self, folder):
        self.folder, self.wrong = folder, []
    def check(self, holds, place):
        self.wrong += [] if holds else [place]
    def text(self, name):
        return (self.folder / "data" / name).read_text("utf-8")
    def rows(self, name):
        return csv.DictReader(self.text(name).lstrip("\ufeff").splitlines())
    def objects(self, name):
        return [json.loads(line) for line in self.text(name).splitlines()]
    def files(self):
        """Each file is what the manifest says, none is missing and none is there beside."""
        manifest = (self.folder / "manifest-sha256.txt").read_text("utf-8").splitlines()
        listed = dict(reversed(line.split("  ", 1)) for line in manifest)
        there = {it.relative_to(self.folder).as_posix() for it in (self.folder / "data").rglob("*") if it.is_file()}
        for name in sorted(there | set(listed)):
            known = name in there and name in listed
            same = known and hashlib.sha256((self.folder / name).read_bytes()).hexdigest() == listed[name]
            self.check(same, f"file {name}")

    def checkpoint(self, log_key):
        """The log's size and root, as its key signed them."""
        origin, _, key = log_key.split("+", 2)
        text, signatures = self.text("checkpoint").rsplit("\n\n", 1)
        name, size, root = (text + "\n").split("\n")[:3]
        lines = [it.split(" ") for it in signatures.splitlines()]
        stands = any(
            it[:2] == ["\u2014", origin]
            and signed(base64.b64decode(key)[1:], (text + "\n").encode(), base64.b64decode(it[2])[4:])
            for it in lines
        )
        self.check(stands and name == origin, "checkpoint: not signed by that key")
        self.size, self.root = int(size), base64.b64decode(root)

    def in_log(self, it):
        """The leaf is in the log, and commits to what the pack says of it."""
        place = f"{it['leaf']['source']} {it['leaf']['key']}"
        ordered = {name: it["leaf"][name] for name in ("source", "key", "lane", "seq", "root", "commitment") if name in it["leaf"]}
        leaf = json.dumps(ordered, separators=(",", ":"), ensure_ascii=False).encode()
        path = [bytes.fromhex(step) for step in it["path"]]
        root = leads_to(sha256(b"\0", leaf), it["index"], self.size, path)
        self.check(root == self.root, f"{place}: not in the log")
        committed = sha256(bytes.fromhex(it["salt"]), it["content"].encode()).hex()
        self.check(committed == it["leaf"]["commitment"], f"{place}: the log commits to other content")
        return json.loads(it["content"])

    def journals(self):
        """Each journal is its transfers; gives back what each line's journals moved."""
        leaves, moved = collections.defaultdict(list), collections.defaultdict(list)
        for it in self.rows("transfers.csv"):
            widths = (("run_no", 8), ("part", 2), ("debit", 8), ("credit", 8), ("amount", 16), ("person_no", 8), ("chunk", 4), ("chunk_line", 4))
            content = b"".join(int(it[name]).to_bytes(width, "big") for name, width in widths)
            leaves[it["part"], it["seq"]].append(sha256(b"\0", content, bytes.fromhex(it["salt"])))
            kinds = int(it["debit"]) // 10**10, int(it["credit"]) // 10**10
            moved[it["part"], it["chunk"], it["chunk_line"]].append((*kinds, int(it["amount"])))
        for it in self.objects("journals.jsonl"):
            part, seq, _, reference, _, lines, *_ = self.in_log(it)
            of_it = leaves.pop((str(part), str(seq)), [])
            whole = len(of_it) == lines and tree(of_it).hex() == it["leaf"]["root"]
            self.check(whole, f"journal {part}/{seq} {reference}: its transfers are others")
        self.check(not leaves, f"transfers without a journal: {sorted(leaves)[:3]}")
        return moved

    def list(self, moved):
        """The list that was approved: its root, count and sum; and what is credited is what was paid."""
        run = json.loads(self.text("run.json"))
        chunks, count, total = collections.OrderedDict(), 0, 0
        for it in self.rows("lines.csv"):
            place = f"line R{run['run_no']:06}-{int(it['part']):02}-{int(it['chunk']):04}-{int(it['line']):04}"
            paid = sum(sum_ for debit, credit, sum_ in moved[it["part"], it["chunk"], it["line"]] if debit in (50, 55) and credit in (60, 61))
            expected = int(it["amount"]) if it["status"] == "credited" else 0
            self.check(paid == expected, f"{place}: {it['status'] or 'no answer'}, {paid} paid")
            if it["counted"] != "true":
                continue
            widths = (("part", 2), ("chunk", 4), ("line", 4), ("person_no", 8), ("determination_no", 2), ("amount", 16), ("institution", 4))
            leaf = b"".join(int(value).to_bytes(width, "big") for value, width in [(run["run_no"], 8)] + [(it[name], width) for name, width in widths])
            leaf += bytes.fromhex(it["account_index"] or "00" * 32)
            leaf += int(it["arrears_day"]).to_bytes(4, "big") if it["arrears_day"] else b""
            leaf += b"P" + int(it["payee_no"]).to_bytes(8, "big") if it["payee_no"] else b""
            chunks.setdefault((it["part"], it["chunk"]), []).append(sha256(b"\0", leaf))
            count, total = count + 1, total + int(it["amount"])
        root = tree([sha256(b"\0", tree(leaves)) for leaves in chunks.values()]).hex()
        self.check((root, count, total) == (run["root"], run["lines"], int(run["total"])), "run: the list is another than its root, count and sum")
        return run

    def decisions(self, run):
        """Who approved and released signed this list; different persons."""
        officers = []
        for it in self.objects("acts.jsonl"):
            number, _, officer, act, root, lines, total, *_ = self.in_log(it)
            if it["voided"] or act not in ("open", "approve", "release"):
                continue
            officers.append(officer)
            if act != "open":
                same = (root, lines, int(total)) == ("\\x" + run["root"], run["lines"], int(run["total"]))
                self.check(same, f"act {number} by {officer}: of another list")
            if it["signature"]:
                stands = signed(bytes.fromhex(it["public_key"]), it["statement"].encode(), bytes.fromhex(it["signature"]))
                self.check(stands and (act == "open" or run["root"] in it["statement"]), f"act {number} by {officer}: its signature does not stand")
        self.check(len(officers) == len(set(officers)) and officers, "acts: one person did two of them")
        for it in self.objects("laws.jsonl") + self.objects("messages.jsonl"):
            self.in_log(it)
            stands = "text" not in it or signed(bytes.fromhex(it["public_key"]), it["text"].encode(), bytes.fromhex(it["signature"]))
            self.check(stands, f"message {it['leaf']['key']}: its signature does not stand")

    def stamp(self):
        """What a time stamp stamps is this checkpoint, or one from before that is a leaf of the log."""
        if not (self.folder / "data" / "stamp.note").exists():
            return
        note = self.text("stamp.note")
        leaves = [self.in_log(it)[2] for it in self.objects("stamp.jsonl")]
        known = leaves == [note] or not leaves and self.text("checkpoint").startswith(note)
        self.check(known, "stamp: of another log")

def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("pack", type=pathlib.Path)
    options.add_argument("--log-key", required=True)
    options = options.parse_args()
    pack = Pack(options.pack)
    try:
        pack.files()
        pack.checkpoint(options.log_key)
        run = pack.list(pack.journals())
        pack.decisions(run)
        pack.stamp()
    except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        pack.wrong.append(f"pack: cannot be read on: {error!r}")
    for place in pack.wrong[:50]:
        print(f"KHÔNG KHỚP · WRONG  {place}")
    if pack.wrong:
        return 8
    print(f"KHỚP · OK  R{run['run_no']:06}: {run['lines']} khoản, {int(run['total']):,} đồng".replace(",", "."))
    print("KHÔNG chứng minh: dữ liệu nguồn đúng sự thật; không có gì bị bỏ ngoài sổ.")
    return 0

if __name__ == "__main__":
    sys.exit(main())
