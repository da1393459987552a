"""What lies beside the tables: schemas, disclosure records, and a description that an independent validator accepts."""

from __future__ import annotations

import csv
import io
import json
import urllib.response
import zipfile
from email.message import Message

import pytest

from shared_code.releases import contents, package
from shared_code.releases.cells import as_meant, from_csv, neutral, to_csv

# The terms that a package uses, as the context of RO-Crate 1.1 defines them: the validator asks for that context, and
# there is no network here. A term that is not in this list is not in the published context either.
CONTEXT = {"conformsTo": "http://purl.org/dc/terms/conformsTo", "File": "http://schema.org/MediaObject"} | {
    term: f"http://schema.org/{term}" for term in (
        "CreativeWork", "Dataset", "Organization", "SoftwareApplication", "about", "author", "contentSize", "creator",
        "datePublished", "description", "encodingFormat", "hasPart", "identifier", "license", "name", "publisher",
        "softwareVersion", "temporalCoverage", "version",
    )
}  # fmt: skip


@pytest.fixture
def found(draft):
    return package.opened(draft())


def test_every_table_has_its_schema_and_its_disclosure_record(found, tiny):
    assert set(found.files) == {
        "tables/illness.ill.csv", "tables/illness.ill.schema.json", "disclosure/illness.ill.json", "ro-crate-metadata.json",
    }  # fmt: skip
    assert set(found.files) == contents.names(tiny, found.manifest["plans"])
    record = json.loads(found.files["disclosure/illness.ill.json"])
    assert {"rule_set": "NET10", "threshold": 10, "rounding": 5}.items() <= record["rules"].items()
    assert (record["numbers"], record["outcome"], record["smallest_number_of_people_shown"]) == (8, {"rounded": 8}, 30.0)


def test_the_table_fits_its_schema(found):
    """Read as any reader of Frictionless table schemas would, without any code of this project."""
    schema = json.loads(found.files["tables/illness.ill.schema.json"])
    rows = list(csv.DictReader(io.StringIO(found.files["tables/illness.ill.csv"].decode())))
    assert list(rows[0]) == [field["name"] for field in schema["fields"]]
    keys = [tuple(row[name] for name in schema["primaryKey"]) for row in rows]
    assert len(set(keys)) == len(keys) == 8
    for field in schema["fields"]:
        values = [row[field["name"]] for row in rows]
        limits = field.get("constraints", {})
        assert not limits.get("required") or not set(values) & set(schema["missingValues"])
        assert "enum" not in limits or set(values) <= set(limits["enum"]), field["name"]
        if field["type"] == "number":
            assert all(float(value) >= 0 for value in values if value not in schema["missingValues"])


LABELS = ["=1+1", "+44 20", "-rf", "@SUM(A1)", "\tx", "\rx", "\nx", "a\rb", "＝1", "'=1", "''", "'", "", "Leeds"]


@pytest.mark.parametrize("label", LABELS)
def test_no_spreadsheet_executes_a_label_and_it_comes_back(label, found):
    cells = from_csv(found.files["tables/illness.ill.csv"])
    cells["place"] = label
    written = to_csv(cells)
    (place,) = {row["place"] for row in csv.DictReader(io.StringIO(written.decode(), newline=""))}
    assert not place.startswith(tuple("=+-@\t\r\n＝＋－＠"))
    assert set(from_csv(written)["place"]) == {label}
    assert to_csv(from_csv(written)) == written
    assert as_meant(neutral(label)) == label


def test_a_label_that_a_spreadsheet_would_execute_is_not_read(found):
    text = found.files["tables/illness.ill.csv"].replace(b"'=1+1", b"=1+1")
    with pytest.raises(ValueError, match="a spreadsheet would execute '=1\\+1'"):
        from_csv(text)


class _Answer:
    """What the context's address would answer."""

    status_code, headers = 200, {"Content-Type": "application/ld+json"}

    def json(self) -> dict:
        return {"@context": CONTEXT}


def test_an_independent_validator_accepts_the_description(draft, tiny, north, signing, tmp_path, monkeypatch):
    """roc-validator, every requirement of RO-Crate 1.1; of the recommendations only an address of the organisation lacks."""
    rdflib = pytest.importorskip("rdflib")
    services = pytest.importorskip("rocrate_validator.services")
    from rdflib import _networking
    from rocrate_validator.models import Severity, ValidationSettings
    from rocrate_validator.utils.http import HttpRequester

    asked = set()

    def answer(request, *_):
        asked.add(request.full_url)
        kind = Message()
        kind["Content-Type"] = "application/ld+json"
        return urllib.response.addinfourl(io.BytesIO(json.dumps({"@context": CONTEXT}).encode()), kind, request.full_url, 200)

    monkeypatch.setattr(_networking, "urlopen", answer)
    monkeypatch.setattr(HttpRequester, "__getattr__", lambda self, name: lambda url, **_: asked.add(url) or _Answer())
    sent = tmp_path / "outbox" / "north.zip"
    signing.send(north, tiny, draft(), sent)
    folder = tmp_path / "crate"
    with zipfile.ZipFile(sent) as archive:
        archive.extractall(folder)

    def issues(severity: str) -> list[str]:
        asking = ValidationSettings(rocrate_uri=str(folder), profile_identifier="ro-crate-1.1",
                                    cache_path=str(tmp_path / "cache"), requirement_severity=Severity[severity])  # fmt: skip
        return [issue.message for issue in services.validate(asking).get_issues()]

    assert issues("REQUIRED") == []
    assert issues("RECOMMENDED") == ["The organization SHOULD have a URL."]
    assert "https://w3id.org/ro/crate/1.1/context" in asked and rdflib
    described = json.loads((folder / "ro-crate-metadata.json").read_text("utf-8"))["@graph"]
    used = {key for entity in described for key in entity if not key.startswith("@")} | {entity["@type"] for entity in described}
    assert used <= set(CONTEXT), "terms that RO-Crate 1.1 does not define"
    (folder / "tables" / "illness.ill.csv").unlink()
    assert issues("RECOMMENDED") != ["The organization SHOULD have a URL."], "the validator notices nothing"
