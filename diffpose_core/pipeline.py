"""From a 2D clip to 3D poses and to the diffusion processes that made them.

`lift` is the whole way in one call. `prepare`, `forward_traces` and `reverse_traces` are its stages, for whoever
wants to look inside. Everything that comes back is in metres, root-relative, in the camera's frame (x right, y down,
z forward); inside, work is done in the view frame (see `uncertainty.view`).
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from diffpose_core.camera import place_root
from diffpose_core.config import DenoiserConfig, UncertaintyConfig, to_dict
from diffpose_core.diffusion.forward import forward_chain
from diffpose_core.diffusion.reverse import ReverseStep, reverse_process
from diffpose_core.diffusion.schedule import ddim_steps, make_schedule
from diffpose_core.io.calibrations import calibration_path, read_calibration
from diffpose_core.io.checkpoints import Record, encoder_tensors, fingerprint, load_denoiser, load_encoder, load_upright
from diffpose_core.models.context import Context, ContextEncoder
from diffpose_core.models.denoiser import Conditioning, Denoiser, gmm_features, has_fast_bfloat16, in_bfloat16
from diffpose_core.models.layers import root_relative
from diffpose_core.models.upright import Upright
from diffpose_core.models.windows import VIDEO_FPS, cut_windows
from diffpose_core.presets import PRESETS
from diffpose_core.rng import seeded
from diffpose_core.skeleton import NUM_JOINTS, constant_bones, stature
from diffpose_core.structures import Cancelled, DiffusionTrace, Intrinsics, InvalidInput, LiftResult, PoseClip2D
from diffpose_core.uncertainty.expected_error import Calibration, known_of
from diffpose_core.uncertainty.indeterminate import metric_scale
from diffpose_core.uncertainty.mixtures import clip_mixture
from diffpose_core.uncertainty.pose_gmm import PoseGMM, component_noise, standard_normal
from diffpose_core.uncertainty.view import View, normalise_view

ScheduleName = Literal["supplement", "converging"]
#: Whether the context encoder reads single frames or windows of a video.
Setting = Literal["frame", "video"]
ENCODERS: Mapping[Setting, str] = {"frame": "graformer", "video": "mixste"}
UPRIGHT = "upright"
#: Which way is up: a direction in the camera's frame, or what the clip's frames together say of a camera that stands
#: still.
Up = Sequence[float] | np.ndarray | Literal["estimate"]
#: How many of a clip's frames, evenly spread, are asked which way is up.
_UP_FRAMES = 64

CHECKPOINTS = Path(__file__).resolve().parent.parent / "checkpoints"
#: Frames that are worked on at a time: bounds memory whatever a clip's length. In video more, since what is worked on
#: reaches into the frames before and after.
BLOCK_FRAMES = 64
_BLOCK_FRAMES_VIDEO = 256
_BLOCK_FRAMES_GPU = 512
#: Poses, hypotheses of all frames together, that a reverse process carries along at a time: what g knows of each takes
#: a hundred kilobytes.
_POSES_TOGETHER = 320
_POSES_TOGETHER_GPU = 32768
#: In video, what a reverse process ends at is averaged over neighbouring frames: standard deviation of their weights,
#: seconds, and how many frames to each side count. Chosen on validation clips.
STEADY_S = 0.08
_STEADY_FRAMES = 5
#: Frames whose hips are placed at a time.
_ROOT_FRAMES = 2048
MAX_HYPOTHESES = 200
#: Largest array of hypotheses or states that `lift` returns.
MAX_KEPT_BYTES = 2_000_000_000
MAX_FORWARD_SAMPLES = 10_000
#: Shortest and tallest person that a result is scaled to, metres.
STATURES_M = (0.3, 3.0)

# Purposes of random numbers, so that no two stages share a stream.
_FIT, _START, _FORWARD = 1, 2, 3


@dataclass(frozen=True)
class Models:
    """Loaded weights. encoder: the context encoder and baseline. denoisers: by preset name. records: what each file
    says of itself. calibrations: of denoisers whose errors were measured, by preset name. upright: what makes the
    encoder's poses upright where the camera's tilt is known; an encoder of video has none, its windows tell it.
    """

    encoder: ContextEncoder
    denoisers: Mapping[str, Denoiser]
    records: Mapping[str, Record]
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    upright: Upright | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are, and where clips are worked on."""
        return self.encoder.device

    @property
    def block_frames(self) -> int:
        """How many frames are worked on at a time."""
        if self.device.type != "cpu":
            return _BLOCK_FRAMES_GPU
        return BLOCK_FRAMES if self.encoder.receptive_field == 1 else _BLOCK_FRAMES_VIDEO

    @torch.inference_mode(False)
    def to(self, device: torch.device | str) -> Models:
        """The same weights on another device, such as "cuda"; these stay where they are.

        Random numbers are drawn on the CPU, so that a seed means the same poses, but for rounding, wherever they are
        computed. Raises InvalidInput for a device that torch doesn't have here.
        """
        try:
            if torch.device(device) == self.device:
                return self
            torch.empty(0, device=device)
        except (AssertionError, RuntimeError) as error:
            raise InvalidInput(f"torch can't compute on {str(device)!r} here: {str(error).splitlines()[0]}") from error
        denoisers = {name: copy.deepcopy(network).to(device) for name, network in self.denoisers.items()}
        upright = None if self.upright is None else copy.deepcopy(self.upright).to(device)
        return replace(self, encoder=self.encoder.to(device), denoisers=denoisers, upright=upright)

    def calibration(self, name: str, hypotheses: int, up_cam: np.ndarray | None) -> Calibration | None:
        """What says which error to expect of a denoiser: nothing of a single hypothesis, nor where the camera's tilt
        was told, since it was measured on clips whose camera could have any.
        """
        return self.calibrations.get(name) if hypotheses > 1 and up_cam is None else None

    def pick(
        self, context: bool = True, diffusion: Literal["gmm", "standard"] = "gmm", schedule: ScheduleName = "converging"
    ) -> tuple[str, Denoiser]:
        """Name and network of the preset with these properties. Raises InvalidInput if its weights are not there."""
        for name, network in self.denoisers.items():
            config = network.config
            paper_form = config.prediction_type == "previous"
            found = (config.use_context, config.diffusion, config.schedule)
            if found == (context, diffusion, schedule) and not paper_form:
                return name, network
        raise InvalidInput(
            f"no weights for {diffusion} diffusion {'with' if context else 'without'} f_ST under the schedule "
            f"{schedule!r}; loaded: {', '.join(self.denoisers) or 'none'}"
        )


