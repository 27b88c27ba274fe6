"""RunConfig and its YAML: load, override, validate, explain, save.

A config is a YAML file whose `family` key chooses the schema of the rest. Nothing here imports torch.
"""

from __future__ import annotations

import contextlib
import io
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from artgen.errors import UsageError, did_you_mean


class Section(BaseModel):
    """A part of the config. Unknown keys are refused, so that a typing mistake is never ignored."""

    model_config = ConfigDict(extra="forbid", validate_default=True, protected_namespaces=(), allow_inf_nan=False)


class IsPath:
    """Marks a field whose strings are paths: relative ones are resolved against the YAML's folder.

    `names` are words that are not paths, such as `-` for standard input or a known data set.
    """

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)

    def resolve(self, value: Any, base: Path) -> Any:
        if isinstance(value, list):
            return [self.resolve(item, base) for item in value]
        if not isinstance(value, str) or value in self.names or not value:
            return value
        path = Path(value)
        with contextlib.suppress(RuntimeError):  # "~name" where no user is called so: left as it is, as by a shell
            path = path.expanduser()
        return str(path if path.is_absolute() else base / path)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


ONE_OR_MORE = BeforeValidator(_as_list, json_schema_input_type=str | list[str])
"""For a list of names of which a single one may stand without brackets, as in `path: poems.txt`."""

PositiveInt = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class OptimizerConfig(Section):
    """Which rule turns gradients into steps."""

    name: Literal["adamw", "muon"] = Field(
        "muon", description="adamw, or muon: orthogonalised momentum for hidden matrices, adamw for the rest"
    )
    lr: float = Field(3e-3, gt=0, description="peak learning rate of adamw")
    muon_lr: float = Field(0.02, gt=0, description="peak learning rate of muon's matrices")
    betas: tuple[Fraction, Fraction] = Field((0.9, 0.99), description="adamw's decay rates of the first and second moment")
    eps: float = Field(1e-8, gt=0, description="adamw's denominator floor")
    momentum: Fraction = Field(0.95, description="muon's momentum")
    weight_decay: float = Field(0.01, ge=0, description="decoupled weight decay of matrices")


class ScheduleConfig(Section):
    """How the learning rate moves: up over `warmup` steps, then by `name` down to `floor` times the peak."""

    name: Literal["constant", "cosine", "trapezoid"] = "trapezoid"
    warmup: int = Field(50, ge=0, description="steps of linear warm-up")
    cooldown: Fraction = Field(0.4, description="trapezoid: share of all steps spent in linear decay")
    floor: Fraction = Field(0.0, description="final learning rate as a share of the peak")


class TrainConfig(Section):
    """The training loop, the same for every family."""

    steps: PositiveInt = Field(2000, description="optimizer steps")
    batch_size: PositiveInt = Field(32, description="examples per step, over all processes and accumulation rounds")
    accumulate: PositiveInt = Field(1, description="rounds that one batch is split into, to save memory")
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    clip: float = Field(1.0, ge=0, description="largest gradient norm; 0 turns clipping off")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the averaged weights that sampling uses; 0 turns it off")
    log_every: PositiveInt = Field(10, description="steps between lines of metrics.jsonl")
    validate_every: PositiveInt = Field(250, description="steps between validations")
    patience: int = Field(0, ge=0, description="end after so many validations without a better one; 0: never")
    checkpoint_every: PositiveInt = Field(500, description="steps between checkpoints")
    preview_every: PositiveInt = Field(500, description="steps between previews")
    keep: PositiveInt = Field(2, description="newest checkpoints kept, beside the best one")


ACCELERATOR = r"^(auto|cpu|mps|cuda(:\d+)?)$"


def _number_as_text(value: Any) -> Any:
    """YAML reads `precision: 32` as a number."""
    return str(value) if isinstance(value, int) else value


Precision = Annotated[
    Literal["auto", "32", "bf16"],
    BeforeValidator(_number_as_text, json_schema_input_type=Literal["auto", "32", 32, "bf16"]),
]


class DeviceConfig(Section):
    """Where it runs. Lightning Fabric reads this section."""

    accelerator: str = Field("auto", pattern=ACCELERATOR, description="auto, cpu, cuda, cuda:1 or mps")
    devices: int | Literal["auto"] = Field("auto", description="how many devices of a node")
    nodes: PositiveInt = Field(1, description="how many nodes")
    strategy: Literal["auto", "ddp"] = Field(
        "auto", description="how several devices share the work; auto: ddp where there are several"
    )
    precision: Precision = Field(
        "auto", description="32, or bf16 mixed (weights stay float32); auto: bf16 where the device is fast at it"
    )
    compile: bool = Field(False, description="torch.compile the networks: minutes of start-up, then faster steps")
    threads: int = Field(0, ge=0, description="CPU threads a process uses; 0: all cores, shared between processes")


class RunConfig(Section):
    """What every family's config has. A family subclasses it and adds `data`, `model` and `sample`."""

    family: str
    seed: int = Field(0, ge=0, lt=2**31)
    train: TrainConfig = TrainConfig()
    device: DeviceConfig = DeviceConfig()


# ---------------------------------------------------------------- reading


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises UsageError that names the file and the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such config file (artgen configs lists the recipes that come with artgen)") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a folder, expected a YAML config file") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start}), expected a YAML config") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise UsageError(f"{path}{where}: not YAML: {problem}") from None
    except RecursionError:
        raise UsageError(f"{path}: not a config: nested too deeply") from None
    if loaded is None:
        raise UsageError(f"{path}: is empty, expected a YAML config with at least `family:`")
    if not isinstance(loaded, dict):
        raise UsageError(f"{path}: not a config: expected `key: value` lines, found a {type(loaded).__name__}")
    return loaded


