"""Every format of 2D poses that is read: `read_pose_file` recognises it, `to_clip` makes a clip of what was chosen."""

from diffpose_core.io.formats.convert import default_choice, to_clip
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
    "read_pose_file",
    "read_pose_files",
    "read_pose_path",
    "to_clip",
]
