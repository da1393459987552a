"""Layouts that many teams have come in by a settings file alone: artificial HES, and OMOP CDM 5.4."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pytest
import yaml

from shared_code.config import Site, Study
from shared_code.config.codelists import load
from shared_code.execution import run_notebook
from shared_code.measures.cohort import conditions_present, registered
from shared_code.measures.prepared import Prepared
from shared_code.sources.prepare import prepare

ROOT = Path(__file__).parents[2]
HES = {"apc": "artificial_hes_apc_0102_truncated.csv", "ae": "artificial_hes_ae_0708_truncated.csv",
       "op": "artificial_hes_op_0304_truncated.csv"}  # fmt: skip
NO_DATE = ["1800-01-01", "1801-01-01"]


@pytest.fixture(scope="module")
def hes(shared: Path, tmp_path_factory) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Give the raw files as text, and the prepared tables."""
    folder, target = shared / "data" / "persons" / "hes_artificial", tmp_path_factory.mktemp("hes") / "prepared"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COHORTIUM_KEY", bytes(range(32)).hex())
        rows = prepare(Site.read("hes_artificial", ROOT / "config" / "sites"), folder, target)
    raw = {name: pd.read_csv(folder / file, dtype=str, keep_default_na=False) for name, file in HES.items()}
    return raw, {name: pd.read_parquet(target / f"{name}.parquet") for name in rows}


def test_hes_spells_equal_a_count_by_hand(hes):
    raw, prepared = hes
    kept = raw["apc"][~raw["apc"]["ADMIDATE"].isin(NO_DATE) & ~raw["apc"]["ADMIMETH"].isin(["98", "99"])]
    kept = kept.assign(order=kept["EPIORDER"].astype(int)).sort_values(["order", "EPIKEY"])
    spells = kept.groupby(["PSEUDO_HESID", "PROCODE3", "ADMIDATE"])
    first, last = spells.first().reset_index(), spells.last().reset_index()
    made = prepared["admission"]
    assert len(made) == len(first) == 2072
    assert made["person_id"].nunique() == kept["PSEUDO_HESID"].nunique()
    diagnosis = first["DIAG_4_01"].replace(["", "-", "0000", "7999"], pd.NA)
    assert made["primary_icd10"].value_counts().to_dict() == diagnosis.value_counts().to_dict()
    assert made["disch_date"].notna().sum() == (~last["DISDATE"].isin(["", *NO_DATE])).sum()
    left = pd.to_datetime(last["DISDATE"].where(~last["DISDATE"].isin(["", *NO_DATE])))
    nights = (left - pd.to_datetime(last["ADMIDATE"])).dt.days
    assert made["los_days"].sum() == nights.sum()
    assert made["admimeth"].value_counts().to_dict() == first["ADMIMETH"].value_counts().to_dict()


def test_hes_spells_without_the_random_provider(hes, shared, tmp_path):
    """The artificial provider codes are random, so episodes are only put together where the provider is left out."""
    raw, _ = hes
    content = yaml.safe_load((ROOT / "config" / "sites" / "hes_artificial.yaml").read_text("utf-8"))
    admission = content["tables"]["admission"]
    del admission["steps"][1]["spells_from_episodes"]["provider"]
    site = Site.model_validate({**content, "site": "north", "tables": {"admission": admission}})
    rows = prepare(site, shared / "data" / "persons" / "hes_artificial", tmp_path / "prepared")
    kept = raw["apc"][~raw["apc"]["ADMIDATE"].isin(NO_DATE) & ~raw["apc"]["ADMIMETH"].isin(["98", "99"])]
    assert rows["admission"] == len(kept.groupby(["PSEUDO_HESID", "ADMIDATE"])) < 2072


def test_hes_diagnoses_are_one_row_each(hes):
    raw, prepared = hes
    apc = raw["apc"][~raw["apc"]["EPISTART"].isin(NO_DATE)]
    wide = apc[[f"DIAG_4_{i:02d}" for i in range(1, 21)]]
    filled = ~wide.isin(["", "-", "0000", "7999"])
    made = prepared["condition_event"]
    assert len(made) == filled.to_numpy().sum()
    assert made["diag_position"].value_counts().sort_index().tolist() == [n for n in filled.sum().tolist() if n]