def load_models(directory: str | Path | None = None, setting: Setting = "frame") -> Models:
    """Load every checkpoint of a directory, the bundled one by default, that belongs to a setting, and the
    calibrations beside them.

    A calibration that was measured with other weights is left out. Raises InvalidInput if the encoder is missing, or if
    a file is damaged or was trained on another encoder.
    """
    folder = Path(directory) if directory is not None else CHECKPOINTS
    if setting not in ENCODERS:
        raise InvalidInput(f"the setting must be one of {', '.join(ENCODERS)}, found {setting!r}")
    encoder, record = load_encoder(folder / f"{ENCODERS[setting]}.safetensors")
    denoisers: dict[str, Denoiser] = {}
    records = {encoder.name: record}
    for name, preset in PRESETS.items():
        path = folder / f"{name}.safetensors"
        if isinstance(preset.network, DenoiserConfig) and preset.encoder == encoder.name and path.is_file():
            denoisers[name], records[name] = load_denoiser(path, encoder)
    upright, path = None, folder / f"{UPRIGHT}.safetensors"
    if PRESETS[UPRIGHT].encoder == encoder.name and path.is_file():
        upright, records[UPRIGHT] = load_upright(path, encoder)
    return Models(encoder, denoisers, records, _calibrations(folder, encoder, denoisers), upright)


def _calibrations(folder: Path, encoder: ContextEncoder, denoisers: Mapping[str, Denoiser]) -> dict[str, Calibration]:
    found = {}
    for name, network in denoisers.items():
        path = calibration_path(folder / f"{name}.safetensors")
        if not path.is_file():
            continue
        calibration = read_calibration(path)
        held_for = (calibration.weights_sha256, calibration.encoder_sha256)
        if held_for == (fingerprint(dict(network.state_dict())), fingerprint(encoder_tensors(encoder))):
            found[name] = calibration
    return found


@dataclass(frozen=True)
class Neighbours:
    """The frames around some frames of a video.

    prepared: N of them, each once. rows: (F, 2 R + 1), where each frame's neighbours stand among them; at a clip's ends
    its first or last frame is repeated. weights: (2 R + 1,), summing to 1.
    """

    prepared: Prepared
    rows: Tensor
    weights: Tensor

    @property
    def own(self) -> Tensor:
        """Where the frames themselves stand, (F,)."""
        return self.rows[:, self.rows.shape[1] // 2]


@dataclass(frozen=True)
class Prepared:
    """Frames of a clip with all that a reverse process starts from.

    frames: (F,) their numbers in the clip. view, context: in the view frame; context is of the detected 2D pose,
    reconciled of the one that the heatmaps and the encoder agree on. gmm: fitted to H_K, leading axis F, view
    frame. samples_view: (F, N, J, 3), the draws of H_K that it was fitted to. seed: of every random number.
    mixed_precision: bfloat16 inside g, and nowhere else: the encoder, which reads coordinates, would lose 0.2 mm by it.
    neighbours: in video, the frames around them, which their reverse processes end in agreement with. up_cam: (3,),
    which way is up in the camera's frame, where that was given: contexts' poses are what they are for a camera of
    that tilt.
    """

    clip: PoseClip2D
    frames: np.ndarray
    view: View
    context: Context
    reconciled: Context
    gmm: PoseGMM
    samples_view: Tensor
    seed: int
    mixed_precision: bool = False
    neighbours: Neighbours | None = None
    up_cam: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: slice) -> Prepared:
        """Some of the frames."""
        near = self.neighbours
        return replace(
            self,
            frames=self.frames[rows],
            view=self.view[rows],
            context=self.context[rows],
            reconciled=self.reconciled[rows],
            gmm=self.gmm[rows],
            samples_view=self.samples_view[rows],
            neighbours=None if near is None else replace(near, rows=near.rows[rows]),
        )

    @property
    def baseline(self) -> np.ndarray:
        """The context encoder alone, (F, J, 3) metres, root-relative, camera frame."""
        return self.view.to_cam(self.context.pose_view).cpu().numpy()

    @property
    def h_samples(self) -> np.ndarray:
        """Draws of H_K, (F, N, J, 3) metres, root-relative, camera frame."""
        return self.view.to_cam(self.samples_view).cpu().numpy()

    @property
    def gmm_cam(self) -> PoseGMM:
        """The fitted GMM in the camera's frame."""
        turn = torch.eye(3 * NUM_JOINTS, device=self.view.rotation.device).expand(len(self), -1, -1).clone()
        for joint in range(NUM_JOINTS):
            turn[:, 3 * joint : 3 * joint + 3, 3 * joint : 3 * joint + 3] = self.view.rotation.mT
        covariances = turn[:, None] @ self.gmm.covariances @ turn[:, None].mT
        means = (turn[:, None] @ self.gmm.means[..., None])[..., 0]
        return PoseGMM(self.gmm.weights, means, 0.5 * (covariances + covariances.mT))

    @property
    def truth_view(self) -> Tensor | None:
        """The exact pose in the view frame, (F, J, 3), where the clip has it."""
        if self.clip.pose3d_cam is None:
            return None
        exact_cam = torch.from_numpy(self.clip.pose3d_cam[self.frames].astype(np.float32))
        return self.view.to_view(exact_cam.to(self.view.rotation.device))


