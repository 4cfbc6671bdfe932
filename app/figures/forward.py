"""The forward view: standard beside GMM diffusion, under both schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from app.figures import measures
from app.figures.scenes import SPREAD_HELP, ClipFrames, readout, scene_bounds
from app.stage.payload import StagePayload
from app.stage.specs.charts import Chart, Curve, line_chart
from app.stage.specs.layers import Layer, cloud, skeleton
from app.stage.specs.panels import Readout, ReadoutWords, scene
from diffpose_core.diffusion.schedule import ScheduleName, make_schedule
from diffpose_core.lifting.forward import ForwardParts
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import DiffusionTrace
from diffpose_core.uncertainty.pose_gmm import PoseGMM, standard_normal

IMPOSSIBLE_HELP = "Share of bones that are shorter or longer than those of every body that the networks learnt from"
TO_MIXTURE_HELP = (
    "How far a joint would have to be moved, at best, to turn this cloud into H_K: 2-Wasserstein distance between the "
    "Gaussians with the same mean and covariance; 0 means that it has arrived"
)
SCHEDULE_WORDS: dict[ScheduleName, str] = {"supplement": "supplement's schedule", "converging": "converging schedule"}
OTHER_CAPTIONS: dict[ScheduleName, str] = {
    "supplement": "The paper's small noise: at k = 50 the cloud has hardly left h_0.",
    "converging": "Enough noise to arrive: at k = 50 the cloud looks like H_K.",
}


@dataclass(frozen=True)
class ForwardRun:
    """Forward diffusion of one pose under one schedule.

    Attributes:
        schedule: Its name.
        traces: "standard" and "gmm", or "gmm" alone, samples (1, K + 1, H, 17, 3) from the same h_0 and noise seed.
        parts: The terms that they were mixed from, where Eq. 1 made them.
    """

    schedule: ScheduleName
    traces: Mapping[str, DiffusionTrace]
    parts: Mapping[str, ForwardParts] = field(default_factory=dict)

    @classmethod
    def mixed(cls, schedule: ScheduleName, parts: Mapping[str, ForwardParts]) -> ForwardRun:
        """Eq. 1 under a schedule."""
        return cls(schedule, {name: part.trace(schedule) for name, part in parts.items()}, parts)

    @property
    def alphas(self) -> np.ndarray:
        """alpha_k of every state, (K + 1,)."""
        return make_schedule(self.schedule).alphas_cumprod


def forward(view: ClipFrames, chosen: ForwardRun, other: ForwardRun, gmm: PoseGMM, goal: np.ndarray) -> bytes:
    """Forward diffusion of one frame: standard beside GMM under one schedule, and GMM under the other.

    Args:
        view: The frames of the clip.
        chosen: Both kinds of diffusion under one schedule.
        other: GMM diffusion under the other schedule.
        gmm: The frame's fitted mixture, camera frame, metres.
        goal: (G, 17, 3), draws of the mixture, which the last step should look like.
    """
    gmm_trace = chosen.traces["gmm"]
    h_0 = gmm_trace.samples[0, 0, 0]
    payload = StagePayload(
        id="forward",
        title="Forward diffusion",
        source=view.source,
        clip=view.clip.name,
        steps=[int(k) for k in gmm_trace.k],
        # Standard noise may leave the picture: the people of the other scenes stay large enough to be read.
        bounds=scene_bounds(view.framing_cam),
        step_ends=("h_0, the pose", "noise"),
        shows_frame=int(view.frames[view.current]),
        initial_step=len(gmm_trace.k) - 1,
        line="Noise takes a pose apart. Only noise shaped by the picture's uncertainty arrives at H_K (violet).",
    )
    payload.pose("h_0", h_0)
    payload.pose("goal", goal, "sample")
    to_goal = measures.mixture_moments(gmm)
    laws = {"standard": standard_normal(3 * NUM_JOINTS), "gmm": gmm, "other": gmm}
    captions = {
        "standard": "The same noise on every joint: the body dissolves.",
        "gmm": "Noise shaped by this image: certain joints stay, uncertain ones spread.",
        "other": OTHER_CAPTIONS[other.schedule],
    }
    for name, title, run, key in (
        ("standard", "Standard diffusion", chosen, "standard"),
        ("gmm", f"GMM, {SCHEDULE_WORDS[chosen.schedule]}", chosen, "gmm"),
        ("other", f"GMM, {SCHEDULE_WORDS[other.schedule]}", other, "gmm"),
    ):
        layers = _layers(payload, name, run, key)
        distance = measures.gaussian_distance_mm(*measures.forward_moments(h_0, laws[name], run.alphas), *to_goal)
        numbers = _numbers(payload, name, run, distance, run.traces[key].samples[0])
        payload.panels.append(scene(name, title, layers, caption=captions[name], readouts=numbers))
    payload.add("gmm_joints", measures.joint_spread_mm(gmm_trace.samples[0]), ("step", "joint"))
    payload.add("standard_spread", measures.spread_mm(chosen.traces["standard"].samples[0]), ("step",))
    payload.charts += _charts(SCHEDULE_WORDS[chosen.schedule], SCHEDULE_WORDS[other.schedule])
    return payload.pack()


def _layers(payload: StagePayload, name: str, run: ForwardRun, key: str) -> list[Layer]:
    """Figures of one scene, registered with the payload.

    Args:
        payload: The stage's data.
        name: Name of the scene.
        run: The forward diffusion that it shows.
        key: Which of the run's traces.
    """
    samples = run.traces[key].samples[0]
    if key in run.parts:
        # Four numbers a coordinate instead of fifty-one: the browser mixes the states.
        _add_parts(payload, name, key, run)
    else:
        payload.pose(name, samples, "step", "sample")
    payload.pose(f"{name}_one", samples[:, 0], "step")
    return [
        # H_K as a faint cloud behind the samples that should become it.
        cloud("goal", "H_K, the goal", "violet", opacity=0.8),
        cloud(name, f"{samples.shape[1]} samples of h_k", "sides"),
        skeleton("h_0", "h_0", "grey", opacity=0.55, width=0.7),
        skeleton(f"{name}_one", "One sample", "sides", shadow=False),
    ]


def _numbers(
    payload: StagePayload, name: str, run: ForwardRun, distance: np.ndarray, samples: np.ndarray
) -> list[Readout]:
    """Numbers of one scene, registered with the payload.

    Args:
        payload: The stage's data.
        name: Name of the scene.
        run: The forward diffusion that it shows.
        distance: (K + 1,), to H_K, millimetres.
        samples: (K + 1, H, 17, 3), metres.
    """
    payload.add(f"{name}_left", np.sqrt(run.alphas) * 100.0, ("step",))
    broken = measures.impossible_bones_percent(samples)
    to_goal: ReadoutWords = {"label": "to H_K", "unit": "mm", "help": TO_MIXTURE_HELP}
    bones: ReadoutWords = {"label": "impossible bones", "unit": "%", "help": IMPOSSIBLE_HELP}
    return [
        readout(payload, f"{name}_distance", distance, ("step",), **to_goal),
        readout(payload, f"{name}_broken", broken, ("step",), **bones),
    ]


def _charts(chosen: str, other: str) -> list[Chart]:
    """Curves over the steps; chosen and other are the schedules' names."""

    def curves(array: str) -> tuple[Curve, Curve, Curve]:
        return (
            ("standard", f"standard_{array}", "grey", "dash"),
            (f"GMM, {chosen}", f"gmm_{array}", "teal", ""),
            (f"GMM, {other}", f"other_{array}", "violet", ""),
        )

    return [
        line_chart(
            "distance",
            "Distance to H_K",
            "mm",
            "step",
            *curves("distance"),
            span=6,
            help=TO_MIXTURE_HELP,
            off_scale=("standard",),
        ),
        line_chart(
            "left",
            "How much of h_0 is left",
            "%",
            "step",
            (chosen, "gmm_left", "teal", ""),
            (other, "other_left", "violet", ""),
            span=6,
            help="The square root of alpha_k in Eq. 1: the share of h_0's offset from the mixture that is still in h_k",
        ),
        {
            "id": "joints",
            "kind": "joints",
            "title": "Spread of every joint, GMM",
            "unit": "mm",
            "axis": "step",
            "array": "gmm_joints",
            "series": [{"label": "standard", "array": "standard_spread", "palette": "grey", "dash": "dash"}],
            "help": SPREAD_HELP + "; a wide joint is one that this image is unsure of",
            "span": 6,
        },
        line_chart("broken", "Impossible bones", "%", "step", *curves("broken"), span=6, help=IMPOSSIBLE_HELP),
    ]


def _add_parts(payload: StagePayload, name: str, key: str, run: ForwardRun) -> None:
    """Register a cloud by its terms of Eq. 1, which the browser mixes.

    Args:
        payload: The stage's payload.
        name: Name of the scene.
        key: Key of the run's parts, which scenes share.
        run: The run that has the parts.
    """
    mean, noise = (
        payload.pose(f"{key}_{word}", poses, "sample")
        for word, poses in (("mean", run.parts[key].mean), ("noise", run.parts[key].noise))
    )
    keep = payload.add(f"{name}_keep", np.sqrt(run.alphas), ("step",))
    spread = payload.add(f"{name}_new", np.sqrt(1.0 - run.alphas), ("step",))
    payload.mixed(name, start="h_0", mean=mean, noise=noise, keep=keep, spread=spread)
