"""The commands that take a trained run, as a user calls them: one small run, shared by all tests of this module."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from artgen.media.text import read_recipe
from tests.e2e.helpers import ARTGEN, TEXT, artgen, one_line, small_config

Call = Callable[..., "subprocess.CompletedProcess[str]"]

SMALL = {"device": {"accelerator": "cpu", "precision": "32", "threads": 1}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained run, `run`, its config, small.yaml, and a cache."""
    folder = tmp_path_factory.mktemp("home")
    config = small_config(folder, **SMALL)
    trained = artgen("train", config, "--out", "run", cwd=folder, env={"ARTGEN_CACHE": str(folder / "cache")})
    assert trained.returncode == 0, trained.stderr
    return folder


@pytest.fixture
def call(home: Path) -> Call:
    """`artgen …` in `home`."""

    def run(*arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return artgen(*arguments, cwd=home, stdin=stdin, env={"ARTGEN_CACHE": str(home / "cache"), "OMP_NUM_THREADS": "1"})

    return run


@pytest.fixture(scope="module")
def poems(home: Path) -> Path:
    """Three samples in a folder, a file each."""
    made = artgen("sample", "run", "-n", 3, "--seed", 5, "--max-tokens", 40, "-o", "poems/", cwd=home)
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines() == [f"poems/000{i}.txt" for i in (1, 2, 3)]
    return home / "poems"


def ok(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout


# ---------------------------------------------------------------- sample


def test_samples_in_the_terminal_and_the_seed_that_makes_them_again(call: Call) -> None:
    shown = call("sample", "run", "-n", 3, "--max-tokens", 40, "--prompt", "The ")
    works = ok(shown).removesuffix("\n").split("\n----\n")
    assert len(works) == 3
    assert all(work.startswith("The ") for work in works)
    assert len(set(works)) == 3
    seed = re.fullmatch(r"120 tokens in .*; --seed (\d+) makes the same again", shown.stderr.strip())
    assert seed, shown.stderr

    report = json.loads(ok(call("sample", "run", "-n", 3, "--max-tokens", 40, "--prompt", "The ", "--seed", seed[1], "--json")))
    assert [sample["text"].removesuffix("\n") for sample in report["samples"]] == works
    assert (report["run"], report["seed"], report["files"]) == ("run", int(seed[1]), [])
    assert report["options"]["prompt"] == "The "
    assert {sample["ended"] for sample in report["samples"]} == {"max_tokens"}


def test_a_prompt_from_a_file_or_a_pipe_is_the_same_prompt(call: Call, home: Path) -> None:
    (home / "prompt.txt").write_bytes(b"\xef\xbb\xbfThe old fox\r\nsees a\r\n")
    from_file = ok(call("sample", "run", "--seed", 1, "--max-tokens", 20, "--prompt-file", "prompt.txt"))
    from_pipe = ok(
        call("sample", "run", "--seed", 1, "--max-tokens", 20, "--prompt", "-", "-o", "-", stdin="The old fox\nsees a\n")
    )
    assert from_file == from_pipe
    assert from_file.startswith("The old fox\nsees a")
    assert not from_file.startswith("The old fox\nsees a\n")


def test_a_form_to_order(call: Call) -> None:
    options = ["--acrostic", "Tree", "--line-length", "5,7", "--allowed", "Tabcdehmnorstw .", "--temperature", 1]
    for work in ok(call("sample", "run", "-n", 4, "--seed", 1, *options)).removesuffix("\n").split("\n----\n"):
        lines = work.splitlines()
        assert [line[0].lower() for line in lines] == list("tree")
        assert len({len(line.rstrip(".")) for line in lines} & {5, 7}) == 1
        assert set(work) <= set("Tabcdehmnorstw .\n")


def test_a_setting_of_the_run_can_be_changed_for_one_call(call: Call) -> None:
    lined = ok(call("sample", "run", "--seed", 2, "--set", "sample.lines=2", "--set", "temperature=0.5", "--json"))
    options = json.loads(lined)["options"]
    assert options["lines"] == 2 and options["temperature"] == 0.5
    freed = ok(call("sample", "run", "--seed", 2, "--set", "lines=null", "--max-tokens", 20, "--json"))
    assert json.loads(freed)["options"]["lines"] is None
    assert "did you mean 'temperature'" in one_line(call("sample", "run", "--set", "temprature=1"), 2)
    assert "key of the sample section" in one_line(call("sample", "run", "--set", "train.steps=1"), 2)


def test_a_file_gets_all_samples_and_is_not_overwritten(call: Call, home: Path) -> None:
    assert ok(call("sample", "run", "-n", 2, "--seed", 2, "--max-tokens", 30, "-o", "two.txt")) == "two.txt\n"
    before = (home / "two.txt").read_bytes()
    assert before.count(b"\n----\n") == 1
    recipes = read_recipe(home / "two.txt").recipes
    assert [(recipe.seed, recipe.index, recipe.n_samples) for recipe in recipes] == [(2, 0, 2), (2, 1, 2)]
    assert "two.txt: exists (--force overwrites it)" in one_line(call("sample", "run", "-o", "two.txt"), 2)
    assert (home / "two.txt").read_bytes() == before
    ok(call("sample", "run", "-n", 2, "--seed", 3, "--max-tokens", 30, "-o", "two.txt", "--force"))
    assert (home / "two.txt").read_bytes() != before
    assert read_recipe(home / "two.txt").unchanged


def test_a_folder_gets_a_file_each_and_none_is_overwritten(call: Call, poems: Path) -> None:
    before = {path.name: path.read_bytes() for path in poems.iterdir()}
    assert sorted(before) == [f"000{i}.txt{suffix}" for i in (1, 2, 3) for suffix in ("", ".recipe.json")]
    assert len({before[f"000{i}.txt"] for i in (1, 2, 3)}) == 3
    said = one_line(call("sample", "run", "-n", 2, "-o", "poems/"), 2)
    assert "poems/0001.txt: exists (--force overwrites it)" in said
    assert {path.name: path.read_bytes() for path in poems.iterdir()} == before


def test_a_reader_that_has_seen_enough_ends_it_quietly(home: Path) -> None:
    process = subprocess.Popen(
        [*ARTGEN, "sample", "run", "--max-tokens", "300000"], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout and process.stderr
    assert len(process.stdout.read(5)) == 5
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait(timeout=60) == 0
    assert said == b""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_interrupted_sampling_says_130_and_leaves_no_file(home: Path) -> None:
    process = subprocess.Popen(
        [*ARTGEN, "sample", "run", "--max-tokens", "300000"], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert len(process.stdout.read(5)) == 5
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == b"artgen: interrupted\n"


def test_what_the_run_or_machine_does_not_have(call: Call) -> None:
    assert "no such checkpoint (saved steps: 20, 30)" in one_line(call("sample", "run", "--checkpoint", 99), 2)
    assert "expected auto, cpu, cuda, cuda:1 or mps" in one_line(call("sample", "run", "--device", "tpu"), 2)


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes the streams")
def test_closed_streams_are_no_internal_error(home: Path) -> None:
    def shell(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-c", command, "sh", *ARTGEN], cwd=home, capture_output=True, text=True, check=False)

    assert shell('"$@" families >&-').returncode == 0
    quiet = shell('"$@" nonsense 2>&-')
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (2, "", "")
    assert "standard input: is closed" in one_line(shell('"$@" sample run --prompt - <&-'), 2)


# ---------------------------------------------------------------- show, reproduce


def test_show_tells_how_a_file_was_made(call: Call, poems: Path) -> None:
    shown = ok(call("show", "poems/0002.txt"))
    recipe = read_recipe(poems / "0002.txt").recipes[0]
    for fact in ("text.gpt", recipe.checkpoint, "5, sample 1", "max_tokens", "40", "cpu"):
        assert fact in shown
    facts = json.loads(ok(call("show", "poems/0002.txt", "--json")))
    assert facts["unchanged"] is True
    assert facts["recipes"] == [recipe.to_dict()]


def test_show_tells_what_a_run_is(call: Call) -> None:
    facts = json.loads(ok(call("show", "run", "--json")))
    assert (facts["family"], facts["steps"], facts["checkpoints"]) == ("text.gpt", "30 of 30", "20, 30")
    assert facts["config"]["model"]["d_model"] == 32
    assert 0 < facts["held-out loss"] < 4
    shown = ok(call("show", "run"))
    assert "30 of 30" in shown
    assert "d_model" not in shown


def test_one_file_of_several_is_made_again_byte_for_byte(call: Call, poems: Path, home: Path) -> None:
    assert read_recipe(poems / "0001.txt").recipes[0].n_samples == 3
    assert ok(call("reproduce", "poems/0001.txt", "-o", "again.txt")) == "again.txt: identical, byte for byte\n"
    assert (home / "again.txt").read_bytes() == (poems / "0001.txt").read_bytes()
    assert read_recipe(home / "again.txt").recipes == read_recipe(poems / "0001.txt").recipes
    assert "again.txt: exists" in one_line(call("reproduce", "poems/0001.txt", "-o", "again.txt"), 2)


def test_an_edited_text_is_not_what_comes_out(call: Call, poems: Path, home: Path) -> None:
    original = (poems / "0002.txt").read_bytes()
    for suffix in ("", ".recipe.json"):
        shutil.copy(poems / f"0002.txt{suffix}", home / f"edited.txt{suffix}")
    (home / "edited.txt").write_bytes(original + b"mine\n")
    again = call("reproduce", "edited.txt", "--json")
    assert again.returncode == 1
    facts = json.loads(again.stdout)
    assert (facts["identical"], facts["again"]) == (False, "edited-again.txt")
    assert "was changed since it was made" in facts["note"]
    assert (home / "edited-again.txt").read_bytes() == original
    assert "(the file was changed since)" in ok(call("show", "edited.txt"))


def test_a_damaged_checkpoint_that_a_file_was_not_made_with_does_not_matter(poems: Path, home: Path, tmp_path: Path) -> None:
    work = shutil.copytree(poems, tmp_path / "poems") / "0001.txt"
    run = shutil.copytree(home / "run", tmp_path / "run")
    made_with = read_recipe(work).recipes[0].checkpoint
    for folder in (run / "checkpoints").glob("step-*"):
        if made_with not in (folder / "state.json").read_text():
            (folder / "state.json").write_text("{")
    ok(artgen("reproduce", work, cwd=tmp_path, env={"OMP_NUM_THREADS": "1"}))


def test_another_text_than_the_file_s_comes_with_a_reason(poems: Path, home: Path, tmp_path: Path) -> None:
    work = tmp_path / "0001.txt"
    work.write_bytes(b"not this\n")
    recipe = json.loads((poems / "0001.txt.recipe.json").read_text())
    recipe["sha256"] = hashlib.sha256(work.read_bytes()).hexdigest()
    for torch_version, reason in (("1.0", "torch 1.0, now 2."), (recipe["recipes"][0]["torch"], "another processor")):
        recipe["recipes"][0]["torch"] = torch_version
        (tmp_path / "0001.txt.recipe.json").write_text(json.dumps(recipe))
        again = artgen("reproduce", work, "--run", home / "run", "--force", env={"OMP_NUM_THREADS": "1"})
        assert again.returncode == 1
        assert "NOT identical: " in again.stdout
        assert reason in again.stdout


def test_a_moved_run_is_named_and_another_run_is_refused(call: Call, poems: Path, home: Path, tmp_path: Path) -> None:
    work = tmp_path / "0003.txt"
    for suffix in ("", ".recipe.json"):
        shutil.copy(poems / f"0003.txt{suffix}", f"{work}{suffix}")
    shutil.copytree(home / "run", tmp_path / "moved")
    said = one_line(artgen("reproduce", work, cwd=tmp_path), 2)
    assert said.endswith("the run that " + str(work) + " was made with is not here; --run says where it is now")
    ok(call("reproduce", work, "--run", tmp_path / "moved"))
    assert (tmp_path / "0003-again.txt").read_bytes() == work.read_bytes()

    ok(call("train", "small.yaml", "--seed", 9, "--set", "train.steps=1", "--out", tmp_path / "other"))
    said = one_line(call("reproduce", work, "--run", tmp_path / "other", "-o", tmp_path / "x.txt"), 1)
    assert "no checkpoint here has the weights" in said
    assert not (tmp_path / "x.txt").exists()

    sidecar = tmp_path / "0003.txt.recipe.json"
    sidecar.write_text(sidecar.read_text().replace('"n_samples": 3', '"n_samples": 2'))
    assert "damaged recipe" in one_line(call("reproduce", work, "--run", tmp_path / "moved", "-o", tmp_path / "x.txt"), 2)


# ---------------------------------------------------------------- evaluate, standard input


def test_evaluate_for_a_person_and_for_a_script(call: Call) -> None:
    facts = json.loads(ok(call("evaluate", "run", "--samples", 2, "--json")))
    assert (facts["run"], facts["samples"]) == ("run", 2)
    assert facts["scored_tokens"] == len(TEXT * 4) - int(len(TEXT * 4) * 0.9) - 1
    assert 1 < facts["loss"] < 4
    assert {"bits_per_character", "perplexity", "distinct_2_char", "copying_longest", "worst_spans"} <= set(facts)
    text = ok(call("evaluate", "run", "--samples", 2))
    assert f"{facts['loss']:.4f} nats/token" in " ".join(text.split())
    assert "the spans with the most letters and digits that stand in the training text:" in text


def test_another_text_can_be_piped_into_evaluate(call: Call) -> None:
    facts = json.loads(ok(call("evaluate", "run", "--data", "-", "--samples", 0, "--json", stdin="The old owl sees a hen.\n")))
    assert facts["scored_tokens"] == 23
    assert "stride: 33" in one_line(call("evaluate", "run", "--samples", 0, "--stride", 33), 2)
    assert "--batch: text.gpt has no use for it; its own options are --stride" in one_line(
        call("evaluate", "run", "--batch", 2), 2
    )


def test_training_data_can_be_piped(call: Call, home: Path) -> None:
    few = ["--set", "train.steps=2", "--json"]
    report = json.loads(ok(call("train", "small.yaml", "--data", "-", "--out", "piped", *few, stdin=TEXT * 2)))
    assert (report["run"], report["step"], report["signal"]) == ("piped", 2, None)
    facts = json.loads(ok(call("evaluate", "piped", "--samples", 0, "--json", stdin=TEXT * 2)))
    assert "the held-out part of the run's text" in facts["title"]
    weights = (home / "piped/checkpoints/step-00000002/model.safetensors").read_bytes()
    resumed = call("train", "piped", "--resume", "--set", "train.steps=3", stdin=TEXT * 3)
    assert "the text is not the one that the run was begun with" in one_line(resumed, 2)
    assert not (home / "piped/checkpoints/step-00000003").exists()
    assert (home / "piped/checkpoints/step-00000002/model.safetensors").read_bytes() == weights
    said = one_line(call("train", "small.yaml", "--data", "-", "--out", "none", stdin=""), 2)
    assert "standard input: is empty, expected text" in said
    assert not (home / "none").exists()
