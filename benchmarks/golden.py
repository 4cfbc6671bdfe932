"""Golden errors of the shipped weights on the bundled clips: `python -m benchmarks.golden`.

Writes benchmarks/results/golden.json: MPJPE and P-MPJPE of the context encoder and of DiffPose on a few frames of every
bundled clip, single frames and video, in float32. `tests/benchmarks/test_golden.py` measures them again and compares to
0.1 mm, so that any change of a prediction shows. Run the command after the weights were replaced.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffpose_core.evaluation.evaluate import EvaluationSettings, clip_poses, weights_provenance
from diffpose_core.evaluation.metrics import mpjpe, p_mpjpe
from diffpose_core.io.clips import load_clip
from diffpose_core.lifting.models import ENCODERS, Models, load_models
from diffpose_core.lifting.settings import Setting

ROOT = Path(__file__).resolve().parent.parent
CLIPS = ROOT / "assets" / "clips"
GOLDEN = ROOT / "benchmarks" / "results" / "golden.json"
#: Every how many frames of a clip are measured. Windows of video are long: one frame of each.
STRIDES: dict[Setting, int] = {"frame": 40, "video": 1000}


def measure(models: Models, stride: int) -> dict[str, dict[str, dict[str, float]]]:
    """Errors of the encoder and of DiffPose by clip and method, mm rounded to 0.001."""
    name, network = models.pick()
    models = replace(models, denoisers={name: network})
    found: dict[str, dict[str, dict[str, float]]] = {}
    for path in sorted(CLIPS.glob("*.npz")):
        clip = load_clip(path)
        assert clip.pose3d_cam is not None
        frames = np.arange(min(stride, len(clip)) // 2, len(clip), stride)
        poses, truth = clip_poses(clip, models, frames, EvaluationSettings()), clip.pose3d_cam[frames]
        found[clip.name] = {
            method: {
                metric: round(float(1000 * error(poses[method], truth).mean()), 3)
                for metric, error in (("mpjpe_mm", mpjpe), ("p_mpjpe_mm", p_mpjpe))
            }
            for method in (models.encoder.name, name)
        }
    return found


def golden(setting: Setting) -> dict[str, Any]:
    """Everything that is stored of one setting."""
    models = load_models(setting=setting)
    name, _ = models.pick()
    weights = weights_provenance(models)
    return {
        "stride": STRIDES[setting],
        "encoder_sha256": weights["encoder_sha256"],
        "weights_sha256": weights["weights_sha256"][name],
        "clips": measure(models, STRIDES[setting]),
    }


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=GOLDEN, help="the file to write")
    args = parser.parse_args()
    torch.set_num_threads(1)
    content = {setting: golden(setting) for setting in ENCODERS}
    args.out.write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
