"""A thousand packages that somebody or something spoilt: every one is refused with a reason, and none touches the inbox."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared_code.model import Refused
from shared_code.releases import json_form, package
from shared_code.releases import signatures as sig

TABLE, SCHEMA = "tables/illness.ill.csv", "tables/illness.ill.schema.json"
TODAY = dt.date.today()


class Spoiler:
    """Spoil a good package in one of many ways, by chance that is the same every time."""

    def __init__(self, net, good: bytes, older: bytes):
        self.net, self.good, self.older = net, good, older
        self.found = package.parsed(good)
        with zipfile.ZipFile(io.BytesIO(good)) as archive:
            self.entries = {name: archive.read(name) for name in archive.namelist()}

    # bytes -----------------------------------------------------------------------------------------------------------

    def flipped(self, r: random.Random) -> bytes:
        content = bytearray(self.good)
        for _ in range(r.choice([1, 1, 1, 2, 8])):
            content[r.randrange(len(content))] ^= r.randrange(1, 256)
        return bytes(content) if bytes(content) != self.good else b""

    def cut_or_grown(self, r: random.Random) -> bytes:
        a, b = sorted(r.sample(range(len(self.good) + 1), 2))
        noise = r.randbytes(r.randrange(1, 200))
        g = self.good
        return r.choice([g[:a], g[b:], g[:a] + g[b:], g[:a] + noise + g[a:], g + noise, noise + g, g + g,
                         g[:a] + g[a:b] * 2 + g[b:], noise, noise * 50, b"", b"age-encryption.org/v1\n" + noise])  # fmt: skip

    # archives --------------------------------------------------------------------------------------------------------

    def zipped_otherwise(self, r: random.Random) -> bytes:
        """Keep the content and its digests, and play with the archive around it."""
        name = r.choice(sorted(self.entries))
        play = r.randrange(9)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            order = sorted(self.entries)
            if play == 0:
                r.shuffle(order)
                order = order if order != sorted(order) else order[::-1]
            for one in order:
                entry = zipfile.ZipInfo(one, package.FIXED_TIME)
                entry.create_system, entry.external_attr = 3, 0o644 << 16
                if one == name:
                    if play == 1:
                        entry.external_attr = 0o120777 << 16  # a link
                    elif play == 2:
                        entry.date_time = (2020 + r.randrange(50), 1, 1, 0, 0, 0)
                    elif play == 3:
                        entry.compress_type = zipfile.ZIP_DEFLATED
                    elif play == 4:
                        entry.extra = b"\xca\xfe\x04\x00abcd"
                    elif play == 5:
                        entry.comment = b"hello"
                archive.writestr(entry, self.entries[one])
            if play == 6:
                archive.comment = r.randbytes(5)
            elif play == 7:
                archive.writestr(name, b"again")
            elif play == 8:
                archive.writestr(zipfile.ZipInfo("empty/", package.FIXED_TIME), b"")
        return buffer.getvalue()

    def with_a_name(self, r: random.Random) -> bytes:
        """Add a file whose name leads elsewhere, or means something to some system, signed properly."""
        name = r.choice(["../../../etc/passwd", "/etc/passwd", "C:\\x", "..", "tables/../../x", "a/b/c", "tables\\x", "con:",
                         "~/x", "tables/x\x00.csv", "x" * 300, "tables/\u202evsc.x", "-rf", "inbox/s0.zip", "s0.zip",
                         "Tables/x.csv", "tables/ILLNESS.ill.csv", "tables/illness.more.csv", " ", "tables//x",
                         "./x"])  # fmt: skip
        extra = {name: r.randbytes(20)}
        if r.random() < 0.5:
            return self.net.signing.sealed(self.found.manifest, {**self.found.files, **extra}, number=3)
        return package.canonical({**self.entries, **extra})

    # what is said ----------------------------------------------------------------------------------------------------

    def edited(self, r: random.Random) -> bytes:
        """Change something inside, make the digests fit again, and leave the signatures as they are."""
        manifest, files = json.loads(json_form.written(self.found.manifest)), dict(self.found.files)
        if r.random() < 0.5:
            where = manifest
            while isinstance(where, dict) and where:
                key = r.choice(sorted(where))
                if not isinstance(where[key], dict) or not where[key]:
                    longer = where[key] * 2 if isinstance(where[key], str) else 7
                    where[key] = r.choice([None, -1, "x", [], {}, 10**400, 1.5, longer])
                    break
                where = where[key]
        else:
            name = r.choice(sorted(files))
            body = bytearray(files[name])
            body[r.randrange(len(body))] ^= 1 + r.randrange(255)
            files[name] = bytes(body)
        return package.as_bytes(manifest, files, self.found.signatures)[0]

    def signed_by_others(self, r: random.Random) -> bytes:
        """Sign the same content again, with something about the signatures that does not hold."""
        digest = self.found.digest
        said = self.net.signing.signatures("s1", "tiny", digest, number=3)
        about = {k: said["approvals"][0][k] for k in ("content", "study", "site", "date", "reason")}
        key = self.net.signing.key
        stranger = sig.make(sig.Approval, key(f"stranger {r.random()}"), **about, role="reviewer", name="rosa")
        twice = sig.make(sig.Approval, key("ada"), **about, role="reviewer", name="ada")
        unknown = sig.make(sig.Approval, key("eve"), **about, role="reviewer", name="eve")
        wrong_role = sig.make(sig.Approval, key("rosa"), **about, role="analyst", name="rosa")
        elsewhere = {**about, "content": f"{r.getrandbits(256):064x}"}
        other = sig.make(sig.Approval, key("rosa"), **elsewhere, role="reviewer", name="rosa")
        analyst, reviewer = said["approvals"]
        day = TODAY - dt.timedelta(days=r.randrange(1, 4000))
        approvals = [[analyst, stranger], [analyst, twice], [analyst, unknown], [wrong_role, reviewer], [analyst, other],
                     [analyst], [], [reviewer], [analyst, reviewer, reviewer], [analyst, analyst],
                     [{**analyst, "reason": "another reason"}, reviewer], [{**analyst, "date": "2020-01-01"}, reviewer],
                     [{**analyst, "key": reviewer["key"]}, reviewer], [{**analyst, "more": 1}, reviewer]]  # fmt: skip
        if r.random() < 0.6:
            chosen = r.choice(approvals)
            sent = {k: v for k, v in said["sent"].items() if k not in ("key", "signature")} | {"approvals": sig.digest_of(chosen)}
            signatures = {**said, "approvals": chosen, "sent": sig.make(sig.Sending, key("s1"), **sent)}
        else:
            stale = self.net.signing.signatures("s1", "tiny", digest, number=3, expires=day.isoformat())
            future = (TODAY + dt.timedelta(days=r.randrange(3, 400))).isoformat()
            to_come = self.net.signing.signatures("s1", "tiny", digest, number=3, date=future)
            sent = said["sent"]
            changed = r.choice([{"number": 4}, {"expires": "2999-01-01"}, {"supersedes": "0" * 64}, {"date": "2020-01-01"},
                                {"signature": sent["signature"][::-1]}, {"key": self.net.signing.public("s0")}, {"number": "4"},
                                {"number": True}, {"number": 0}, {"name": "s0"}, {"site": "s0"},
                                {"content": "0" * 64}])  # fmt: skip
            unsigned = r.choice([{}, {"form": sig.FORM}, {**said, "form": "x"}, {**said, "extra": 1}, {**said, "sent": None},
                                 {**said, "approvals": {}}])  # fmt: skip
            signatures = r.choice([stale, to_come, {**said, "sent": {**sent, **changed}}, unsigned])
        return package.as_bytes(self.found.manifest, self.found.files, signatures)[0]

    def from_a_dishonest_site(self, r: random.Random) -> bytes:
        """Sign content properly that no honest site has."""
        manifest, files = json.loads(json_form.written(self.found.manifest)), dict(self.found.files)
        rows = files[TABLE].decode().split("\n")
        place = r.choice([n for n, row in enumerate(rows) if ",rounded," in row])
        cells = rows[place].split(",")

        def with_cell(column: int, text: str) -> bytes:
            row = ",".join([*cells[:column], text, *cells[column + 1 :]])
            return "\n".join([*rows[:place], row, *rows[place + 1 :]]).encode()

        text = files[TABLE].decode()
        number = r.choice(["nan", "inf", "-inf", "INF", "1e999", "NaN", "-5", "1_000", "٣", "0x10", "1,5", "=1+1", "4", "12.5",
                           "", " 15"])  # fmt: skip
        play = r.randrange(10)
        if play == 0:
            files[TABLE] = with_cell(-4, number)
        elif play == 1:
            files[TABLE] = with_cell(-4, r.choice(["1", "3", "9"])).replace(b"rounded", b"ok")
        elif play == 2:
            files[TABLE] = with_cell(0, r.choice(["=cmd()", "@x", "+1", "-1", "unknown", "\x00", "é" * 50, "all"]))
        elif play == 3:
            files[TABLE] = "\n".join(row + ",x" if row else row for row in rows).encode()
        elif play == 4:
            files[TABLE] = r.choice([text.encode("utf-16"), text.encode("utf-8-sig"), text.replace("\n", "\r\n").encode(),
                                     b"\xff" + text.encode(), text.encode("cp500"), text.encode() + b"\xe9"])  # fmt: skip
        elif play == 5:
            manifest["plans"] = r.choice([{"illness": "0" * 64}, {}, {**manifest["plans"], "other": "0"}])
        elif play == 6:
            manifest |= r.choice([{"study": "other"}, {"site": "s9"}, {"site": "../s0"}, {"site": ""}, {"plans": None}])
        elif play == 7:
            name = r.choice(sorted(files))
            files = {n: b for n, b in files.items() if n != name}
        elif play == 8:
            manifest["disclosure"]["rules"] = r.choice([{"threshold": 3, "rounding": 5}, {"threshold": 10, "rounding": 1}, None])
        else:
            name = r.choice([n for n in files if n.endswith(".json")])
            files[name] = r.choice([b"", b"[]", b"{", b"null", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 9000,
                                    files[name].decode().encode("utf-16")])  # fmt: skip
        return self.net.signing.sealed(manifest, files, number=3)

    def json_with_two_meanings(self, r: random.Random) -> bytes:
        """Write the manifest or the signatures as JSON that two readers would read differently."""
        name = r.choice([package.MANIFEST, package.SIGNATURES])
        text = self.entries[name].decode()
        twice = text.replace('"site":', '"site": "s0", "site":', 1)
        opened = text.rstrip()[:-1].encode()
        changed = r.choice([twice.encode(), text.encode("utf-16"), b"\xef\xbb\xbf" + text.encode(), text.encode()[:-5], b"[]",
                            b"", text.replace("{", "{,", 1).encode(), text.replace('"site"', '"s\\ud800"', 1).encode(), b"null",
                            b"[" * 5000, opened + b', "x": 1e999}', opened + b', "x": NaN}'])  # fmt: skip
        return package.canonical({**self.entries, name: changed})

    def replayed(self, r: random.Random) -> bytes:
        """Bring an old release back, or a second one under a number that is taken."""
        if r.random() < 0.4:
            return self.older
        manifest = {**self.found.manifest, "limits": f"another content {r.random()}"}
        crate = self.found.files
        return self.net.signing.sealed(manifest, crate, number=r.choice([1, 2]))


KINDS: dict[Callable[[Spoiler, random.Random], bytes], int] = {
    Spoiler.flipped: 250, Spoiler.cut_or_grown: 200, Spoiler.zipped_otherwise: 150, Spoiler.with_a_name: 100, Spoiler.edited: 100,
    Spoiler.signed_by_others: 100, Spoiler.from_a_dishonest_site: 60, Spoiler.json_with_two_meanings: 100, Spoiler.replayed: 20,
}  # fmt: skip


@pytest.fixture(scope="module")
def spoiler(tmp_path_factory, signing, counted, draw_people, network_of) -> Spoiler:
    """An inbox in which the second release of s1 counts, and everything needed to spoil it."""
    net = network_of(tmp_path_factory.mktemp("fuzzed"), threshold=10, rounding=5)
    people = draw_people(23, 2)
    net.send("s0", ill=counted(people[people["site"] == 0]))
    net.send("s1", ill=counted(people[people["site"] == 1]))
    older = (net.inbox / "s1.zip").read_bytes()
    net.send("s1", ill=counted(people[people["site"] == 1].iloc[:-60]))
    return Spoiler(net, (net.inbox / "s1.zip").read_bytes(), older)


def outside(folder: Path) -> dict[str, bytes]:
    """Everything that lies anywhere but in the quarantine and in the place packages come from."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not {"quarantine", "post"} & set(p.parts)]
    return {str(p): p.read_bytes() for p in files}