def test_hes_attendances_and_appointments(hes):
    raw, prepared = hes
    ae, made = raw["ae"], prepared["ed_attendance"]
    at = pd.to_datetime(ae["ARRIVALDATE"] + " " + ae["ARRIVALTIME"], format="%Y-%m-%d %H%M")
    gap = ae.assign(at=at).sort_values(["PSEUDO_HESID", "at", "AEKEY"]).groupby("PSEUDO_HESID")["at"].diff()
    assert len(made) == len(ae) - (gap <= pd.Timedelta(minutes=10)).sum()
    assert sorted(made["arrival"].astype("datetime64[ns]")) == sorted(at)
    took = (made["departure"] - made["arrival"]).dt.total_seconds().div(60)
    assert took.sum() == pd.to_numeric(ae["DEPDUR"]).sum()
    assert (made["arrival_mode"] == "ambulance").sum() == (ae["AEARRIVALMODE"] == "1").sum() == 248
    assert (made["outcome"] == "admitted").sum() == (ae["AEATTENDDISP"] == "01").sum() == 202
    op, made = raw["op"], prepared["outpatient"]
    assert made["attended"].value_counts().to_dict() == op["ATTENDED"].value_counts().to_dict()
    assert made["tfc"].isna().sum() == (op["TRETSPEF"] == "&").sum()
    assert (made["first_followup"] == "first").sum() == (op["FIRSTATT"] == "1").sum()


def test_hes_says_that_its_people_do_not_match(hes):
    """The reason why the site has no table of people."""
    raw, prepared = hes
    people = [set(raw[name]["PSEUDO_HESID"]) for name in HES]
    assert not (people[0] & people[1]) | (people[0] & people[2]) | (people[1] & people[2])
    assert "person" not in prepared


# --- OMOP -----------------------------------------------------------------------------------------------------------

VISITS = {"emergency": 9203, "inpatient": 9201, "virtual": 722455}
RACES = {"white": 8527, "black": 8516, "asian": 8515, "hawaiian": 8557, "native": 8657, "other": 8522}


def omop_of_synthea(shared: Path) -> dict[str, pd.DataFrame]:
    """Write the made-up patients of Synthea as the standard tables of OMOP CDM 5.4: numbers for every identifier."""
    folder = shared / "data" / "persons" / "synthea_csv"
    names = ("patients", "conditions", "encounters")
    patients, conditions, visits = (pd.read_csv(folder / f"{name}.csv.gz", dtype=str) for name in names)
    number = {key: i for i, key in enumerate(patients["Id"], 1)}
    born = pd.to_datetime(patients["BIRTHDATE"])
    who, ids = patients["Id"].map(number), pd.Series(range(1, len(conditions) + 1))
    codes = conditions[["CODE", "DESCRIPTION"]].drop_duplicates("CODE").reset_index(drop=True)
    concept = dict(zip(codes["CODE"], range(4_000_000, 4_000_000 + len(codes))))
    died = patients["DEATHDATE"].notna()
    return {
        "person": pd.DataFrame({
            "person_id": who, "gender_concept_id": patients["GENDER"].map({"M": 8507, "F": 8532}),
            "year_of_birth": born.dt.year, "month_of_birth": born.dt.month, "day_of_birth": born.dt.day,
            "race_concept_id": patients["RACE"].map(RACES), "ethnicity_concept_id": 0}),
        "observation_period": pd.DataFrame({
            "observation_period_id": who, "person_id": who, "observation_period_start_date": patients["BIRTHDATE"],
            "observation_period_end_date": patients["DEATHDATE"].fillna("2023-12-31")}),
        "condition_occurrence": pd.DataFrame({
            "condition_occurrence_id": ids, "person_id": conditions["PATIENT"].map(number),
            "condition_concept_id": conditions["CODE"].map(concept), "condition_start_date": conditions["START"],
            "visit_occurrence_id": ids, "condition_source_value": conditions["CODE"]}),
        "concept": pd.DataFrame({
            "concept_id": [*concept.values(), 8507], "concept_name": [*codes["DESCRIPTION"], "MALE"],
            "vocabulary_id": ["SNOMED"] * len(codes) + ["Gender"], "concept_code": [*codes["CODE"], "M"]}),
        "death": pd.DataFrame({"person_id": who[died], "death_date": patients["DEATHDATE"][died]}),
        "visit_occurrence": pd.DataFrame({
            "visit_occurrence_id": range(1, len(visits) + 1), "person_id": visits["PATIENT"].map(number),
            "visit_concept_id": visits["ENCOUNTERCLASS"].map(VISITS).fillna(9202).astype(int),
            "visit_start_date": visits["START"].str[:10], "visit_start_datetime": visits["START"].str[:19].str.replace("T", " "),
            "visit_end_datetime": visits["STOP"].str[:19].str.replace("T", " ")}),
        "measurement": pd.DataFrame({
            "measurement_id": [1, 2, 3], "person_id": [1, 1, 2], "measurement_concept_id": [3004249, 3038553, 99],
            "measurement_date": ["2020-01-01"] * 3, "value_as_number": [120.0, 24.5, 1.0],
            "unit_source_value": ["mm[Hg]", "kg/m2", ""]}),
    }  # fmt: skip