def clip_view(clip: PoseClip2D, frames: np.ndarray, levelled: bool = True) -> View:
    """What the networks see of a clip's frames. levelled: with spreads brought to one level (`View.levelled`)."""
    mixture = clip_mixture(clip, frames)
    intrinsics = None
    if clip.intrinsics is not None:
        i = clip.intrinsics
        intrinsics = torch.tensor([[i.fx, i.fy, i.cx, i.cy]], dtype=torch.float64).expand(len(frames), -1)
    arrays = (mixture.weights, mixture.means_px, mixture.variances_px2)
    # In double precision, so that where in the image the person is does not show in the last digits either.
    weights, means, variances = (torch.from_numpy(np.ascontiguousarray(a, dtype=np.float64)) for a in arrays)
    view = normalise_view(weights, means, variances, intrinsics).float()
    return view.levelled() if levelled else view


def _frame_numbers(clip: PoseClip2D, frames: Sequence[int] | np.ndarray | None) -> np.ndarray:
    numbers = np.arange(len(clip)) if frames is None else np.atleast_1d(np.asarray(frames))
    if numbers.size and (numbers.ndim != 1 or numbers.dtype.kind not in "iu"):
        raise InvalidInput(f"frames must be whole numbers in one row, found {numbers.dtype} {numbers.shape}")
    if numbers.size == 0 or numbers.min() < 0 or numbers.max() >= len(clip):
        raise InvalidInput(f"frames must be numbers from 0 to {len(clip) - 1}, found {numbers.tolist()[:5]}")
    return numbers


@torch.inference_mode()
def prepare(
    clip: PoseClip2D,
    models: Models,
    frames: Sequence[int] | np.ndarray | None = None,
    uncertainty: UncertaintyConfig | None = None,
    seed: int = 0,
    mixed_precision: bool | None = None,
    up: Up | None = None,
) -> Prepared:
    """Encode frames of a clip, draw from their H_K and fit their GMMs.

    frames: numbers of the frames, all by default. The result of a frame does not depend on the other ones asked for.
    mixed_precision: see `Prepared`; None takes it where the processor is fast at it. up: which way is up in the
    camera's frame, (3,), of any length; "estimate" asks `estimate_up`; None where nobody knows.
    Raises InvalidInput on frame numbers outside the clip, an `up` that is no direction, and where there are no weights
    to make use of it.
    """
    numbers = _frame_numbers(clip, frames)
    mixed = has_fast_bfloat16(models.device.type) if mixed_precision is None else mixed_precision
    uncertainty = uncertainty or UncertaintyConfig()
    up_cam = _direction(clip, models, up)
    if models.encoder.receptive_field == 1:
        return _prepare_frames(clip, models, numbers, uncertainty, seed, mixed, up_cam)
    offsets = np.arange(-_STEADY_FRAMES, _STEADY_FRAMES + 1)
    near = np.clip(numbers[:, None] + _windows_step(clip) * offsets, 0, len(clip) - 1)
    all_of_them = np.unique(near)
    around = _prepare_frames(clip, models, all_of_them, uncertainty, seed, mixed)
    weights = torch.from_numpy(np.exp(-0.5 * np.square(offsets / (STEADY_S * VIDEO_FPS)))).float()
    rows = torch.from_numpy(np.searchsorted(all_of_them, near))
    neighbours = Neighbours(around, rows.to(models.device), (weights / weights.sum()).to(models.device))
    own = neighbours.own
    return replace(
        around,
        frames=numbers,
        view=around.view[own],
        context=around.context[own],
        reconciled=around.reconciled[own],
        gmm=around.gmm[own],
        samples_view=around.samples_view[own],
        neighbours=neighbours,
    )


def _windows_step(clip: PoseClip2D) -> int:
    """Every how many of the clip's frames the windows of a video are read."""
    return max(1, round(clip.fps / VIDEO_FPS))


def _prepare_frames(
    clip: PoseClip2D,
    models: Models,
    numbers: np.ndarray,
    uncertainty: UncertaintyConfig,
    seed: int,
    mixed_precision: bool,
    up_cam: np.ndarray | None = None,
) -> Prepared:
    view, context, reconciled = _encode(clip, models.encoder, numbers)
    if up_cam is not None:
        upright = _upright_of(models)
        up = torch.from_numpy(up_cam).to(view.rotation).expand(len(view), 3)
        up_view = view.to_view(up[:, None])[:, 0]
        context, reconciled = (replace(c, pose_view=upright(c.pose_view, up_view)) for c in (context, reconciled))
    samples, gmm = _draw_and_fit(models, view, context, uncertainty, seed)
    return Prepared(clip, numbers, view, context, reconciled, gmm, samples, seed, mixed_precision, up_cam=up_cam)


def _encode(clip: PoseClip2D, encoder: ContextEncoder, numbers: np.ndarray) -> tuple[View, Context, Context]:
    """What the encoder makes of a clip's frames, of the detected and of the reconciled 2D pose."""
    if encoder.receptive_field == 1:
        view = clip_view(clip, numbers).to(encoder.device)
        context = encoder.encode(view)
        return view, context, encoder.encode_reconciled(view, context)
    windows = cut_windows(numbers, len(clip), encoder.receptive_field, _windows_step(clip))
    read, place = np.unique(windows.frames, return_inverse=True)
    around = clip_view(clip, read).to(encoder.device)
    context, reconciled = encoder.encode_frames(around, replace(windows, frames=place.reshape(windows.frames.shape)))
    return around[torch.from_numpy(np.searchsorted(read, numbers))], context, reconciled


@torch.inference_mode()
def estimate_up(clip: PoseClip2D, models: Models) -> np.ndarray:
    """Which way is up by the poses of a clip whose camera stands still: (3,) of length 1 in the camera's frame.

    What each of up to 64 frames says of it by itself, averaged. It depends on the clip alone, not on the frames that
    are lifted. On clips of Mocap-17 it is wrong by about two degrees. Raises InvalidInput where there are no weights
    for it.
    """
    upright = _upright_of(models)
    frames = np.unique(np.linspace(0, len(clip) - 1, min(len(clip), _UP_FRAMES)).round().astype(np.int64))
    view = clip_view(clip, frames).to(models.device)
    said = view.to_cam(upright.up(models.encoder.encode(view).pose_view)[:, None])[:, 0]
    mean: np.ndarray = said.mean(0).cpu().numpy()
    return mean / max(float(np.linalg.norm(mean)), 1e-9)


