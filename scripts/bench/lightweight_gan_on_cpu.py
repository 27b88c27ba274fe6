"""Trains lightweight-gan 1.2.1 for a given time on a CPU, and samples from it. For scripts/bench/image.py alone.

Runs in the peer's own environment, which needs lightweight-gan and what it imports, and nothing of artgen. The package asks for
a GPU at its import and moves everything there; here those calls are answered with the CPU. Its networks, losses, augmentation
and data loading are as released. Its own previews are left out, which gives it the time that they would take.
"""

from __future__ import annotations

import argparse
import json
import time
import types
from pathlib import Path

import numpy as np
import torch


def on_the_cpu() -> None:
    """Answers what the package asks of CUDA with the CPU, and declares the operators that torchvision's wheel lacks beside it."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    kept.append(library)
    torch.cuda.is_available = lambda: True  # for the package's assertion
    torch.Tensor.cuda = lambda self, *args, **kwargs: self
    torch.nn.Module.cuda = lambda self, *args, **kwargs: self
    device = torch.device

    class OnTheCPU(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, device)

    class Device(metaclass=OnTheCPU):
        def __new__(cls, *args: object, **kwargs: object) -> torch.device:
            if args and isinstance(args[0], str) and args[0].startswith("cuda"):
                return device("cpu")
            return device(*args, **kwargs)

    import lightweight_gan.lightweight_gan as package

    package.torch = types.SimpleNamespace(**{**vars(torch), "device": Device})
    package.torch.__dict__["cuda"] = torch.cuda
    torch.cuda.is_available = lambda: False


kept: list[object] = []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", default="10,30")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--steps", type=int, help="only measure the time of so many steps")
    parser.add_argument("--fmap-max", type=int, default=512)
    args = parser.parse_args()
    torch.manual_seed(42)
    on_the_cpu()
    from lightweight_gan import Trainer

    args.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(
        name="peer",
        base_dir=str(args.out),
        image_size=args.size,
        batch_size=args.batch,
        gradient_accumulate_every=args.accumulate,
        attn_res_layers=[32],  # this, the next and the learning rate as its command line has them
        disc_output_size=1,
        lr=2e-4,
        fmap_max=args.fmap_max,
        aug_types=["translation", "cutout", "color"],  # with a probability that it sets itself for small sets
        save_every=10**9,
        evaluate_every=10**9,
        use_aim=False,
        num_workers=2,
    )
    trainer.evaluate = lambda *args, **kwargs: None
    trainer.save = lambda *args, **kwargs: None
    trainer.set_data_src(str(args.pictures))
    trainer.init_GAN()
    parameters = {name: sum(p.numel() for p in getattr(trainer.GAN, name).parameters()) for name in ("G", "D")}
    trained = 0.0

    def run(until: float | None, steps: int | None) -> None:
        nonlocal trained
        begun, before = time.perf_counter(), trained
        while (until is None or trained < until) and (steps is None or trainer.steps < steps):
            trainer.train()
            trained = before + time.perf_counter() - begun

    def facts() -> dict[str, object]:
        seen = trainer.steps * args.batch * args.accumulate
        rate = seen / trained
        return {"steps": trainer.steps, "seconds": trained, "pictures_per_second": rate, "parameters": parameters}

    if args.steps:
        run(None, 4)
        trained, first = 0.0, trainer.steps
        run(None, first + args.steps)
        rate = args.steps * args.batch * args.accumulate / trained
        print(json.dumps({"pictures_per_second": rate, "seconds": trained, "parameters": parameters}))
        return
    for minutes in map(float, args.minutes.split(",")):
        run(minutes * 60, None)
        for name in ("G", "GE"):
            np.save(args.out / f"{name}-{minutes:g}.npy", sample(trainer, getattr(trainer.GAN, name), args.samples))
        (args.out / f"facts-{minutes:g}.json").write_text(json.dumps(facts()))
        print(json.dumps({"minutes": minutes, **facts()}), flush=True)


@torch.no_grad()
def sample(trainer: object, generator: torch.nn.Module, n: int) -> np.ndarray:
    """uint8 [n, height, width, 3], as the package's own `generate` makes them: in evaluation mode, clamped to 0 and 1."""
    trainer.GAN.eval()
    torch.manual_seed(0)
    parts = []
    while sum(map(len, parts)) < n:
        latents = torch.randn(50, trainer.latent_dim)
        pictures = generator(latents).clamp(0, 1).mul(255).add(0.5).clamp(0, 255).to(torch.uint8)
        parts.append(pictures.permute(0, 2, 3, 1).numpy())
    trainer.GAN.train()
    return np.concatenate(parts)[:n]


if __name__ == "__main__":
    main()
