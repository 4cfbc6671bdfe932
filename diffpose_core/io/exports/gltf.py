"""glTF 2.0 as one .glb file: the rig of a clip (`rig`) as bones with animation, and a skinned body of capsules.

A scene holds one person or several.

Source: Khronos Group, glTF 2.0 specification.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffpose_core.io.exports.rig import Rig, rest_direction, rig_of
from diffpose_core.io.frame import describe, times_s
from diffpose_core.skeleton import bone_side
from diffpose_core.structures import LiftResult

_FLOAT, _UNSIGNED_SHORT, _UNSIGNED_INT = 5126, 5123, 5125
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_JSON_CHUNK, _BINARY_CHUNK = 0x4E4F534A, 0x004E4942
#: Vertices around a capsule, and rings of each half sphere.
_AROUND, _RINGS = 12, 3
#: Radius of the capsule of each bone, by the joint at its end, metres.
_RADII = {1: 0.07, 2: 0.07, 3: 0.05, 7: 0.10, 8: 0.11, 9: 0.05, 10: 0.08, 14: 0.05, 15: 0.045, 16: 0.035}
_RADII |= {4: 0.07, 5: 0.07, 6: 0.05, 11: 0.05, 12: 0.045, 13: 0.035}
#: Linear colours of the sides, as in the app.
_COLOURS = {"left": (0.61, 0.14, 0.0, 1.0), "right": (0.01, 0.12, 0.67, 1.0), "middle": (0.42, 0.45, 0.5, 1.0)}


@dataclass
class _Binary:
    """The binary part of a file, and what describes it."""

    content: bytearray = field(default_factory=bytearray)
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)

    def add(self, array: np.ndarray, kind: str, component: int, target: int | None = None, bounds: bool = False) -> int:
        """Add an array, (N,) or (N, C); returns the number of its accessor.

        Args:
            array: of the component's type.
            kind: "SCALAR", "VEC3" and so on.
            component: number of the component's type.
            target: of the view, for vertices and triangles.
            bounds: whether smallest and largest values are written.
        """
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.content), "byteLength": array.nbytes}
        if target is not None:
            view["target"] = target
        self.views.append(view)
        self.content += np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
        self.content += b"\0" * (-len(self.content) % 4)
        accessor = {
            "bufferView": len(self.views) - 1, "componentType": component, "count": len(array), "type": kind,
        }  # fmt: skip
        if bounds:
            accessor["min"], accessor["max"] = (
                np.atleast_1d(limit).astype(float).tolist() for limit in (array.min(0), array.max(0))
            )
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def write_glb(result: LiftResult) -> bytes:
    """Write a .glb file: metres, y up; the scene's extras hold the description of units and axes."""
    return write_people({"": result}, {})


