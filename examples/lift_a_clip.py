"""Lifts a clip and prints what came out: `python examples/lift_a_clip.py [CLIP] [--out FILE]`.

CLIP is a file of 2D poses in any format of docs/formats.md; by default a bundled one. FILE's ending decides the format.
"""

import argparse
from pathlib import Path

from diffpose_core.bundle import bundled
from diffpose_core.io.exports import export_bytes, format_of_ending
from diffpose_core.io.formats import read_pose_path, to_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.skeleton import JOINT_NAMES


def main() -> None:
    """Lift, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", nargs="?", default=str(bundled("assets/clips") / "wave.npz"))
    parser.add_argument("--out", help="file to write, such as out.bvh")
    args = parser.parse_args()

    chosen = to_clip(read_pose_path(args.clip))
    for note in chosen.notes:
        print("assumed:", note)
    settings = LiftSettings(steps=5, hypotheses=5, seed=0)
    result = lift(chosen.clip, settings=settings, frames=range(min(30, len(chosen.clip))))

    print(f"{len(result)} frames, {result.hypotheses.shape[1]} hypotheses each")
    if result.expected_error is not None:
        millimetres = 1000 * result.expected_error.mean(0)
        for joint in millimetres.argsort()[::-1][:5]:
            print(f"{JOINT_NAMES[joint]:12s} expected error {millimetres[joint]:3.0f} mm")
    if args.out:
        content, _ = export_bytes(result, format_of_ending(args.out))
        Path(args.out).write_bytes(content)
        print("wrote", args.out)


if __name__ == "__main__":
    main()