def _upright_of(models: Models) -> Upright:
    if models.upright is None:
        raise InvalidInput(
            f"the weights of {models.encoder.title} can't make use of the camera's tilt: it takes those of single "
            f"frames, with {UPRIGHT}.safetensors beside them"
        )
    return models.upright


def _direction(clip: PoseClip2D, models: Models, up: Up | None) -> np.ndarray | None:
    """`up` of `prepare` as a unit vector, (3,) float32."""
    if up is None:
        return None
    if isinstance(up, str):
        if up != "estimate":
            raise InvalidInput(f"up must be a direction in the camera's frame or 'estimate', found {up!r}")
        return estimate_up(clip, models)
    direction = np.asarray(up, dtype=np.float64)
    length = float(np.linalg.norm(direction)) if direction.shape == (3,) else 0.0
    if not (np.isfinite(length) and length > 1e-9):
        raise InvalidInput(f"up must be three finite numbers, not all of them 0, found {np.asarray(up).tolist()}")
    _upright_of(models)
    return (direction / length).astype(np.float32)


def up_of_tilt(tilt_deg: float) -> np.ndarray:
    """Which way is up for a camera that looks down by so many degrees and isn't rolled, (3,) in its frame.

    0 is level, negative looks up. Raises InvalidInput beyond 80 degrees.
    """
    if not abs(tilt_deg) <= 80.0:
        raise InvalidInput(f"a camera's tilt must lie between -80 and 80 degrees, found {tilt_deg:g}")
    tilt = math.radians(tilt_deg)
    return np.array([0.0, -math.cos(tilt), -math.sin(tilt)], dtype=np.float32)


def _draw_and_fit(
    models: Models, view: View, context: Context, uncertainty: UncertaintyConfig, seed: int
) -> tuple[Tensor, PoseGMM]:
    return models.encoder.indeterminate(view, context, uncertainty, seeded("cpu", seed, _FIT), shared_noise=True)


@torch.inference_mode()
def as_detected(prepared: Prepared, models: Models, uncertainty: UncertaintyConfig | None = None) -> Prepared:
    """Prepared frames with H_K as wide as the detector says: to be looked at rather than lifted from.

    Networks are told of spreads at one level (`View.levelled`); where joints are does not change.
    """
    view = clip_view(prepared.clip, prepared.frames, levelled=False).to(models.device)
    samples, gmm = _draw_and_fit(models, view, prepared.context, uncertainty or UncertaintyConfig(), prepared.seed)
    return replace(prepared, view=view, gmm=gmm, samples_view=samples, neighbours=None)


def _check_hypotheses(count: int) -> None:
    if not 1 <= count <= MAX_HYPOTHESES:
        raise InvalidInput(f"hypotheses must lie between 1 and {MAX_HYPOTHESES}, found {count}")


def reverse_steps(
    prepared: Prepared, network: Denoiser, steps: int | Sequence[int], hypotheses: int, eta: float, seed: int
) -> Iterator[ReverseStep]:
    """The reverse process of every prepared frame, state by state, in the view frame: samples (F, H, J, 3).

    Starts from poses drawn from each frame's fitted GMM (standard diffusion: from N(0, I)); hypotheses differ in
    component and noise, drawn so that their mean is not at the mercy of chance (`PoseGMM.noise`, balanced). A network
    without diffusion takes one step, and its hypotheses are all the same. In video the last state is `steady`.
    steps: how many, evenly spread, or all k that are visited, from K down to 0.
    Raises InvalidInput on counts or eta out of range.
    """
    _check_hypotheses(hypotheses)
    if prepared.neighbours is not None:
        states = reverse_steps(prepared.neighbours.prepared, network, steps, hypotheses, eta, seed)
        return _of_the_middle(states, prepared.neighbours, network)
    if network.config.diffusion == "none":
        return _regression(prepared, network, hypotheses)
    return _diffusion(prepared, network, steps, hypotheses, eta, seed)


@torch.inference_mode()
def _diffusion(
    prepared: Prepared, network: Denoiser, steps: int | Sequence[int], hypotheses: int, eta: float, seed: int
) -> Iterator[ReverseStep]:
    config, count = network.config, len(prepared)
    generator = seeded("cpu", seed, _START)
    if config.diffusion == "gmm":
        gmm = prepared.gmm
    else:
        single = standard_normal(3 * NUM_JOINTS, device=prepared.view.rotation.device)
        gmm = PoseGMM(*(t.expand(count, *t.shape).clone() for t in (single.weights, single.means, single.covariances)))
    pose = (NUM_JOINTS, 3)
    components = gmm.draw_components(hypotheses, generator, shared=True, balanced=True)
    mean = gmm.mean_of(components).unflatten(-1, pose)
    start = mean + gmm.noise(components, generator, shared=True, balanced=True).unflatten(-1, pose)
    variances = gmm.covariances.diagonal(dim1=-2, dim2=-1)
    component_std = variances.gather(1, components[..., None].expand(-1, -1, variances.shape[-1])).sqrt()
    mixture_std = gmm.variance.sqrt()

    def per_hypothesis(tensor: Tensor) -> Tensor:
        return tensor[:, None].expand(-1, hypotheses, *tensor.shape[1:]).flatten(0, 1)

    context = started_from(prepared, network)
    conditioning = Conditioning(
        features=per_hypothesis(context.features),
        pose=per_hypothesis(context.pose_view),
        gmm=gmm_features(
            mean.flatten(0, 1),
            component_std.unflatten(-1, pose).flatten(0, 1),
            per_hypothesis(gmm.mean.unflatten(-1, pose)),
            per_hypothesis(mixture_std.unflatten(-1, pose)),
        ),
        heatmaps=per_hypothesis(prepared.view.heatmap_features()),
    )

    g = in_bfloat16(network) if prepared.mixed_precision else network
    visited = ddim_steps(config.num_steps, steps)
    cached = g.cache_conditioning(conditioning, visited[:-1])

    def denoise(sample: Tensor, k: int) -> Tensor:
        return g.predict(sample.flatten(0, 1), k, cached).unflatten(0, (count, hypotheses))

    def shared_noise(like: Tensor) -> Tensor:
        # The same white noise for every frame: what a frame becomes depends on no other frame.
        return gmm.noise(components, generator, shared=True).reshape(like.shape)

    schedule = make_schedule(config.schedule, config.num_steps)
    yield from reverse_process(denoise, start, schedule, visited, eta, mean, shared_noise, config.prediction_type)