def write_people(results: Mapping[str, LiftResult], starts_s: Mapping[str, float]) -> bytes:
    """Write a .glb file with several people in one scene and one animation.

    Bones of people with a key begin with it. Who is not there at a time has no size.

    Args:
        results: of people by their keys, at least one.
        starts_s: times at which they begin, seconds; 0 by default.
    """
    scene, first = _Scene(), next(iter(results.values()))
    end = max(starts_s.get(key, 0.0) + (len(result) - 1) / result.fps for key, result in results.items())
    for key, result in results.items():
        scene.add(key, result, starts_s.get(key, 0.0), end)
    about = list(describe(first, "y_up", absolute=True))
    head = {
        "asset": {"version": "2.0", "generator": "DiffPose Studio"},
        "scene": 0,
        "scenes": [{"name": "DiffPose", "nodes": scene.roots, "extras": {"about": about, "fps": first.fps}}],
        "nodes": scene.nodes,
        "meshes": scene.meshes,
        "materials": [{"name": "Body", "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.8}}],
        "skins": scene.skins,
        "animations": [{"name": "Motion", "samplers": scene.samplers, "channels": scene.channels}],
        "accessors": scene.binary.accessors,
        "bufferViews": scene.binary.views,
        "buffers": [{"byteLength": len(scene.binary.content)}],
    }
    return _glb(head, bytes(scene.binary.content))


@dataclass
class _Scene:
    """Parts of the JSON that grow with every person."""

    binary: _Binary = field(default_factory=_Binary)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    meshes: list[dict[str, Any]] = field(default_factory=list)
    skins: list[dict[str, Any]] = field(default_factory=list)
    samplers: list[dict[str, Any]] = field(default_factory=list)
    channels: list[dict[str, Any]] = field(default_factory=list)

    def add(self, key: str, result: LiftResult, start_s: float, end_s: float) -> None:
        """Add a person who begins at a time, to a scene that ends at another one."""
        rig, first, label = rig_of(result), len(self.nodes), f"{key} " if key else ""
        rest = rig.at_rest()
        # The T pose stands on the floor.
        height = np.array([0.0, -float(rest[:, 1].min()), 0.0])
        for number, joint in enumerate(rig.joints):
            offset = height if number == 0 else joint.offset
            node: dict[str, Any] = {"name": label + joint.name, "translation": [round(float(x), 6) for x in offset]}
            below = [first + other for other, child in enumerate(rig.joints) if child.parent == number]
            self.nodes.append({**node, "children": below} if below else node)
        self.skins.append(
            {
                "joints": list(range(first, first + len(rig.joints))),
                "skeleton": first,
                "inverseBindMatrices": self.binary.add(_inverse_bind(rest + height), "MAT4", _FLOAT),
            }
        )
        self.meshes.append(_mesh(f"{label}Body", rig, rest + height, self.binary))
        self.nodes.append({"name": f"{label}Body", "mesh": len(self.meshes) - 1, "skin": len(self.skins) - 1})
        self.roots += [first, len(self.nodes) - 1]
        self._animate(rig, first, start_s + times_s(result), end_s)

    def _animate(self, rig: Rig, first: int, seconds: np.ndarray, end_s: float) -> None:
        """The place of a person's first joint, and the rotation of every joint that has bones below it."""
        times = self.binary.add(seconds.astype(np.float32), "SCALAR", _FLOAT, bounds=True)
        self._channel(first, "translation", times, rig.root, "VEC3")
        for number, joint in enumerate(rig.joints):
            if joint.end is None:
                self._channel(first + number, "rotation", times, _continuous(joint.turn.as_quat()), "VEC4")
        frame = seconds[1] - seconds[0] if len(seconds) > 1 else 1.0
        seen = [(0.0, 0.0)] if seconds[0] > 0 else []
        seen += [(float(seconds[0]), 1.0)]
        if seconds[-1] + 0.5 * frame < end_s:
            seen += [(float(seconds[-1] + 0.5 * frame), 0.0)]
        if len(seen) > 1:
            when, size = np.array(seen, np.float32).T
            at = self.binary.add(np.ascontiguousarray(when), "SCALAR", _FLOAT, bounds=True)
            self._channel(first, "scale", at, np.repeat(size[:, None], 3, axis=1), "VEC3", "STEP")

    def _channel(
        self, node: int, path: str, times: int, values: np.ndarray, kind: str, interpolation: str = "LINEAR"
    ) -> None:
        output = self.binary.add(values.astype(np.float32), kind, _FLOAT)
        self.samplers.append({"input": times, "output": output, "interpolation": interpolation})
        self.channels.append({"sampler": len(self.samplers) - 1, "target": {"node": node, "path": path}})


def _inverse_bind(rest: np.ndarray) -> np.ndarray:
    """Matrices from the body at rest into each joint's frame, column by column, (N, 16) float32."""
    matrices = np.tile(np.eye(4, dtype=np.float32), (len(rest), 1, 1))
    matrices[:, :3, 3] = -rest
    return matrices.transpose(0, 2, 1).reshape(len(rest), 16)


def _continuous(quaternions: np.ndarray) -> np.ndarray:
    """Quaternions (F, 4) whose signs don't change between frames: players go the shorter way round."""
    same = (quaternions[1:] * quaternions[:-1]).sum(-1) >= 0
    signs = np.cumprod(np.where(same, 1.0, -1.0))
    return np.concatenate([quaternions[:1], quaternions[1:] * signs[:, None]])


def _mesh(name: str, rig: Rig, rest: np.ndarray, binary: _Binary) -> dict[str, Any]:
    """A capsule around every bone, each moved by one joint. rest: (N, 3), places of the joints."""
    parts: dict[str, list[np.ndarray]] = {part: [] for part in ("point", "normal", "joint", "colour", "triangle")}
    first = 0
    for joint in rig.joints:
        child = joint.joint
        if joint.parent < 0 or rig.joints[joint.parent].joint == child:
            continue
        length = float(np.linalg.norm(joint.offset))
        points, normals, triangles = _capsule(length, min(_RADII[child], max(length, 1e-3)))
        axes = _axes_along(rest_direction(child))
        parts["point"].append(points @ axes + rest[joint.parent])
        parts["normal"].append(normals @ axes)
        parts["joint"].append(np.full(len(points), joint.parent))
        parts["colour"].append(np.tile(_COLOURS[bone_side(child)], (len(points), 1)))
        parts["triangle"].append(triangles + first)
        first += len(points)
    joints = np.zeros((first, 4), np.uint16)
    joints[:, 0] = np.concatenate(parts["joint"])
    weights = np.tile(np.array([1.0, 0.0, 0.0, 0.0], np.float32), (first, 1))

    def vertices(part: str) -> np.ndarray:
        return np.concatenate(parts[part]).astype(np.float32)

    attributes = {
        "POSITION": binary.add(vertices("point"), "VEC3", _FLOAT, _ARRAY_BUFFER, bounds=True),
        "NORMAL": binary.add(vertices("normal"), "VEC3", _FLOAT, _ARRAY_BUFFER),
        "COLOR_0": binary.add(vertices("colour"), "VEC4", _FLOAT, _ARRAY_BUFFER),
        "JOINTS_0": binary.add(joints, "VEC4", _UNSIGNED_SHORT, _ARRAY_BUFFER),
        "WEIGHTS_0": binary.add(weights, "VEC4", _FLOAT, _ARRAY_BUFFER),
    }
    indices = np.concatenate(parts["triangle"]).astype(np.uint32).ravel()
    faces = binary.add(indices, "SCALAR", _UNSIGNED_INT, _ELEMENT_ARRAY_BUFFER)
    return {"name": name, "primitives": [{"attributes": attributes, "indices": faces, "material": 0}]}


def _axes_along(direction: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) whose rows are a frame with a coordinate axis as its third axis."""
    helper = np.array([0.0, 0.0, 1.0])
    side = np.cross(direction, helper)
    return np.stack([side, np.cross(direction, side), direction])


def _capsule(length: float, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A cylinder along z from 0 to a length, with a half sphere at each end.

    Returns:
        Points (V, 3) in metres, normals (V, 3), and triangles (T, 3) of their numbers.
    """
    lower = np.linspace(-np.pi / 2, 0, _RINGS + 1)
    latitudes = np.concatenate([lower, -lower[::-1]])
    middles = np.repeat([0.0, length], _RINGS + 1)
    around = np.arange(_AROUND) * 2 * np.pi / _AROUND
    latitude, longitude = np.meshgrid(latitudes, around, indexing="ij")
    normals = np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1
    )
    points = radius * normals
    points[..., 2] += middles[:, None]
    rings, column = np.arange(len(latitudes) - 1)[:, None] * _AROUND, np.arange(_AROUND)
    a, b = rings + column, rings + (column + 1) % _AROUND
    triangles = np.stack([a, b, a + _AROUND, b, b + _AROUND, a + _AROUND], axis=-1).reshape(-1, 3)
    return points.reshape(-1, 3), normals.reshape(-1, 3), triangles


def _glb(head: dict[str, Any], binary: bytes) -> bytes:
    """The container: a header, the JSON, the binary part, each of a multiple of four bytes."""
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    size = 12 + 8 + len(text) + 8 + len(binary)
    return b"".join([
        struct.pack("<4sII", b"glTF", 2, size),
        struct.pack("<II", len(text), _JSON_CHUNK), text,
        struct.pack("<II", len(binary), _BINARY_CHUNK), binary,
    ])  # fmt: skip
