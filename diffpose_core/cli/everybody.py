"""`diffpose lift --track all`: every person of a file, one result each, or one scene with all of them."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from diffpose_core.cli.lift_inputs import choice_of, finish_of, lift_as_asked, poses_of, settings_of
from diffpose_core.cli.outputs import check_output, is_lift_result
from diffpose_core.cli.shared import say, warn
from diffpose_core.structures import InvalidInput
from diffpose_core.words import without_name

if TYPE_CHECKING:
    from diffpose_core.io.formats import ChosenClip, PoseFile
    from diffpose_core.lifting.models import Models
    from diffpose_core.structures import LiftResult


def lift_everybody(args: argparse.Namespace) -> int:
    """Lift every person of a clip.

    In the world frame all of them share the direction up and the origin of the first. One scene of everybody is always
    in it: without a known camera nothing else says where people stand.

    Returns:
        The exit status: 0, or 1 if somebody could not be lifted.
    """
    from diffpose_core.io.atomic import write_whole
    from diffpose_core.io.exports import SCENES, export_bytes, export_format, format_of_ending, write_scene
    from diffpose_core.lifting.model_shelf import ModelShelf

    form = args.format or format_of_ending(args.out)
    export_format(form)
    settings_of(args), finish_of(args)
    poses = poses_of(args)
    shelf = ModelShelf(args.weights, args.setting, args.device)
    people = _people(args, poses, shelf.first)
    together = form in SCENES
    if together and not args.world:
        args = _in_world(args)
    outputs = {key: args.out for key in people} if together else _outputs(args.out, list(people))
    for path in dict.fromkeys(outputs.values()):
        check_output(path, [args.clip], is_own=is_lift_result, overwrite=args.overwrite)
    done: dict[str, LiftResult] = {}
    failed = 0
    for key, chosen in people.items():
        try:
            models = shelf.for_clip(chosen.clip, settings_of(args))
            result = _lift_one(args, key, chosen, models, next(iter(done.values()), None), keep=not together)
        except InvalidInput as error:
            warn(f"{args.clip}: person {key}: {without_name(str(error), args.clip)}")
            failed += 1
            continue
        if not together:
            write_whole(outputs[key], export_bytes(result, form)[0])
            say(f"wrote {outputs[key]}: person {key}, {len(result)} frames from frame {chosen.first_frame}")
        # The first person's world is taken by the others; all of them are kept for a scene alone.
        if together or not done:
            done[key] = replace(result, hypotheses=result.hypotheses[:, :0])
    if together and done:
        starts_s = {key: people[key].first_frame / done[key].fps for key in done}
        write_whole(args.out, write_scene(done, starts_s, form))
        say(f"wrote {args.out}: {len(done)} people in one scene")
    return 1 if failed else 0


def _in_world(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments with the world frame, which is said. A moving camera has none: people then stand in one place."""
    if args.moving_camera:
        warn(f"{args.clip}: where people stand is not known while the camera moves: all of them are put in one place")
        return args
    warn(f"{args.clip}: one scene of everybody is in the world frame (--world)")
    return argparse.Namespace(**{**vars(args), "world": True})


def _lift_one(
    args: argparse.Namespace, key: str, chosen: ChosenClip, models: Models, beside: LiftResult | None, keep: bool
) -> LiftResult:
    """The finished result of one person; what should be known of it is printed.

    Args:
        args: of the command.
        key: of the person.
        chosen: the person's clip.
        models: loaded weights.
        beside: the first person's result.
        keep: whether hypotheses are kept.
    """
    from diffpose_core.lifting.finish import notes_of

    result = lift_as_asked(args, chosen.clip, models, f"frames of person {key}", beside, keep_hypotheses=keep)
    for note in notes_of(result):
        warn(f"{args.clip}: person {key}: {note}")
    return result


def _people(args: argparse.Namespace, poses: PoseFile, models: Models) -> dict[str, ChosenClip]:
    """The clips of all people by their keys; assumptions about the file are printed once.

    Raises:
        InvalidInput: nobody can be lifted.
    """
    from diffpose_core.io.formats import every_person
    from diffpose_core.lifting.image_size import to_clip_in_proportion

    found: dict[str, ChosenClip] = {}
    said: set[str] = set()
    refused = []
    for key, choice in every_person(poses, choice_of(args)):
        try:
            found[key] = to_clip_in_proportion(poses, choice, models)
        except InvalidInput as error:
            refused.append(f"person {key}: {without_name(str(error), args.clip)}")
            continue
        for note in found[key].notes:
            if note not in said:
                warn(f"{args.clip}: {note}")
            said.add(note)
    if not found:
        raise InvalidInput(f"{args.clip}: {'; '.join(refused)}")
    for reason in refused:
        warn(f"{args.clip}: {reason}")
    return found


def _outputs(out: str, keys: list[str]) -> dict[str, str]:
    """A file for each person: the key goes before the ending."""
    from diffpose_core.io.exports import file_stem

    path = Path(out)
    names = {key: file_stem(key) for key in keys}
    often = Counter(names.values())
    return {
        key: str(path.with_name(f"{path.stem}-{name if often[name] == 1 else f'{number + 1}-{name}'}{path.suffix}"))
        for number, (key, name) in enumerate(names.items())
    }