def _of_the_middle(states: Iterator[ReverseStep], neighbours: Neighbours, network: Denoiser) -> Iterator[ReverseStep]:
    """The states of the frames whose neighbours these are, the last one in agreement with the neighbours'."""
    own = neighbours.own
    for state in states:
        if state.k > 0:
            yield ReverseStep(state.k, state.sample[own], state.pred_x_start[own])
        else:
            agreed = _agreed(root_relative(state.sample), neighbours, network)
            yield ReverseStep(state.k, agreed, agreed)


def _agreed(final: Tensor, neighbours: Neighbours, network: Denoiser) -> Tensor:
    """What the frames whose neighbours these are end at, (F, H, J, 3). final: (N, H, J, 3), root-relative."""
    return steady(final, neighbours, network) if network.config.use_context else final[neighbours.own]


def steady(final: Tensor, neighbours: Neighbours, network: Denoiser) -> Tensor:
    """Hypotheses that change from frame to frame no faster than the encoder's pose does, (F, H, J, 3).

    final: (N, H, J, 3) of the neighbours, metres, root-relative, view frame. What a network with f_ST adds to the pose
    that it starts from is averaged over the neighbours, with `STEADY_S`, in the camera's frame: g reads every frame's
    heatmaps by themselves, and their errors would tremble through; the encoder has seen all frames.
    """
    around, own = neighbours.prepared, neighbours.own
    began = started_from(around, network).pose_view[:, None]
    added = around.view.to_cam(final - began)
    mean = torch.zeros_like(added[own])
    for weight, rows in zip(neighbours.weights, neighbours.rows.T, strict=True):
        mean += weight * added[rows]
    return began[own] + around.view[own].to_view(mean)


@torch.inference_mode()
def _regression(prepared: Prepared, network: Denoiser, hypotheses: int) -> Iterator[ReverseStep]:
    """What a network without diffusion makes of prepared frames, as a process of one step."""
    context, gmm = started_from(prepared, network), prepared.gmm
    mean, std = (tensor.unflatten(-1, (NUM_JOINTS, 3)) for tensor in (gmm.mean, gmm.variance.sqrt()))
    heatmaps = prepared.view.heatmap_features()
    conditioning = Conditioning(context.features, context.pose_view, gmm_features(mean, std, mean, std), heatmaps)
    last = network.config.num_steps
    with torch.autocast(context.pose_view.device.type, torch.bfloat16, enabled=prepared.mixed_precision):
        pose = network(context.pose_view, last, conditioning)
    start, found = (tensor[:, None].expand(-1, hypotheses, -1, -1) for tensor in (context.pose_view, pose))
    yield ReverseStep(last, start, found)
    yield ReverseStep(0, found, found)


def started_from(prepared: Prepared, network: Denoiser) -> Context:
    """The encoder's features and pose that a network is given: of the detected 2D pose or of the reconciled one."""
    return prepared.reconciled if network.config.context_input == "reconciled" else prepared.context


def mixture_std_m(prepared: Prepared) -> Tensor:
    """Spread of each joint's 2D mixture, root mean square over both axes, (F, J) metres at the hip's distance."""
    scale, _ = metric_scale(prepared.view, prepared.context.pose_view)
    return prepared.view.joint_std_norm * scale[:, None]


def expected_error(
    prepared: Prepared, network: Denoiser, calibration: Calibration, hypotheses_cam: np.ndarray
) -> np.ndarray:
    """The error to expect of every joint of the hypotheses' mean, (F, J) metres.

    hypotheses_cam: (F, H, J, 3), what the network made of the prepared frames, at least two a frame. It is the mean
    error of such joints on the motions that the calibration was measured on, with the simulated detector; where a joint
    was guessed, with the error on top that the guess may have. Raises InvalidInput on a single hypothesis.
    """
    started = started_from(prepared, network).pose_view
    hypotheses = prepared.view.to_view(torch.from_numpy(hypotheses_cam).to(started.device))
    spread = mixture_std_m(prepared)
    known = known_of(hypotheses.cpu().numpy(), started.cpu().numpy(), spread.cpu().numpy(), calibration.usual_view)
    return np.hypot(calibration.expected_error(known), _error_of_guesses(prepared)).astype(np.float32)


def _error_of_guesses(prepared: Prepared) -> np.ndarray:
    """Mean length of the error that the mixtures of guessed joints speak of, (F, J) metres; 0 where one was detected.

    The network reads no spread as wide as a guess's (`View.levelled`), and its hypotheses don't show it.
    """
    guessed = prepared.clip.guessed[prepared.frames]
    if not guessed.any():
        return np.zeros(guessed.shape)
    said = clip_view(prepared.clip, prepared.frames, levelled=False).joint_std_norm
    scale = metric_scale(prepared.view, prepared.context.pose_view)[0].cpu()
    # Of a normal distribution in the plane with this spread along each axis.
    return np.where(guessed, math.sqrt(math.pi / 2) * (said * scale[:, None]).numpy(), 0.0)