def as_database(content: dict) -> dict:
    """Point the ready-made mapping at one database instead of files."""
    for table in content["tables"].values():
        for part in (table, *table.get("look_up", [])):
            part.update(table=Path(part["file"]).stem, file="cdm.duckdb")
    return content


@pytest.mark.parametrize("form", ["csv", "duckdb", "parquet"])
def test_omop_runs_long_term_conditions(shared: Path, tmp_path: Path, form: str):
    tables = omop_of_synthea(shared)
    text = (ROOT / "config" / "sites" / "omop.yaml").read_text("utf-8")
    content = yaml.safe_load(text if form != "parquet" else text.replace(".csv", ".parquet"))
    for name, table in tables.items():
        if form == "csv":
            table.to_csv(tmp_path / f"{name}.csv", index=False)
        elif form == "parquet":
            table.to_parquet(tmp_path / f"{name}.parquet", index=False)
    if form == "duckdb":
        with duckdb.connect(str(tmp_path / "cdm.duckdb")) as database:
            for name, table in tables.items():
                database.register("frame", table)
                database.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
        content = as_database(content)
    site = Site.model_validate(content)
    rows = prepare(site, tmp_path, tmp_path / "prepared")
    assert rows["person"] == 111
    assert rows["condition_event"] == len(tables["condition_occurrence"])
    assert rows["ed_attendance"] == 250
    assert rows["measurement"] == 2

    study = derived_protocol()
    codelist = load(study.analyses["long_term_conditions"].parameters["codelist"])
    prepared = Prepared(tmp_path / "prepared")
    people = registered(prepared, study.index_date).execute()
    found = conditions_present(prepared, codelist, study.index_date).execute()
    assert len(people) == rows["person"] - rows["death"]  # every patient's period lasts to the end or to death
    events = tables["condition_occurrence"].merge(tables["concept"], left_on="condition_concept_id", right_on="concept_id")
    events = events[events["condition_start_date"] <= study.index_date.isoformat()]
    asked = [("SCT", code) for code in events["concept_code"].unique()]
    known = {code: condition for _, code, condition in codelist.matches(asked)}
    by_hand = events.assign(condition=events["concept_code"].map(known)).dropna(subset="condition")
    by_hand = by_hand.groupby("condition")["person_id"].nunique().to_dict()
    counted = found[~found["condition"].isin(["two_or_more", "four_or_more"])].groupby("condition")["person_id"].nunique()
    assert counted.to_dict() == by_hand
    assert by_hand["coronary_heart_disease"] == 13  # few: the codelist of the demonstration holds root concepts only
    if form == "csv":
        alive = found[found["person_id"].isin(people["person_id"])]
        assert ran_the_notebook(study, tmp_path) == (alive["condition"] == "coronary_heart_disease").sum() > 0


def ran_the_notebook(study: Study, folder: Path) -> int:
    """Run the shared notebook on the prepared tables; give the cases of heart disease in all strata together."""
    protocol = folder / "study.yaml"
    protocol.write_text(yaml.safe_dump(study.model_dump(mode="json", by_alias=True)), encoding="utf-8")
    parameters = {"study": protocol.as_posix(), "prepared": (folder / "prepared").as_posix(),
                  "results": (folder / "out").as_posix()}  # fmt: skip
    run_notebook(ROOT / "notebooks" / "long_term_conditions.ipynb", folder / "ran.ipynb", parameters, ROOT)
    table = next(t for t in (pd.read_parquet(p) for p in (folder / "out").glob("*.parquet")) if "condition" in t)
    table = table[table["condition"] == "coronary_heart_disease"]
    everyone = table[(table[["deprivation", "ethnicity", "sex", "age"]] == "all").all(axis=1)]
    return int(everyone["cases"].sum())


def derived_protocol() -> Study:
    """Give the demonstration's protocol with an index date inside the sample."""
    content = yaml.safe_load((ROOT / "config" / "study.yaml").read_text("utf-8"))
    content.update(index_date="2023-10-01", period={"start": "2018-10-01", "end": "2023-10-01"})
    content["analyses"] = {"long_term_conditions": content["analyses"]["long_term_conditions"]}
    del content["analyses"]["long_term_conditions"]["minimum_quality"]  # data_quality is not asked here
    content.pop("agree", None)
    return Study.model_validate(content)


def test_the_parts_of_omop_that_stand_as_comments_are_valid(tmp_path: Path):
    """Whoever removes the # gets a settings file that is accepted."""
    text = (ROOT / "config" / "sites" / "omop.yaml").read_text("utf-8")
    head, marker, tail = text.partition("  # admission:\n")
    lines = [line.replace("  # ", "  ", 1) for line in (marker + tail).splitlines() if not line.startswith("  # area_lookup")]
    path = tmp_path / "omop.yaml"
    path.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    assert {"admission", "person_address"} <= set(Site.read(path).tables)