def parse_override(assignment: str) -> tuple[list[str], Any]:
    """`a.b=c` as (["a", "b"], value). Scalars stay text; the schema gives them their type."""
    key, equals, text = assignment.partition("=")
    keys = key.strip().split(".")
    if not equals or not all(keys):
        raise UsageError(f"--set {assignment}: expected key=value, for example --set train.steps=500")
    if text.strip() in ("null", "~"):
        return keys, None
    if text.lstrip()[:1] in ("[", "{"):
        try:
            return keys, yaml.safe_load(text)
        except yaml.YAMLError:
            raise UsageError(f"--set {assignment}: {text!r} is not a YAML list or mapping") from None
    return keys, text


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, mappings merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def nest(keys: list[str], value: Any) -> dict[str, Any]:
    """`["a", "b"], 1` as `{"a": {"b": 1}}`."""
    for key in reversed(keys):
        value = {key: value}
    return value


def section_of(annotation: Any) -> type[Section] | None:
    """The Section class in a field's annotation (also inside `X | None`), if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            found = section_of(part)
            if found:
                return found
    return None


def resolve_paths(schema: type[Section], raw: dict[str, Any], base: Path) -> dict[str, Any]:
    """`raw` with every path field made absolute against `base`."""
    resolved = dict(raw)
    for name, field in schema.model_fields.items():
        if name not in resolved:
            continue
        section = section_of(field.annotation)
        marker = next((m for m in field.metadata if isinstance(m, IsPath)), None)
        if section and isinstance(resolved[name], dict):
            resolved[name] = resolve_paths(section, resolved[name], base)
        elif marker:
            resolved[name] = marker.resolve(resolved[name], base)
    return resolved


def load_config(path: Path, overrides: list[str] | None = None, extra: dict[str, Any] | None = None) -> RunConfig:
    """The validated config of a YAML file.

    overrides: `a.b=c` assignments; paths in them are relative to the working directory.
    extra: a mapping laid over everything (what `--data` and `--device` say), likewise.
    Raises UsageError, one line, for whatever is wrong.
    """
    from artgen.registry import config_class

    raw = read_yaml(path)
    changes: dict[str, Any] = {}
    for assignment in overrides or []:
        keys, value = parse_override(assignment)
        changes = merge(changes, nest(keys, value))
    changes = merge(changes, extra or {})
    family = changes.get("family", raw.get("family"))
    if not isinstance(family, str):
        raise UsageError(f"{path}: family: missing, expected a line such as `family: text.gpt`")
    schema = config_class(family, where=str(path))
    raw = resolve_paths(schema, raw, path.resolve().parent)
    changes = resolve_paths(schema, changes, Path.cwd())
    origin = {key: "--set" for key in changes}
    return validate(schema, merge(raw, changes), where=str(path), overridden=origin)


T = typing.TypeVar("T", bound=Section)


def validate(schema: type[T], raw: dict[str, Any], where: str, overridden: dict[str, str] | None = None) -> T:
    """`raw` as `schema`, or a UsageError of one line that says `where`."""
    try:
        return schema.model_validate(raw)
    except ValidationError as error:
        raise UsageError(f"{where}: {explain(error, schema)}") from None


def explain(error: ValidationError, schema: type[Section]) -> str:
    """The first problem of a pydantic error in the words of the config, and how many more there are."""
    problems = error.errors(include_url=False)
    # A mistyped key is the likeliest cause of the other problems, so it goes first.
    problems.sort(key=lambda p: p["type"] != "extra_forbidden")
    first = problems[0]
    loc = [str(part) for part in first["loc"]]
    more = len({".".join(str(x) for x in p["loc"]) for p in problems}) - 1
    tail = f" (and {more} more)" if more > 0 else ""
    if first["type"] == "extra_forbidden":
        parent = _schema_at(schema, loc[:-1])
        valid = list(parent.model_fields) if parent else []
        return f"{'.'.join(loc)}: unknown key, {did_you_mean(loc[-1], valid)}{tail}"
    while loc and _schema_at(schema, loc[:-1]) is None:
        loc.pop()  # names of union members, of no use to a reader
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    value = first.get("input")
    shown = "" if isinstance(value, (dict, list)) or first["type"] in ("missing", "value_error") else f" (got {value!r})"
    return f"{'.'.join(loc) or 'config'}: {message}{shown}{tail}"


def _schema_at(schema: type[Section], keys: list[str]) -> type[Section] | None:
    current: type[Section] | None = schema
    for key in keys:
        if current is None or key not in current.model_fields:
            return None
        current = section_of(current.model_fields[key].annotation)
    return current


# ---------------------------------------------------------------- writing


def to_yaml(config: Section) -> str:
    """The whole resolved config as YAML text. Loading it gives the same config."""
    out = io.StringIO()
    yaml.safe_dump(config.model_dump(mode="json"), out, sort_keys=False, allow_unicode=True, width=100)
    return out.getvalue()


def json_schema() -> dict[str, Any]:
    """One JSON Schema for all families, which editors complete from."""
    from artgen.registry import config_class, family_names

    definitions: dict[str, Any] = {}
    branches = []
    for name in family_names():
        schema = config_class(name).model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(schema.pop("$defs", {}))
        definitions[name] = schema
        branches.append(
            {"if": {"properties": {"family": {"const": name}}, "required": ["family"]}, "then": {"$ref": f"#/$defs/{name}"}}
        )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "artgen config",
        "type": "object",
        "required": ["family"],
        "properties": {"family": {"enum": family_names()}},
        "allOf": branches,
        "$defs": definitions,
    }
