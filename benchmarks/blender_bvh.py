"""Exported BVH files read back by Blender: `python -m benchmarks.blender_bvh FOLDER`, where bpy 4.2 is installed.

FOLDER holds results as .npz and as BVH, as `diffpose lift clips/ -o FOLDER --format npz,bvh` writes them. Every BVH is
read by Blender's own importer; its bones, frames and frame rate are compared with the .npz, and in every frame the
place of each joint's bone with that of the joint. bpy needs an environment of its own: `pip install bpy==4.2.*`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from diffpose_core.skeleton import PARENTS


def in_blender(result: Any) -> np.ndarray:
    """Joints of a result (.npz) in Blender's world, (F, 17, 3) metres, z up."""
    right, down, forward = np.moveaxis(result["pose3d"].astype(np.float64) + _root(result), -1, 0)
    return np.stack([right, forward, -down], axis=-1)


def _root(result: Any) -> Any:
    return result["root_cam"].astype(np.float64)[:, None] if "root_cam" in result else 0.0


def compare(bvh: Path, npz: Path) -> dict[str, Any]:
    """Import one file, and compare it with its result."""
    import bpy  # type: ignore[import-not-found]

    with np.load(npz) as result:
        names = [str(name).replace("/", "_") for name in result["joint_names"]]
        places, fps = in_blender(result), float(result["fps"])
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_anim.bvh(filepath=str(bvh), update_scene_fps=True, update_scene_duration=True)
    skeleton, scene = bpy.context.object, bpy.context.scene
    first, last = (int(edge) for edge in skeleton.animation_data.action.frame_range)
    found = np.zeros_like(places)
    for frame in range(len(places)):
        scene.frame_set(first + frame)
        for joint, name in enumerate(names):
            found[frame, joint] = (skeleton.matrix_world @ skeleton.pose.bones[name].head)[:]

    def parent(name: str) -> str | None:
        """The joint above, past the helpers."""
        bone = skeleton.data.bones[name].parent
        while bone is not None and bone.name not in names:
            bone = bone.parent
        return None if bone is None else str(bone.name)

    above = [None if joint == 0 else names[PARENTS[joint]] for joint in range(len(names))]
    error_mm = 1000 * np.linalg.norm(found - places, axis=-1)
    return {
        "file": bvh.name,
        "bones": len(skeleton.data.bones),
        "hierarchy_is_ours": [parent(name) for name in names] == above,
        "frames": len(places),
        "frames_in_blender": last - first + 1,
        "fps": fps,
        "fps_in_blender": scene.render.fps / scene.render.fps_base,
        "mean_mm": float(error_mm.mean()),
        "max_mm": float(error_mm.max()),
    }


def main() -> None:
    """Print the findings for every BVH file of a folder, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    ending = "_metres_y-up.bvh"
    for bvh in sorted(parser.parse_args().folder.glob(f"*{ending}")):
        print(json.dumps(compare(bvh, bvh.with_name(bvh.name.removesuffix(ending) + ".npz"))), flush=True)


if __name__ == "__main__":
    main()
