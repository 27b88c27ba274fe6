"""What is shown of a model while it trains, and what decides about its data."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from artgen.data.tokens import load_corpus
from artgen.families.text_gpt.config import GPTDataConfig
from artgen.families.text_rnn.config import TextRNNConfig
from tests.lm.test_evaluate import trained


def test_a_preview_of_a_long_form_is_the_whole_form(tmp_path: Path) -> None:
    run = trained(tmp_path, sample={"lines": 150, "max_tokens": 400})
    said = run.family.preview({"model": run.network}, 5, tmp_path)
    assert said.startswith("preview at step 5:\n")
    assert (tmp_path / "step-00000005.txt").read_text().rstrip("\n").count("\n") == 149


def test_a_form_or_prompt_that_the_text_does_not_allow_does_not_end_a_training(tmp_path: Path) -> None:
    for number, sample in enumerate(({"acrostic": "春夏"}, {"prompt": "春"}, {"lines": 150, "max_tokens": 20})):
        (tmp_path / str(number)).mkdir()
        run = trained(tmp_path / str(number), sample=sample)
        assert run.family.preview({"model": run.network}, 5, tmp_path).startswith("no preview at step 5: ")
    assert not list(tmp_path.glob("step-*"))


def test_how_windows_are_cut_is_the_gpt_s_own_business_and_makes_no_tokens_anew(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("one two three\n" * 40)
    path = [str(tmp_path / "text.txt")]
    first = load_corpus(GPTDataConfig(path=path), tmp_path / "cache")
    again = load_corpus(GPTDataConfig(path=path, crops="documents"), tmp_path / "cache")
    assert first.fingerprint == again.fingerprint
    assert len(list((tmp_path / "cache" / "tokens").iterdir())) == 1
    with pytest.raises(ValidationError, match="crops"):
        TextRNNConfig.model_validate({"data": {"path": path, "crops": "documents"}})
