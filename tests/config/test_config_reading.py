"""Reading of YAML: the quick reader and the careful one say the same, and what is wrong is said where it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared_code.config.reading import _Careful, _Quick, read_yaml
from shared_code.model import Refused

CONFIG = Path(__file__).resolve().parents[2] / "config"
WORDS = st.sampled_from(["No", "yes", "010", "12:30", "1_000", "1e5", "1.5", "-3", "0", "true", "False", "~", "2026-11-26",
                         "0x1f", ".5", "1.", "null", "a b", "'quoted'", "", "£", "é"])  # fmt: skip


@pytest.mark.parametrize("path", sorted(CONFIG.rglob("*.yaml")), ids=lambda path: path.relative_to(CONFIG).as_posix())
def test_both_readers_read_every_file_alike(path):
    text = path.read_text("utf-8")
    assert yaml.load(text, Loader=_Quick) == yaml.load(text, Loader=_Careful)


@given(st.lists(WORDS, max_size=6))
def test_both_readers_take_words_alike_and_keep_codes_as_written(words):
    text = "".join(f"k{number}: {word}\n" for number, word in enumerate(words))
    quick, careful = (yaml.load(text, Loader=loader) for loader in (_Quick, _Careful))
    assert quick == careful and repr(quick) == repr(careful)
    kept = {"No", "yes", "010", "12:30", "1_000", "False", "0x1f"}
    assert all(quick[f"k{number}"] == word for number, word in enumerate(words) if word in kept)


@pytest.mark.parametrize(("text", "line", "words"), [
    ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' is written twice"), ("a: 1\n[x, y]: 2\n", 2, "a key is a list or a mapping"),
    ("a: 1\nb: [1, 2\nc: 3\n", 3, "expected ',' or ']'"), ("a: 1\n\tb: 2\n", 2, "cannot start any token")])  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, line, words):
    (tmp_path / "x.yaml").write_text(text, "utf-8")
    with pytest.raises(Refused) as refused:
        read_yaml(tmp_path / "x.yaml")
    assert words in str(refused.value) and f"line {line}" in str(refused.value)
