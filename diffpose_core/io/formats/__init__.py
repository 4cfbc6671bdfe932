"""Readers of all formats of 2D poses: `read_pose_file` recognises one, `to_clip` makes a clip of the chosen person."""

from diffpose_core.io.formats.convert import default_choice, every_person, to_clip
from diffpose_core.io.formats.layouts import LAYOUTS, Layout
from diffpose_core.io.formats.posefile import (
    COORDINATES,
    Choice,
    ChosenClip,
    FileClip,
    LayoutGuess,
    PoseFile,
    PoseTrack,
)
from diffpose_core.io.formats.read import FORMATS, read_pose_file, read_pose_files, read_pose_path

__all__ = [
    "COORDINATES",
    "FORMATS",
    "LAYOUTS",
    "Choice",
    "ChosenClip",
    "FileClip",
    "Layout",
    "LayoutGuess",
    "PoseFile",
    "PoseTrack",
    "default_choice",
    "every_person",
    "read_pose_file",
    "read_pose_files",
    "read_pose_path",
    "to_clip",
]