def _parts(prepared: Prepared, hypotheses: int) -> list[Prepared]:
    """Prepared frames, in video all that they take, as many at a time as a reverse process carries along."""
    _check_hypotheses(hypotheses)
    every = prepared if prepared.neighbours is None else prepared.neighbours.prepared
    poses = _POSES_TOGETHER if every.view.rotation.device.type == "cpu" else _POSES_TOGETHER_GPU
    size = max(1, poses // hypotheses)
    return [every] if len(every) <= size else [every[begin : begin + size] for begin in range(0, len(every), size)]


def reverse_end(
    prepared: Prepared,
    network: Denoiser,
    steps: int | Sequence[int] = 5,
    hypotheses: int = 5,
    eta: float = 0.0,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Tensor:
    """What the process of `reverse_steps` ends at, (F, H, J, 3) metres, root-relative, view frame.

    A few frames are worked on at a time: memory does not grow with their number but for what is returned. progress:
    called with the share of the work that is done, after every step. Raises InvalidInput as `reverse_steps`.
    """
    parts, ends = _parts(prepared, hypotheses), []
    for number, part in enumerate(parts):
        for state in reverse_steps(part, network, steps, hypotheses, eta, seed):
            if progress is not None:
                progress((number + 1 - state.k / network.config.num_steps) / len(parts))
        # A network that predicts noise or h_{k-1} leaves some noise at the hip.
        ends.append(root_relative(state.sample))
    final = torch.cat(ends)
    return final if prepared.neighbours is None else _agreed(final, prepared.neighbours, network)


def _joined(states: Sequence[ReverseStep]) -> ReverseStep:
    """The state of all frames, from those of some frames each."""
    sample, pred_x_start = (torch.cat(column) for column in list(zip(*states, strict=True))[1:])
    return ReverseStep(states[0].k, sample, pred_x_start)


def reverse_trace(
    prepared: Prepared, network: Denoiser, steps: int = 5, hypotheses: int = 5, eta: float = 0.0, seed: int = 0
) -> DiffusionTrace:
    """The whole reverse process of every prepared frame, camera frame."""
    of_parts = (reverse_steps(part, network, steps, hypotheses, eta, seed) for part in _parts(prepared, hypotheses))
    states = [_joined(of_step) for of_step in zip(*map(list, of_parts), strict=True)]
    if prepared.neighbours is not None:
        states = list(_of_the_middle(iter(states), prepared.neighbours, network))
    samples = torch.stack([state.sample for state in states], dim=1)
    predicted = torch.stack([state.pred_x_start for state in states], dim=1)
    # The hip of a noisy state carries noise of its own; a pose is shown with its hip at the origin.
    return DiffusionTrace(
        np.array([state.k for state in states]),
        prepared.view.to_cam(root_relative(samples)).cpu().numpy(),
        prepared.view.to_cam(root_relative(predicted)).cpu().numpy(),
    )


def reverse_traces(
    prepared: Prepared,
    models: Models,
    steps: int = 5,
    hypotheses: int = 5,
    eta: float = 0.0,
    seed: int = 0,
    schedule: ScheduleName = "converging",
) -> dict[str, DiffusionTrace]:
    """The reverse process with ("context") and without ("no_context") f_ST, from the same start and the same noise."""
    return {
        label: reverse_trace(prepared, models.pick(context, "gmm", schedule)[1], steps, hypotheses, eta, seed)
        for label, context in (("context", True), ("no_context", False))
    }


@dataclass(frozen=True)
class ForwardParts:
    """What Eq. 1 mixes for one frame: every state h_k follows from these and alpha_k alone.

    h_0: (J, 3). mean, noise: (H, J, 3), mu^G and eps^G of every sample. Metres, root-relative, camera frame.
    """

    h_0: np.ndarray
    mean: np.ndarray
    noise: np.ndarray

    def trace(self, schedule: ScheduleName) -> DiffusionTrace:
        """The states under a schedule, F axis of length 1."""
        h_0, mean, noise = (torch.from_numpy(part) for part in (self.h_0, self.mean, self.noise))
        noise_schedule = make_schedule(schedule)
        chain = forward_chain(h_0.expand_as(mean), noise_schedule, lambda like: noise, mean)
        return DiffusionTrace(np.arange(noise_schedule.num_steps + 1), chain[None].numpy())


def _forward_sources(
    prepared: Prepared, index: int, samples: int, seed: int
) -> Iterator[tuple[str, Tensor, Tensor, Callable[[Tensor], Tensor]]]:
    """Label, h_0 (1, H, J, 3), mu^G and the source of eps^G of standard and GMM diffusion, view frame."""
    if not 0 <= index < len(prepared):
        raise InvalidInput(f"index must lie between 0 and {len(prepared) - 1}, found {index}")
    if not 1 <= samples <= MAX_FORWARD_SAMPLES:
        raise InvalidInput(f"samples must lie between 1 and {MAX_FORWARD_SAMPLES}, found {samples}")
    truth = prepared.truth_view
    start = (prepared.context.pose_view if truth is None else truth)[index]
    single = standard_normal(3 * NUM_JOINTS, device=start.device)
    mixtures = {
        "standard": PoseGMM(single.weights[None], single.means[None], single.covariances[None]),
        "gmm": prepared.gmm[index : index + 1],
    }
    for label, gmm in mixtures.items():
        # One generator state for both: the white noise that is coloured by Sigma is the same.
        components = gmm.draw_components(samples, seeded("cpu", seed, _FORWARD))
        noise_source = component_noise(gmm, components, seeded("cpu", seed, _FORWARD, 1))
        mean = gmm.mean_of(components).unflatten(-1, (NUM_JOINTS, 3))
        yield label, start.expand(1, samples, NUM_JOINTS, 3), mean, noise_source


def forward_parts(prepared: Prepared, index: int = 0, samples: int = 200, seed: int = 0) -> dict[str, ForwardParts]:
    """What the closed form of `forward_traces` is mixed from, whatever the schedule: "standard" and "gmm".

    index, samples, seed, and what is raised: as there.
    """
    parts = {}
    for label, x_start, mean, noise_source in _forward_sources(prepared, index, samples, seed):
        # Turning and moving the hip are linear: it makes no difference whether they come before the mixing or after it.
        in_view = torch.stack([x_start, mean, noise_source(x_start)], dim=1)
        start, means, noise = prepared.view[index : index + 1].to_cam(root_relative(in_view))[0].cpu().numpy()
        parts[label] = ForwardParts(start[0], means, noise)
    return parts


def forward_traces(
    prepared: Prepared,
    index: int = 0,
    schedule: ScheduleName = "supplement",
    samples: int = 200,
    seed: int = 0,
    stepwise: bool = False,
) -> dict[str, DiffusionTrace]:
    """Forward diffusion of one prepared frame, "standard" and "gmm", from the same h_0 and the same white noise.

    index: which prepared frame. h_0 is the exact pose where the clip has it, else the encoder's. samples: how many
    chains. stepwise: new noise at every step (Eq. 2) instead of one kept noise (Eq. 1). Traces have an F axis of
    length 1. Raises InvalidInput on an index or a count out of range.
    """
    if not stepwise:
        return {label: parts.trace(schedule) for label, parts in forward_parts(prepared, index, samples, seed).items()}
    noise_schedule = make_schedule(schedule)
    traces = {}
    for label, x_start, mean, noise_source in _forward_sources(prepared, index, samples, seed):
        chain = forward_chain(x_start, noise_schedule, noise_source, mean, stepwise)
        in_cam = prepared.view[index : index + 1].to_cam(root_relative(chain).transpose(0, 1))
        traces[label] = DiffusionTrace(np.arange(noise_schedule.num_steps + 1), in_cam.cpu().numpy())
    return traces


def clip_hash(clip: PoseClip2D) -> str:
    """SHA-256 of everything in a clip that a prediction depends on."""
    digest = hashlib.sha256()
    arrays = [clip.keypoints_px, clip.confidence]
    if clip.mixture is not None:
        arrays += [clip.mixture.weights, clip.mixture.means_px, clip.mixture.variances_px2]
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=np.float32).tobytes())
    digest.update(repr((clip.width, clip.height, clip.fps, clip.intrinsics)).encode())
    return digest.hexdigest()


