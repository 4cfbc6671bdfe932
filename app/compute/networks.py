"""The trained networks, loaded once for everybody."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import streamlit as st
import torch
from threadpoolctl import threadpool_limits

from app.compute.cache import clip_cached
from app.session import READS, AppSettings, Setting
from diffpose_core.diffusion.schedule import ScheduleName, make_schedule
from diffpose_core.lifting.model_shelf import setting_for
from diffpose_core.lifting.models import CHECKPOINTS, ENCODERS, Models, load_models
from diffpose_core.lifting.settings import Setting as EncoderSetting
from diffpose_core.structures import InvalidInput, PoseClip2D

# The matrices here are small: more threads than one make numpy slower, above all where a machine is shared.
threadpool_limits(1, user_api="blas")
# The browser often runs beside the server, and draws while the rest of a clip is computed: half of the cores are its.
torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))


@st.cache_resource(show_spinner=False)
def models(setting: EncoderSetting) -> Models:
    """The trained networks that read single frames or video: the bundled ones, or those in the folder that
    DIFFPOSE_CHECKPOINTS names.
    """
    # No default: Streamlit takes a call without the argument for another one, and would load everything twice.
    loaded = load_models(os.environ.get("DIFFPOSE_CHECKPOINTS") or None, setting)
    # Streamlit collects garbage after every run and sends nothing meanwhile: a tenth of a second over all objects of
    # the libraries. The objects that exist now stay, so they are taken out of the search.
    gc.collect()
    gc.freeze()
    return loaded


def trained_settings() -> list[Setting]:
    """The settings that there are weights for, the most accurate one of single frames first."""
    folder = Path(os.environ.get("DIFFPOSE_CHECKPOINTS") or CHECKPOINTS)
    needed: dict[Setting, tuple[str, ...]] = {
        "clip": (ENCODERS["frame"],),
        "frame": (ENCODERS["frame"],),
        "video": (ENCODERS["video"],),
    }
    found = [
        setting for setting, names in needed.items() if all((folder / f"{n}.safetensors").is_file() for n in names)
    ]
    return [setting for setting in found if setting != "clip" or _can_be_told()]


@clip_cached
def _is_fit_for_video(source: str, _clip: PoseClip2D) -> bool:
    """Whether video errs less on a clip: once a clip, since the page asks in every run. source: the clip's hash."""
    return setting_for(_clip) == "video"


def automatic_setting(source: str, clip: PoseClip2D, own: bool) -> Setting:
    """The setting of a clip that nobody chose one for.

    A visitor's own clip is read in windows of video where it is fit for them, which errs less on real people. Bundled
    clips show single frames, as the paper does first, and open faster.

    Args:
        source: the clip's hash.
        clip: in 2D.
        own: whether the visitor brought it.
    """
    trained = trained_settings()
    if own and "video" in trained and _is_fit_for_video(source, clip):
        return "video"
    return trained[0]


def _can_be_told() -> bool:
    """Whether the encoder of single frames was trained with the camera's tilt and the body's proportions."""
    try:
        return models("frame").encoder.takes_conditions
    except InvalidInput:
        return False


def trained_schedules(setting: EncoderSetting) -> list[ScheduleName]:
    """The schedules that there are weights for, with f_ST and without, the shipped one first."""
    found: list[ScheduleName] = []
    for schedule in ("converging", "supplement"):
        try:
            for context in (True, False):
                models(setting).pick(context, "gmm", schedule)
        except InvalidInput:
            continue
        found.append(schedule)
    return found


def predicts(settings: AppSettings) -> str:
    """Meaning of the network's output: "x_start", "previous" or "noise"."""
    return models(READS[settings.setting]).pick(True, "gmm", settings.trained_on)[1].config.prediction_type


def alpha_end(schedule: ScheduleName) -> float:
    """alpha_K of a schedule: the share of h_0's variance that is left at the last step."""
    return float(make_schedule(schedule).alphas_cumprod[-1])
