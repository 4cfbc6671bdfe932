"""The guided tour's pictures: small stages of their own, and excerpts of the other views' stages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.figures.scenes import ClipFrames, image_panel, scene_bounds
from app.stage.payload import Bounds, StagePayload, pack_parts, to_plot_axes, unpack_parts
from app.stage.specs.layers import Layer, Terms, cloud, skeleton
from app.stage.specs.panels import scene
from diffpose_core.skeleton import JOINT_NAMES, LIMB_ENDS, PARENTS, joint_label
from diffpose_core.structures import InvalidInput

#: Metres around the limb that the live equation is seen at.
MARGIN_M = 0.1


def excerpt(data: bytes, id_: str, panels: Sequence[str]) -> bytes:
    """Another view's stage with some of its panels only, no charts, and a name of its own.

    panels: ids of the panels to keep, in the view's order. A timeline of one frame is left out.
    Raises InvalidInput where none of the panels is there.
    """
    header, buffer = unpack_parts(data)
    kept = [p for p in header["panels"] if p["id"] in panels]
    if not kept:
        raise InvalidInput(f"the stage {header['id']} has none of the panels {', '.join(panels)}")
    header |= {"id": id_, "panels": kept, "charts": [], "columns": 0, "line": "", "track": None}
    frames = header["axes"]["frame"]
    if frames is not None and len(frames["values"]) == 1:
        header["axes"]["frame"], header["shows_frame"] = None, frames["values"][0]
    header["hash"] = hashlib.sha256(json.dumps(header).encode()).hexdigest()[:20]
    return pack_parts(header, buffer)


def one_picture(view: ClipFrames, draws_cam: np.ndarray) -> bytes:
    """A picture and some of the poses that it allows, one a step.

    draws_cam: (N, 17, 3), draws of H_K of the current frame, metres, camera frame.
    """
    payload = StagePayload(
        id="learn-picture",
        title="One picture, many poses",
        source=view.source,
        clip=view.clip.name,
        steps=range(1, len(draws_cam) + 1),
        bounds=scene_bounds(view.reference_cam[view.current][None]),
        step_label="A pose that fits",
        step_texts=[f"{n} of {len(draws_cam)}" for n in range(1, len(draws_cam) + 1)],
        shows_frame=int(view.frames[view.current]),
        off=("All of them",),
    )
    panel = image_panel(payload, view, 0.8)
    panel["caption"] = "Every glow is a place where a joint may be."
    panel.pop("readouts", None)
    payload.panels.append(panel)
    payload.pose("pose", draws_cam, "step")
    payload.pose("all", draws_cam, "sample")
    payload.panels.append(
        scene(
            "poses",
            "A 3D pose that fits this picture",
            [cloud("all", "All of them", "grey"), skeleton("pose", "One pose", "sides")],
            caption="Press play, then look from Camera and from Side.",
        )
    )
    return payload.pack()


@dataclass(frozen=True)
class Equation:
    """Terms of Eq. 1 for one sample of one frame, metres, camera frame.

    Attributes:
        h_0: (17, 3), the exact pose.
        mean: (17, 3), mu^G.
        noise: (17, 3), eps^G.
        alphas: Schedule -> (K + 1,), alpha_k; the first schedule is shown.
    """

    h_0: np.ndarray
    mean: np.ndarray
    noise: np.ndarray
    alphas: dict[str, np.ndarray]

    def h_k(self, schedule: str) -> np.ndarray:
        """h_k at every step, (K + 1, 17, 3): Eq. 1 of the supplement."""
        alpha = self.alphas[schedule][:, None, None]
        return self.mean + np.sqrt(alpha) * (self.h_0 - self.mean) + np.sqrt(1 - alpha) * self.noise

    @property
    def joint(self) -> int:
        """The limb's end that moves furthest: where the equation is seen best."""
        return int(max(LIMB_ENDS, key=lambda j: float(np.linalg.norm(self.noise[j]))))


def _close_up(equation: Equation, schedule: str) -> Bounds:
    """A box around the limb that the equation is seen at, from the root to its end, and all that its end does.

    With an arm the head is seen as well.
    """
    limb = [equation.joint]
    while PARENTS[limb[-1]] >= 0:
        limb.append(PARENTS[limb[-1]])
    if PARENTS[JOINT_NAMES.index("Neck/Nose")] in limb:
        limb.append(JOINT_NAMES.index("Head"))
    ends = [*equation.h_k(schedule)[:, equation.joint], equation.mean[equation.joint]]
    points = to_plot_axes(np.concatenate([equation.h_0[limb], ends]))
    lo, hi = points.min(0), points.max(0)
    middle, half = (lo + hi) / 2, float((hi - lo)[:2].max() / 2 + MARGIN_M)
    return Bounds(
        (float(middle[0]) - half, float(middle[1]) - half, float(lo[2]) - MARGIN_M),
        (float(middle[0]) + half, float(middle[1]) + half, float(hi[2]) + MARGIN_M),
        scene_bounds(equation.h_0[None]).floor,
    )


def live_equation(equation: Equation, has_truth: bool, source: str, clip: str, frame: int) -> bytes:
    """Eq. 1 at work on one joint of one sample: its three terms as arrows in 3D and as numbers.

    Args:
        equation: The terms.
        has_truth: Whether h_0 is the exact pose, not the encoder's.
        source: The clip's hash.
        clip: The clip's name.
        frame: Number of the frame.
    """
    first = next(iter(equation.alphas))
    payload = StagePayload(
        id="learn-equation",
        title="Eq. 1 with its values",
        source=source,
        clip=clip,
        steps=range(len(equation.alphas[first])),
        bounds=_close_up(equation, first),
        step_ends=("h_0, the pose", "noise"),
        initial_step=len(equation.alphas[first]) // 2,
        shows_frame=frame,
    )
    arrays = {name: payload.pose(f"h_k_{name}", equation.h_k(name), "step") for name in equation.alphas}
    terms: Terms = {
        "joint": equation.joint,
        "h_0": payload.pose("h_0", equation.h_0),
        "mean": payload.pose("mean", equation.mean),
        "noise": payload.pose("noise", equation.noise),
        "alphas": {name: payload.add(f"alpha_{name}", alphas, ("step",)) for name, alphas in equation.alphas.items()},
    }
    start = "h_0" + ("" if has_truth else ", the encoder's pose")
    joint = joint_label(equation.joint)
    layers: list[Layer] = [
        skeleton("h_0", start, "grey", opacity=0.55, width=0.45, shadow=False),
        skeleton(arrays[first], "h_k", "sides", width=0.6, shadow=False, schedules=arrays),
        {"kind": "terms", "array": "mean", "label": "Terms of Eq. 1", "palette": "teal", **terms},
    ]
    payload.panels.append(
        scene(
            "joint",
            f"One sample, seen at the {joint}",
            layers,
            caption="From the component's mean, along what is left of h_0, then along the noise: there is h_k.",
            columns=1.15,
        )
    )
    payload.panels.append(
        {
            "id": "equation",
            "kind": "equation",
            "title": f"Eq. 1 at the {joint}",
            "caption": "Metres, camera frame. The bars are the two factors.",
            **terms,
        }
    )
    return payload.pack()