def version() -> str:
    """This package's version."""
    try:
        return metadata.version("diffpose-studio")
    except metadata.PackageNotFoundError:
        return "source tree"


def _root_path(
    pose_cam: np.ndarray, points_px: np.ndarray, std_px: np.ndarray, camera: Intrinsics
) -> tuple[np.ndarray, np.ndarray] | None:
    """The hip's path (F, 3) and its errors (F,), see `LiftResult`; None if it can be placed in no frame."""
    intrinsics = torch.tensor([camera.fx, camera.fy, camera.cx, camera.cy], dtype=torch.float64)
    root, error_px = np.empty((len(pose_cam), 3)), np.empty(len(pose_cam))
    for begin in range(0, len(pose_cam), _ROOT_FRAMES):
        rows = slice(begin, begin + _ROOT_FRAMES)
        pose, points, std = (torch.from_numpy(a[rows].astype(np.float64)) for a in (pose_cam, points_px, std_px))
        root[rows], error_px[rows] = (found.numpy() for found in place_root(pose, points, std, intrinsics))
    good = np.flatnonzero(np.isfinite(error_px))
    if good.size == 0:
        return None
    every = np.arange(len(root))
    filled = np.stack([np.interp(every, good, root[good, axis]) for axis in range(3)], axis=1)
    return filled.astype(np.float32), error_px.astype(np.float32)


def _must_fit(what: str, shape: tuple[int, ...], way_out: str) -> None:
    size = 4 * math.prod(shape)
    if size > MAX_KEPT_BYTES:
        limit = f"the limit is {MAX_KEPT_BYTES / 1e9:.0f} GB"
        raise InvalidInput(f"{what} of {shape[0]:,} frames take {size / 1e9:.1f} GB; {limit}: {way_out}")


