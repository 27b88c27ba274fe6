"""The command line itself: what it imports, its help, its errors, and the commands that need no trained run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from artgen import __version__
from artgen.cli.common import emit
from artgen.cli.main import COMMANDS
from artgen.config import load_config
from artgen.recipes import recipes
from artgen.registry import family_names
from tests.cli.helpers import Call, Said
from tests.e2e.helpers import small_config

# ---------------------------------------------------------------- what is imported


def imported_by(*arguments: object) -> tuple[int, set[str]]:
    """(exit status, which of the slow packages were imported) of a call in a process of its own."""
    code = (
        "import sys, json\n"
        "from artgen.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as ended: status = ended.code\n"
        "slow = {'torch', 'numpy', 'pydantic', 'tokenizers', 'lightning_fabric', 'tensorboardX'}\n"
        "print('\\n' + json.dumps([status, sorted(slow & set(sys.modules))]))"
    )
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True)
    status, modules = json.loads(done.stdout.splitlines()[-1])
    return status, set(modules)


def test_the_help_imports_nothing_slow() -> None:
    assert imported_by("--help") == (0, set())
    assert imported_by("--version") == (0, set())


@pytest.mark.parametrize("command", ["train", "sample", "interpolate", "edit", "evaluate", "reproduce", "doctor"])
def test_a_command_s_help_imports_no_torch(command: str) -> None:
    status, modules = imported_by(command, "--help")
    assert status == 0
    assert not modules & {"torch", "numpy", "tokenizers", "lightning_fabric"}


def test_a_mistake_in_a_call_is_told_before_torch_is_imported(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    (tmp_path / "config.yaml").write_text(config.read_text())  # a folder with a config is a run
    for arguments in (
        ["sample", tmp_path / "nowhere"],
        ["sample", tmp_path, "--temperature", "-1"],
        ["sample", tmp_path, "-o", tmp_path / "nowhere" / "x.txt"],
        ["evaluate", tmp_path / "nowhere"],
        ["train", config, "--set", "train.stesp=5"],
        ["train", config, "--out", config],
        ["reproduce", tmp_path / "text.txt"],
    ):
        status, modules = imported_by(*arguments)
        assert (status, "torch" in modules) == (2, False), arguments


def test_a_mistake_about_pictures_is_told_before_torch_is_imported(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("family: image.gan")
    (tmp_path / "text.png").write_text("I am a text")
    out = ["-o", tmp_path / "x.png"]
    for arguments in (
        ["sample", tmp_path],
        ["sample", tmp_path, *out, "--temperature", "1"],
        ["interpolate", tmp_path, *out, "--seeds", "1,x"],
        ["edit", tmp_path, tmp_path / "text.png", "--project", *out],
        ["edit", tmp_path, *out],
    ):
        status, modules = imported_by(*arguments)
        assert (status, "torch" in modules) == (2, False), arguments


def test_a_run_of_texts_has_no_options_of_pictures(call: Call, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("family: text.gpt")
    for option in (["--grid"], ["--columns", 2], ["--class", "cats"], ["--truncation", 1], ["--background", "white"]):
        said = call.refused("sample", tmp_path, *option)
        assert said.startswith(f"{option[0]}: text.gpt has no such option, it has --prompt, --max-tokens, --temperature, ")


# ---------------------------------------------------------------- help and mistakes


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_help_lists_every_command(call: Call, arguments: list[str]) -> None:
    said = call(*arguments)
    assert said.status == 0
    for command, line in COMMANDS.items():
        assert command in said.out
        assert line.split(",")[0] in " ".join(said.out.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_help_that_the_list_promises(call: Call, command: str) -> None:
    said = call(command, "--help")
    assert said.status == 0
    assert COMMANDS[command] in " ".join(said.out.split())
    assert f"Usage: artgen {command} " in said.out


def test_the_version(call: Call) -> None:
    assert call("--version") == Said(0, f"artgen {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "there is no command 'trian', did you mean 'train'?"),
        (["smaple", "run"], "there is no command 'smaple', did you mean 'sample'?"),
        (["xyzzy"], "there is no command 'xyzzy', one of: configs, doctor, edit, evaluate"),
        (["sample", "run", "--promt", "x"], "there is no option --promt, did you mean '--prompt'?"),
        (["train", "x", "--outt=y"], "there is no option --outt, did you mean '--out'?"),
        (["--versoin"], "there is no option --versoin, did you mean '--version'?"),
        (["sample"], "missing argument 'run' (artgen sample --help tells more)"),
        (["sample", "run", "-n", "0"], "invalid value for '-n' / '--number': "),
        (["sample", "run", "-n", "few"], "invalid value for '-n' / '--number': "),
        (["families", "extra"], "got unexpected extra argument"),
        (["configs", "text/gtp"], "text/gtp: no such config file or recipe, did you mean 'text/gpt'?"),
        (["configs", "--copy", "x.yaml"], "--copy: name the recipe too"),
        (["show", "nowhere.txt"], "nowhere.txt: no such file"),
        (["sample", "x", "--prompt", "a", "--prompt-file", "b"], "--prompt and --prompt-file: expected one of them, not both"),
        (["sample", "x", "--prompt-file", "nowhere.txt"], "nowhere.txt: no such file"),
    ],
    ids=" ".join,
)
def test_a_wrong_call_gets_one_line(call: Call, arguments: list[str], message: str) -> None:
    assert call.refused(*arguments).startswith(message)


def test_files_too_many_are_taken_for_a_glob_without_quotes(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b b.txt", "c.txt"):
        Path(name).write_text("x")
    for more in (["b b.txt"], ["c.txt", "b b.txt"]):
        said = call.refused("train", "text/gpt", "--data", "a.txt", *more)
        assert "were they a glob? Quote it, as in --data '*.txt'" in said
    assert "glob" not in call.refused("train", "text/gpt", "extra")


def test_a_recipe_without_a_text_of_its_own_says_what_to_give(call: Call, tmp_path: Path) -> None:
    said = call.refused("train", "text/poems", "--out", tmp_path / "run")
    assert said.endswith("data: no text is named, give --data: JSON or JSONL with the text in the field 'paragraphs'")


def test_json_is_json_where_a_figure_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    emit(True, {"loss": float("nan"), "list": [1.5, float("inf")], "text": "NaN"}, "")
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {"loss": None, "list": [1.5, None], "text": "NaN"}


@pytest.mark.parametrize(
    ("words", "expected"), [("artgen re", {"reproduce"}), ("artgen sample run --pro", {"--prompt", "--prompt-file"})]
)
def test_a_shell_completes_commands_and_options(words: str, expected: set[str]) -> None:
    env = {**os.environ, "_ARTGEN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = subprocess.run([sys.executable, "-m", "artgen"], env=env, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == expected


def test_debug_shows_the_traceback_wherever_it_stands(call: Call) -> None:
    for arguments in (["--debug", "show", "nowhere"], ["show", "nowhere", "--debug"]):
        said = call(*arguments)
        assert said.status == 2
        assert "Traceback" in said.err
        assert said.err.endswith("artgen: nowhere: no such file\n")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "out of memory: a smaller train.batch_size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1, "out of memory: "),
        (OSError(28, "No space left on device", "runs/x"), 1, f"runs/x: {os.strerror(28)}"),
        (ZeroDivisionError("division by zero\nmore"), 1, "internal error: ZeroDivisionError: division by zero; run again"),
    ],
)
def test_what_goes_wrong_underneath_ends_in_one_line(
    call: Call, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, message: str | None
) -> None:
    def fail() -> list[str]:
        raise error

    monkeypatch.setattr("artgen.registry.family_names", fail)
    said = call("families")
    assert said.status == status
    assert "Traceback" not in said.err
    if message is not None:
        assert said.err.startswith(f"artgen: {message}")
        assert said.err.count("\n") == 1


# ---------------------------------------------------------------- families, configs, doctor


def test_families(call: Call) -> None:
    lines = call("families").out.splitlines()
    assert [line.split()[0] for line in lines] == family_names()
    found = json.loads(call("families", "--json").out)
    assert list(found) == family_names()
    assert all(line.endswith(found[line.split()[0]]) for line in lines)


def test_configs_are_listed_printed_and_copied(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(json.loads(call("configs", "--json").out)) == list(recipes())
    listed = call("configs").out.splitlines()
    assert [line.split()[0] for line in listed] == list(recipes())
    recipe = recipes()["text/gpt"]
    assert call("configs", "text/gpt").out.rstrip("\n") == recipe.read_text(encoding="utf-8").rstrip("\n")
    assert json.loads(call("configs", "text/gpt", "--json").out)["yaml"] == recipe.read_text(encoding="utf-8")
    assert call("configs", "text/gpt", "--copy", "mine.yaml") == Said(0, "mine.yaml\n", "")
    assert Path("mine.yaml").read_bytes() == recipe.read_bytes()
    assert load_config(Path("mine.yaml"))
    Path("mine.yaml").write_text("precious")
    assert "mine.yaml: exists (--force overwrites it)" in call.refused("configs", "text/gpt", "--copy", "mine.yaml")
    assert Path("mine.yaml").read_text() == "precious"
    assert call("configs", "text/gpt", "--copy", "mine.yaml", "--force").status == 0
    assert Path("mine.yaml").read_bytes() == recipe.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml"]


def test_the_schema_is_json(call: Call) -> None:
    schema = json.loads(call("configs", "--schema").out)
    assert schema["properties"]["family"]["enum"] == family_names()


def test_doctor_tells_what_there_is(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tokens").write_bytes(b"x" * 1500)
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path))
    said = call("doctor", "--json")
    facts = json.loads(said.out)
    assert said.status == 0
    assert facts["artgen"] == __version__
    assert facts["cache"] == f"{tmp_path}, 1.5 kB"
    import torch

    assert facts["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert isinstance(facts["advice"], list)
    text = call("doctor").out
    assert all(key in text for key in facts if key != "advice")


def test_doctor_fails_where_something_is_missing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artgen.cli.doctor.CORE", ("torch", "no-such-package-as-this"))
    said = call("doctor")
    assert said.status == 1
    assert "missing: no-such-package-as-this; pip install no-such-package-as-this" in said.out
