"""Inputs of `diffpose lift`: the clip, and the settings that its arguments hold."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from diffpose_core.cli.shared import progress_printer, warn
from diffpose_core.structures import InvalidInput, PoseClip2D

if TYPE_CHECKING:
    from diffpose_core.io.formats import Choice, PoseFile
    from diffpose_core.lifting.finish import Finish
    from diffpose_core.lifting.models import Models
    from diffpose_core.lifting.settings import LiftSettings
    from diffpose_core.structures import LiftResult


def clip_of(args: argparse.Namespace, poses: PoseFile, models: Models) -> PoseClip2D:
    """The clip to lift; assumptions about the file are printed."""
    from diffpose_core.lifting.image_size import to_clip_in_proportion

    chosen = to_clip_in_proportion(poses, choice_of(args), models)
    # Assumptions are no progress: --quiet doesn't hide them.
    for note in chosen.notes:
        warn(f"{args.clip}: {note}")
    return chosen.clip


def poses_of(args: argparse.Namespace) -> PoseFile:
    """The file of poses, or the poses that are found in a video."""
    from diffpose_core.cli.video_input import poses_of_video_file
    from diffpose_core.io.formats.apart import read_pose_path_apart
    from diffpose_core.io.video_file import is_video_file

    return poses_of_video_file(args) if is_video_file(args.clip) else read_pose_path_apart(args.clip)


def choice_of(args: argparse.Namespace) -> Choice:
    """The arguments that choose a clip of a file, or fill in values that it lacks."""
    from diffpose_core.io.formats import Choice

    size = None
    if args.image_size is not None:
        words = args.image_size.lower().split("x")
        if len(words) != 2 or not all(word.isdecimal() and len(word) < 9 for word in words):
            raise InvalidInput(
                f"--image-size must be WIDTHxHEIGHT in pixels, such as 1920x1080; found {args.image_size}"
            )
        size = (int(words[0]), int(words[1]))
    return Choice(
        args.part, args.track, args.layout, size, args.fps, args.turn, args.exchange_sides or None, args.focal
    )


def finish_of(args: argparse.Namespace) -> Finish:
    """Steps after lifting that the arguments ask for."""
    from diffpose_core.lifting.finish import Finish

    return Finish(args.height, args.smooth, args.world)


def lift_as_asked(
    args: argparse.Namespace,
    clip: PoseClip2D,
    models: Models,
    counted: str = "frames",
    beside: LiftResult | None = None,
    keep_hypotheses: bool = True,
) -> LiftResult:
    """Lift a clip and finish the result as the arguments ask.

    Args:
        args: of the command.
        clip: the clip.
        models: loaded weights.
        counted: what the progress counts.
        beside: as in `lifting.finish.finished`.
        keep_hypotheses: as in `lifting.lift.lift`.
    """
    from diffpose_core.lifting.finish import finished
    from diffpose_core.lifting.lift import lift
    from diffpose_core.lifting.world.frame import upright_of

    show = progress_printer(counted, args.quiet)
    lifted = lift(clip, models, settings_of(args), keep_hypotheses=keep_hypotheses, progress=show)
    return finished(lifted, clip, finish_of(args), lambda: upright_of(lifted, clip, models), beside)


def settings_of(args: argparse.Namespace) -> LiftSettings:
    """The settings that the arguments hold."""
    from diffpose_core.lifting.settings import LiftSettings, Up
    from diffpose_core.lifting.tilt import up_of_tilt

    up: Up | None = "auto" if args.camera_tilt is None else up_of_tilt(args.camera_tilt)
    if args.fixed_camera or args.moving_camera:
        up = "estimate" if args.fixed_camera else None
    return LiftSettings(
        steps=args.steps,
        hypotheses=args.hypotheses,
        eta=args.eta,
        sampler=args.sampler,
        seed=args.seed,
        context=not args.no_context,
        schedule=args.schedule,
        rigid_bones=not args.free_bones,
        mirror=args.mirror,
        mixed_precision=args.mixed_precision,
        up=up,
        body=None if args.unknown_body else "auto",
    )