def lift(
    clip: PoseClip2D,
    *,
    models: Models | None = None,
    steps: int = 5,
    hypotheses: int = 5,
    seed: int = 0,
    context: bool = True,
    diffusion: Literal["gmm", "standard"] = "gmm",
    schedule: ScheduleName = "converging",
    eta: float = 0.0,
    trace: bool = False,
    rigid_bones: bool = True,
    uncertainty: UncertaintyConfig | None = None,
    frames: Sequence[int] | np.ndarray | None = None,
    keep_hypotheses: bool = True,
    window: int | None = None,
    mixed_precision: bool | None = None,
    up: Up | None = None,
    progress: Callable[[int, int], bool | None] | None = None,
) -> LiftResult:
    """Lift a 2D clip to 3D.

    models: loaded weights, the bundled ones by default. steps: DDIM steps, 1 to 50. hypotheses: N poses drawn from
    H_K, whose mean is the prediction. seed: decides every random number. context: with f_ST or without. eta: 0 is
    deterministic, 1 ancestral sampling. trace: also return every state. rigid_bones: give the prediction and
    the baseline bones that keep their lengths over the clip (`skeleton.constant_bones`); hypotheses and trace stay as
    the network made them. frames: numbers of the frames to lift, all by default. keep_hypotheses: return them;
    without, a long clip costs (F, 17, 3) a kind of pose and no more. window: frames that are worked on at a time, by
    default `Models.block_frames`, which decides memory and nothing else. mixed_precision, up: see `prepare`. progress:
    called with (frames done, frames in all) whenever there are more of them, also in the middle of a window; if it
    returns False, lifting stops.

    Returns a LiftResult in metres, root-relative, camera frame; with intrinsics also the hip's path (`place_root`).
    But for the bones' lengths a frame's result depends on no other frame. Raises InvalidInput on settings out of range,
    or where what is to be kept would take more than MAX_KEPT_BYTES; Cancelled when `progress` says stop. Source: main
    paper, section 4.3.
    """
    loaded = models or load_models()
    name, network = loaded.pick(context, diffusion, schedule)
    uncertainty = uncertainty or UncertaintyConfig()
    mixed = has_fast_bfloat16(loaded.device.type) if mixed_precision is None else mixed_precision
    numbers, up_cam = _frame_numbers(clip, frames), _direction(clip, loaded, up)
    count, pose_shape = len(numbers), (NUM_JOINTS, 3)
    _check_hypotheses(hypotheses)
    window = loaded.block_frames if window is None else window
    if window < 1:
        raise InvalidInput(f"a window needs at least one frame, found {window}")
    if keep_hypotheses:
        _must_fit("the hypotheses", (count, hypotheses, *pose_shape), "lift without keeping them, or fewer of them")
    if trace:
        _must_fit("the states", (count, steps + 1, 2 * hypotheses, *pose_shape), "ask for the trace of fewer frames")
    pose, baseline = (np.empty((count, *pose_shape), dtype=np.float32) for _ in range(2))
    kept = np.empty((count, hypotheses if keep_hypotheses else 0, *pose_shape), dtype=np.float32)
    joint_std, expected, points_std_px = (np.empty((count, NUM_JOINTS), dtype=np.float32) for _ in range(3))
    calibration = loaded.calibration(name, hypotheses, up_cam)
    points_px = np.empty((count, NUM_JOINTS, 2))
    traces: list[DiffusionTrace] = []
    done = 0

    def tell(now: int) -> None:
        nonlocal done
        if progress is None or now <= done:
            return
        done = now
        if progress(done, count) is False:
            raise Cancelled(f"stopped after {done} of {count} frames")

    for begin in range(0, count, window):
        block = numbers[begin : begin + window]
        rows = slice(begin, begin + len(block))
        prepared = prepare(clip, loaded, block, uncertainty, seed, mixed, up_cam)
        if trace:
            traces.append(reverse_trace(prepared, network, steps, hypotheses, eta, seed))
            final = torch.from_numpy(traces[-1].samples[:, -1])
        else:

            def share_done(share: float, before: int = begin, frames: int = len(block)) -> None:
                tell(before + min(int(share * frames), frames - 1))

            end = reverse_end(prepared, network, steps, hypotheses, eta, seed, share_done)
            final = prepared.view.to_cam(end).cpu()
        if keep_hypotheses:
            kept[rows] = final.numpy()
        pose[rows] = final.mean(1).numpy()
        joint_std[rows] = (final - final.mean(1, keepdim=True)).square().sum(-1).mean(1).sqrt().numpy()
        if calibration is not None:
            expected[rows] = expected_error(prepared, network, calibration, final.numpy())
        baseline[rows] = prepared.baseline
        mixture = clip_mixture(clip, block)
        points_px[rows], points_std_px[rows] = mixture.argmax_px, np.sqrt(np.square(mixture.std_px).mean(-1))
        tell(begin + len(block))
    whole = None
    if traces:
        predicted = [part.pred_x_start for part in traces if part.pred_x_start is not None]
        whole = DiffusionTrace(traces[0].k, np.concatenate([p.samples for p in traces]), np.concatenate(predicted))
    if rigid_bones:
        pose, baseline = constant_bones(pose), constant_bones(baseline)
    path = None if clip.intrinsics is None else _root_path(pose, points_px, points_std_px, clip.intrinsics)
    provenance = {
        "software": f"diffpose-studio {version()}, torch {torch.__version__}",
        "weights": name,
        "weights_sha256": fingerprint(dict(network.state_dict())),
        "encoder_sha256": fingerprint(encoder_tensors(loaded.encoder)),
        "baseline": loaded.encoder.title,
        "clip": clip.name,
        "clip_sha256": clip_hash(clip),
        "settings": {
            "steps": steps, "hypotheses": hypotheses, "seed": seed, "context": context, "diffusion": diffusion,
            "schedule": schedule, "eta": eta, "rigid_bones": rigid_bones, "mixed_precision": mixed,
            "device": loaded.device.type, "uncertainty": to_dict(uncertainty),
            "up": None if up_cam is None else [round(float(part), 6) for part in up_cam],
            "up_estimated": isinstance(up, str),
        },
        "frame_of_reference": "metres, root-relative, camera frame: x right, y down, z forward",
        "joint_order": "Human3.6M-17",
    }  # fmt: skip
    return LiftResult(
        pose3d=pose,
        hypotheses=kept,
        joint_std=joint_std,
        expected_error=None if calibration is None else expected,
        guessed=clip.guessed[numbers],
        baseline=baseline,
        fps=clip.fps,
        provenance=provenance,
        root_cam=None if path is None else path[0],
        root_error_px=None if path is None else path[1],
        trace=whole,
    )


def check_stature(stature_m: float) -> None:
    """Raises InvalidInput where it is no height of a person, in metres."""
    low, high = STATURES_M
    if not low <= stature_m <= high:
        raise InvalidInput(f"a person's height must lie between {low:g} and {high:g} m, found {stature_m:g}")


def scaled_to_stature(result: LiftResult, stature_m: float) -> LiftResult:
    """The result of a person of that stature: one picture can't tell a small person from one further away.

    stature_m: metres, as `skeleton.stature` measures the prediction. Every length (poses, spreads, the hip's path, the
    trace) is multiplied by the same factor, so that the projection into the image stays; provenance says which.
    Raises InvalidInput where it is no stature of a person, or where the prediction has no size.
    """
    check_stature(stature_m)
    predicted = stature(result.pose3d)
    if not predicted > 0:
        raise InvalidInput("the predicted person has no size: all joints lie on one point")
    factor = stature_m / predicted

    def scaled(array: np.ndarray) -> np.ndarray:
        return (array * factor).astype(array.dtype)

    trace = result.trace
    if trace is not None:
        known = trace.pred_x_start
        trace = replace(trace, samples=scaled(trace.samples), pred_x_start=None if known is None else scaled(known))
    return replace(
        result,
        pose3d=scaled(result.pose3d),
        hypotheses=scaled(result.hypotheses),
        joint_std=scaled(result.joint_std),
        expected_error=None if result.expected_error is None else scaled(result.expected_error),
        baseline=scaled(result.baseline),
        root_cam=None if result.root_cam is None else scaled(result.root_cam),
        trace=trace,
        provenance={**result.provenance, "stature_m": stature_m, "scaled_by": factor},
    )
