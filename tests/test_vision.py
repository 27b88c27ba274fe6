"""torchvision beside a torch that it was built for, and beside one that it was not."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import artgen


def run(code: str) -> str:
    """What Python prints for a program, in a process of its own: operators can be declared only once in each."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_transforms_models_datasets_and_utils_work() -> None:
    """With whatever torch is installed."""
    found = run(
        """
        import torch
        from artgen.vision import datasets, models, transforms, utils
        pictures = torch.zeros(2, 3, 40, 40, dtype=torch.uint8)
        small = transforms.Compose([transforms.Resize(32, antialias=True), transforms.ToDtype(torch.float32, scale=True)])(pictures)
        with torch.no_grad():
            features = models.squeezenet1_1().features(small)
        print(list(small.shape), features.shape[1], list(utils.make_grid(small).shape), len(datasets.FakeData(5)))
        """
    )
    assert found == "[2, 3, 32, 32] 512 [3, 36, 70] 5"


def test_operators_that_do_not_load_are_declared() -> None:
    """As beside a torch for the CPU alone, where the compiled library fails to load."""
    found = run(
        """
        import torch
        def fails(path):
            raise OSError("libcudart.so: cannot open shared object file")
        torch.ops.load_library = fails
        from artgen.vision import DECLARED, models, transforms
        print(*DECLARED)
        try:
            torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
        except NotImplementedError:
            print("is only declared")
        """
    )
    assert found == "nms qnms\nis only declared"


def test_operators_that_load_are_left_alone() -> None:
    """As beside a matching build, whose library brings them."""
    found = run(
        """
        import tempfile, torch
        from importlib.machinery import EXTENSION_SUFFIXES
        from pathlib import Path
        import artgen.vision
        folder = Path(tempfile.mkdtemp())
        compiled = folder / f"_C{EXTENSION_SUFFIXES[-1]}"
        compiled.touch()
        loaded = []
        torch.ops.load_library = loaded.append
        kept = len(artgen.vision._kept)
        print(artgen.vision.declare_missing_operators(folder), loaded == [str(compiled)], len(artgen.vision._kept) == kept)
        """
    )
    assert found == "() True True"


def test_a_missing_torchvision_is_named() -> None:
    found = run(
        """
        import importlib.util
        find = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *rest: None if name == "torchvision" else find(name, *rest)
        from artgen.errors import ArtgenError
        try:
            import artgen.vision
        except ArtgenError as error:
            print(error)
        """
    )
    assert found == "torchvision is not installed: pip install --no-deps torchvision"


def test_no_other_module_imports_torchvision() -> None:
    package = Path(artgen.__file__).parent
    for path in package.rglob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
        assert "torchvision" not in names or path == package / "vision.py"


def test_texts_do_not_need_it() -> None:
    found = run(
        """
        import sys
        import artgen.cli.main, artgen.families.text_gpt.family, artgen.families.text_rnn.family, artgen.engine.fit
        print("torchvision" in sys.modules, "PIL" in sys.modules)
        """
    )
    assert found == "False False"
