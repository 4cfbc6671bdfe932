"""Looks into a reverse process and draws it: `python examples/reverse_process.py [--out reverse.gif]`.

A trace holds every state of every hypothesis. Five hypotheses start as draws from the Gaussian mixture of poses that
the 2D pose allows, and end as plausible poses; their mean is the prediction.
"""

import argparse

import numpy as np
from PIL import Image, ImageDraw

from diffpose_core.bundle import bundled
from diffpose_core.io.clips import load_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.skeleton import BONES

SIZE, PIXELS_A_METRE, SCALE = 360, 170, 2
HYPOTHESIS, PREDICTION, TRUTH = (180, 190, 205), (11, 122, 107), (214, 120, 40)


def main() -> None:
    """Trace one frame, print its error step by step, draw it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="reverse.gif", help="the animation to write")
    args = parser.parse_args()

    clip = load_clip(bundled("assets/clips") / "walk-from-the-side.npz")
    frame = len(clip) // 2
    trace = lift(clip, settings=LiftSettings(steps=10, hypotheses=5, seed=0), frames=[frame], trace=True).trace
    truth_cam = clip.pose3d_cam[frame]  # the bundled clips are made, so their truth is known

    states = trace.samples[0]  # (S + 1, H, J, 3): metres, camera frame
    for k, state in zip(trace.k, states, strict=True):
        error_mm = 1000 * np.linalg.norm(state.mean(0) - truth_cam, axis=-1).mean()
        spread_mm = 1000 * state.std(0).mean()
        print(f"k = {k:2d}: error of the mean {error_mm:5.1f} mm, spread {spread_mm:5.1f} mm")

    pictures = [draw(state, truth_cam, f"k = {k}") for k, state in zip(trace.k, states, strict=True)]
    durations = [900, *[350] * (len(pictures) - 2), 1800]
    pictures[0].save(args.out, save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=True)
    print("wrote", args.out)


def draw(state: np.ndarray, truth_cam: np.ndarray, title: str) -> Image.Image:
    """One state as the camera sees it (left) and from the side (right): hypotheses, their mean, the truth."""
    picture = Image.new("RGB", (2 * SIZE * SCALE, SIZE * SCALE), "white")
    pen = ImageDraw.Draw(picture)
    rows = [(pose, HYPOTHESIS, 2) for pose in state] + [(truth_cam, TRUTH, 3), (state.mean(0), PREDICTION, 4)]
    for axes, left in (((0, 1), 0), ((2, 1), SIZE)):
        for pose, colour, width in rows:
            points = (pose[:, axes] * PIXELS_A_METRE + [left + SIZE / 2, SIZE / 2 - 10]) * SCALE
            for start, end in BONES:
                pen.line([*points[start], *points[end]], fill=colour, width=width * SCALE)
    pen.text((12 * SCALE, 8 * SCALE), title, fill="black", font_size=16 * SCALE)
    labels = (("as the camera sees it", 100), ("from the side", SIZE + 130))
    for text, left in labels:
        pen.text((left * SCALE, (SIZE - 26) * SCALE), text, fill="black", font_size=14 * SCALE)
    return picture.resize((2 * SIZE, SIZE), Image.Resampling.LANCZOS).quantize(32)


if __name__ == "__main__":
    main()
