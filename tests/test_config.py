"""YAML to a validated config and back: overrides, paths, messages, the JSON Schema, and the recipes that come with artgen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from artgen.config import IsPath, RunConfig, json_schema, load_config, parse_override, to_yaml
from artgen.errors import UsageError
from artgen.recipes import describe, find_recipe, recipes
from artgen.registry import config_class, family_names


def write(folder: Path, text: str = "", name: str = "mine.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("family: text.gpt\n" + text, encoding="utf-8")
    return path


def load(folder: Path, text: str = "", *overrides: str, **extra: Any) -> Any:
    return load_config(write(folder, text), list(overrides), extra)


def refusal(folder: Path, text: str = "", *overrides: str) -> str:
    with pytest.raises(UsageError) as refused:
        load(folder, text, *overrides)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# ---------------------------------------------------------------- overrides


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("train.steps=7", 7),
        ("train.optimizer.lr=1e-4", 1e-4),
        ("train.optimizer.betas=[0.8, 0.95]", (0.8, 0.95)),
        ("device.compile=true", True),
        ("device.devices=2", 2),
        ("device.devices=auto", "auto"),
        ("device.precision=32", "32"),
        ("model.n_kv_heads=2", 2),
        ("model.n_kv_heads=null", None),
        ("model.d_ff=~", None),
        ("data.field=5", "5"),
        ("data.field=yes", "yes"),
        ("data.separator=a=b", "a=b"),
        ("data.remove= ", " "),
        ("data.tokenizer={kind: byte}", "byte"),
        ("sample.prompt=", ""),
        ("sample.stop=[]", []),
        ("sample.line_length=[5, 7]", [5, 7]),
        ("seed=9", 9),
    ],
)
def test_an_override_gets_the_type_that_the_schema_says(tmp_path: Path, override: str, value: Any) -> None:
    config = load(tmp_path, "", override)
    for key in override.partition("=")[0].split("."):
        config = getattr(config, key)
    found = getattr(config, "kind", config)
    assert found == value
    assert type(found) is type(value)


def test_overrides_leave_what_is_beside_them(tmp_path: Path) -> None:
    text = "train: {steps: 5, optimizer: {lr: 0.1, name: adamw}}\nmodel: {n_layers: 3}"
    config = load(tmp_path, text, "train.optimizer.lr=0.2", "train.batch_size=2", "model={d_model: 8}", seed=4)
    assert (config.train.steps, config.train.batch_size) == (5, 2)
    assert (config.train.optimizer.lr, config.train.optimizer.name) == (0.2, "adamw")
    assert (config.model.n_layers, config.model.d_model) == (3, 8)
    assert config.seed == 4


def test_the_last_of_two_overrides_counts_and_the_call_over_both(tmp_path: Path) -> None:
    assert load(tmp_path, "seed: 1", "seed=2", "seed=3").seed == 3
    assert load(tmp_path, "seed: 1", "seed=2", seed=4).seed == 4
    assert load(tmp_path, "", "family=text.rnn").family == "text.rnn"


@pytest.mark.parametrize("assignment", ["train.steps", "=5", "train..steps=5", ".=1", "train.steps 5"])
def test_what_is_no_assignment(assignment: str) -> None:
    with pytest.raises(UsageError, match="expected key=value, for example --set train.steps=500"):
        parse_override(assignment)


def test_a_list_that_is_not_yaml() -> None:
    with pytest.raises(UsageError, match=r"--set sample.stop=\[a: '\[a' is not a YAML list or mapping"):
        parse_override("sample.stop=[a")


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle: {n_layers: 2}", "modle: unknown key, did you mean 'model'?"),
        ("train: {optimiser: {lr: 1}}", "train.optimiser: unknown key, did you mean 'optimizer'?"),
        ("train: {optimizer: {learning: 1}}", "train.optimizer.learning: unknown key, "),
        ("sample: {temprature: 1}", "sample.temprature: unknown key, did you mean 'temperature'?"),
        ("data: {form: {lines: [4]}}", "data.form.lines: unknown key, did you mean 'n_lines'?"),
        ("train: {step: 3, steps: -1}", "train.step: unknown key, did you mean 'steps'? (and 1 more)"),
        ("model: {cell: gru}", "model.cell: unknown key, "),  # a key of another family
        ("train: {steps: 0}", "train.steps: input should be greater than 0 (got 0)"),
        ("train: {steps: 2.5}", "train.steps: input should be a valid integer"),
        ("train: {clip: .inf}", "train.clip: input should be a finite number (got inf)"),
        ("sample: {temperature: .nan}", "sample.temperature: input should be a finite number (got nan)"),
        ("train: 5", "train: input should be a valid dictionary"),
        ("train:", "train: input should be a valid dictionary"),
        ("device: {devices: two}", "device.devices: input should be"),
        ("device: {accelerator: gpu}", "device.accelerator: "),
        ("device: {precision: 16}", "device.precision: input should be 'auto', '32' or 'bf16' (got '16')"),
        ("data: {path: []}", "data: no text is named, give --data: a file, a folder or a glob"),
        (
            "data: {path: [], field: lines}",
            "data: no text is named, give --data: JSON or JSONL with the text in the field 'lines'",
        ),
        ("data: {path: 5}", "data.path: input should be a valid list (got 5)"),
        ("data: {path: [5]}", "data.path: input should be a valid string (got 5)"),
        ("data: {tokenizer: char}", "data.tokenizer: "),
        ("5: 6", "5: "),
    ],
)
def test_a_mistake_is_named_in_the_words_of_the_config(tmp_path: Path, text: str, message: str) -> None:
    said = refusal(tmp_path, text)
    assert said.startswith(f"{tmp_path / 'mine.yaml'}: {message}")


def test_a_mistake_in_yaml_is_named_with_its_place(tmp_path: Path) -> None:
    assert re.search(r"mine\.yaml:3:\d+: not YAML", refusal(tmp_path, "train: {steps: 3\nmodel: 4"))


def test_files_that_are_no_configs(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("caf\xe9: 1".encode("latin-1"))
    (tmp_path / "deep.yaml").write_text("[" * 5000)
    cases = {"latin.yaml": "not UTF-8 text (byte 3)", "deep.yaml": "nested too deeply", "none.yaml": "no such config file"}
    for name, message in cases.items():
        with pytest.raises(UsageError, match=re.escape(message)):
            load_config(tmp_path / name)
    with pytest.raises(UsageError, match="is a folder, expected a YAML config file"):
        load_config(tmp_path)


# ---------------------------------------------------------------- paths


def test_paths_in_a_file_are_relative_to_it_and_in_a_call_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, here = tmp_path / "configs", tmp_path / "here"
    here.mkdir()
    path = write(config, "data: {path: [poems.txt, ../more/*.txt, /abs/x.txt, python-docs, '-', tinyshakespeare]}")
    monkeypatch.chdir(here)
    there = [str(config / "poems.txt"), str(config / "../more/*.txt"), "/abs/x.txt", "python-docs", "-", "tinyshakespeare"]
    assert load(config, path.read_text().partition("\n")[2]).data.path == there
    for relative in (path, Path("../configs/mine.yaml")):
        assert load_config(relative).data.path == there  # type: ignore[attr-defined]
        assert load_config(relative, ["data.path=[a.txt, -]"]).data.path == [str(here / "a.txt"), "-"]  # type: ignore[attr-defined]
        given = load_config(relative, [], {"data": {"path": ["b.txt", "python-docs"]}})
        assert given.data.path == [str(here / "b.txt"), "python-docs"]  # type: ignore[attr-defined]


def test_a_single_path_needs_no_brackets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(tmp_path, "data: {path: poems.txt}").data.path == [str(tmp_path / "poems.txt")]
    assert load(tmp_path, "data: {path: python-docs}").data.path == ["python-docs"]
    assert load(tmp_path, "", "data.path=my, poems.txt").data.path == [str(tmp_path / "my, poems.txt")]


def test_the_home_folder_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert load(tmp_path, "data: {path: ~/poems.txt}").data.path == [str(tmp_path / "me/poems.txt")]


# ---------------------------------------------------------------- writing


ODD = {
    "train.optimizer.lr": "1e-05",
    "train.optimizer.betas": "[0.9, 0.999]",
    "device.precision": "32",
    "seed": "2147483647",
}
ODD_TEXT = {
    "data.path": "[poems.txt, 'a: b.txt', '-']",
    "data.separator": "\n\n",
    "data.field": "5",
    "data.remove": "：'\"#\t",
    "sample.prompt": "春\nnull",
    "sample.stop": "['true', \"\\n\", '~', '1e3']",
}
ODD_PICTURES = {
    "data.path": "['a: b.png', 春.png, truchet]",
    "data.background": "#F4ecd8",
    "data.classes": "true",
    "sample.class_name": "null: 1e3",
}
ODD_STYLE = {
    "data.path": "['a: b.png', 春.png, truchet]",
    "data.background": "#F4ecd8",
    "style.image": "['a: b.png', 'null: 1e3', 春.png]",
    "sample.mix": "0.25,1e-3,0",
}
ODD_MUSIC = {
    "data.path": "['a: b.mid', 春.mid, bach]",
    "data.transpose": "[-5, 6]",
    "sample.instrument": "['5', 'null: 1e3']",
    "sample.key": "F# minor",
}


@pytest.mark.parametrize("family", family_names())
def test_a_saved_config_is_the_same_when_it_is_loaded_again(tmp_path: Path, family: str) -> None:
    kind = family.split(".")[0]
    odd = {**ODD, **{"text": ODD_TEXT, "music": ODD_MUSIC, "style": ODD_STYLE}.get(kind, ODD_PICTURES)}
    config = load(tmp_path, "", f"family={family}", *(f"{key}={value}" for key, value in odd.items()))
    if kind == "text":
        assert config.sample.stop == ["true", "\n", "~", "1e3"]
    elif kind == "music":
        assert (config.data.transpose, config.sample.instrument) == ((-5, 6), ["5", "null: 1e3"])
    elif kind == "style":
        assert (config.data.background, config.sample.mix) == ("#f4ecd8", [0.25, 1e-3, 0])
    else:
        assert (config.data.background, config.sample.class_name) == ("#f4ecd8", "null: 1e3")
    saved = tmp_path / "elsewhere" / "config.yaml"
    saved.parent.mkdir()
    saved.write_text(to_yaml(config), encoding="utf-8")
    assert load_config(saved) == config
    assert to_yaml(load_config(saved)) == to_yaml(config)
    assert "春" in to_yaml(config), "people read it"


# ---------------------------------------------------------------- the JSON Schema


def problems(value: Any, schema: dict[str, Any], root: dict[str, Any], where: str = "config") -> list[str]:
    """What a JSON Schema finds wrong with a value: as much of the standard as these schemas use, so that no package is needed."""
    known = {
        "$ref", "$defs", "$schema", "title", "description", "default", "type", "enum", "const", "properties", "required", "items",
        "additionalProperties", "anyOf", "allOf", "if", "then", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
        "minItems", "maxItems", "minLength", "prefixItems", "pattern",
    }  # fmt: skip
    assert set(schema) <= known, f"{where}: this check does not know {set(schema) - known}"
    if "$ref" in schema:
        assert schema["$ref"].startswith("#/$defs/")
        return problems(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, where)
    found = []
    if "anyOf" in schema and all(problems(value, branch, root, where) for branch in schema["anyOf"]):
        found.append(f"{where}: {value!r} fits no branch")
    for branch in schema.get("allOf", []):
        if "if" not in branch or not problems(value, branch["if"], root, where):
            found += problems(value, branch.get("then", {}) if "if" in branch else branch, root, where)
    types = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
    kind = schema.get("type")
    if kind == "null":
        return found if value is None else [*found, f"{where}: {value!r} is not null"]
    if kind and (not isinstance(value, types[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [*found, f"{where}: {value!r} is no {kind}"]
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        found.append(f"{where}: {value!r} is not among the values")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        found += [f"{where}: {key} is missing" for key in schema.get("required", []) if key not in value]
        for key, item in value.items():
            if key in properties:
                found += problems(item, properties[key], root, f"{where}.{key}")
            elif schema.get("additionalProperties") is False:
                found.append(f"{where}.{key}: unknown key")
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{where}: {len(value)} items")
        rules = schema.get("prefixItems", [schema.get("items", {})] * len(value))
        for index, (item, rule) in enumerate(zip(value, rules, strict=False)):
            found += problems(item, rule, root, f"{where}.{index}")
    if isinstance(value, str) and (len(value) < schema.get("minLength", 0) or not re.search(schema.get("pattern", ""), value)):
        found.append(f"{where}: {value!r} is too short or of another form")
    if isinstance(value, int | float) and not isinstance(value, bool):
        fits = schema.get("minimum", value) <= value <= schema.get("maximum", value)
        fits &= value > schema.get("exclusiveMinimum", value - 1) and value < schema.get("exclusiveMaximum", value + 1)
        found += [] if fits else [f"{where}: {value} is too large or too small"]
    return found


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_loads_and_fits_the_schema(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where there are no files of these names
    path = recipes()[name]
    schema = json_schema()
    assert isinstance(load_config(path, ["data.path=mine.txt"]), RunConfig)
    assert problems(yaml.safe_load(path.read_text(encoding="utf-8")), schema, schema) == []
    assert describe(path), "artgen configs lists its first line, which must be a comment"
    assert find_recipe(name) == find_recipe(f"configs/{name}.yaml") == path


@pytest.mark.parametrize("family", family_names())
def test_a_whole_config_fits_the_schema(tmp_path: Path, family: str) -> None:
    schema = json_schema()
    assert problems(yaml.safe_load(to_yaml(load(tmp_path, "", f"family={family}"))), schema, schema) == []
    assert problems({"family": family, "device": {"precision": 32}}, schema, schema) == [], "as people write it"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"family": "text.gtp"},
        {"family": "text.gpt", "modle": {}},
        {"family": "text.gpt", "model": {"cell": "gru"}},
        {"family": "text.rnn", "model": {"n_heads": 2}},
        {"family": "text.gpt", "train": {"steps": "many"}},
        {"family": "text.gpt", "train": {"optimizer": {"betas": [0.9]}}},
        {"family": "text.gpt", "data": {"path": 5}},
        {"family": "text.gpt", "device": {"accelerator": "gpu"}},
    ],
    ids=str,
)
def test_the_schema_finds_what_loading_refuses(tmp_path: Path, wrong: dict[str, Any]) -> None:
    schema = json_schema()
    assert problems(wrong, schema, schema)
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    with pytest.raises(UsageError):
        load_config(tmp_path / "wrong.yaml")


def test_every_key_of_a_config_is_explained() -> None:
    """An editor shows the description of the key under the cursor."""
    for name in family_names():
        for section, facts in config_class(name).model_json_schema()["$defs"].items():
            if section.endswith(("SampleConfig", "ModelConfig", "TrainConfig", "OptimizerConfig", "DeviceConfig")):
                nameless = [key for key, field in facts["properties"].items() if not {"description", "$ref"} & set(field)]
                assert nameless == [], section


def test_a_tilde_that_names_no_user_is_part_of_the_name(tmp_path: Path) -> None:
    assert IsPath().resolve("~.png", tmp_path) == str(tmp_path / "~.png")
    assert IsPath().resolve("~/a.png", tmp_path) == str(Path.home() / "a.png")