def spoilt(spoiler: Spoiler, kind: Callable[[Spoiler, random.Random], bytes], number: int) -> Iterator[bytes]:
    r = random.Random(f"{kind.__name__} 1")
    while number:
        content = kind(spoiler, r)
        if content != spoiler.good:
            number -= 1
            yield content


def test_there_are_a_thousand():
    assert sum(KINDS.values()) >= 1_000


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("kind", "number"), KINDS.items(), ids=[kind.__name__ for kind in KINDS])
def test_every_spoilt_package_is_refused_with_a_reason_and_touches_nothing(spoiler, kind, number):
    net, before = spoiler.net, outside(spoiler.net.folder)
    post = net.folder / "post" / "s1.zip"
    post.parent.mkdir(exist_ok=True)
    for count, content in enumerate(spoilt(spoiler, kind, number)):
        post.write_bytes(content)
        with pytest.raises(Refused) as refused:
            net.take_in(post)
        said = str(refused.value)
        assert refused.value.problems and "s1.zip" in said and "Traceback" not in said, (count, said)
        assert all(len(problem.wrong) > 10 and "\n" not in str(problem) for problem in refused.value.problems), said
    assert outside(net.folder) == before


def test_what_was_spoilt_is_good_by_itself(spoiler):
    """Without this the tests above could pass because nothing is ever accepted."""
    post = spoiler.net.folder / "post" / "s1.zip"
    post.parent.mkdir(exist_ok=True)
    post.write_bytes(spoiler.good)
    assert spoiler.net.take_in(post).sent.number == 2
    post.write_bytes(spoiler.net.signing.sealed(spoiler.found.manifest, spoiler.found.files, number=3))
    assert spoiler.net.take_in(post).sent.number == 3
