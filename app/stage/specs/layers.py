"""Layers of a scene: skeletons, clouds, ellipsoids and other figures, each of one array of poses."""

from __future__ import annotations

from typing import Literal, TypedDict, Unpack


class SkeletonLook(TypedDict, total=False):
    """Drawing options of a skeleton.

    Attributes:
        width: Thickness of its bones, of the usual one.
        opacity: From 0 to 1.
        under: Whether it is drawn below all other figures.
        apart: Whether it stands elsewhere than the others, so that bodies would not hide each other.
        shadow: False leaves out its shadow on the floor.
        schedules: Array for each noise schedule that can be chosen.
    """

    width: float
    opacity: float
    under: bool
    apart: bool
    shadow: bool
    schedules: dict[str, str]


class SkeletonLayer(SkeletonLook):
    """One pose."""

    kind: Literal["skeleton"]
    array: str
    label: str
    palette: str


class CloudLook(TypedDict, total=False):
    """Drawing options of a cloud.

    Attributes:
        opacity: Of the usual one, which falls with the number of samples.
    """

    opacity: float


class CloudLayer(CloudLook):
    """Many samples as faint skeletons. The array has an axis `sample`."""

    kind: Literal["cloud"]
    array: str
    label: str
    palette: str


class EllipsoidsLayer(TypedDict):
    """Ellipsoids of two standard deviations around the joints.

    Attributes:
        array: Their centres.
        covariances: Array (..., joint, covariance), square metres, plot axes.
        joint: Number of the joint that is emphasised.
    """

    kind: Literal["ellipsoids"]
    array: str
    covariances: str
    label: str
    palette: str
    joint: int


class ComponentLayer(TypedDict):
    """One component of a mixture.

    Attributes:
        array: Its mean pose.
        covariances: Array (joint, covariance), square metres, plot axes.
        draws: Array of the draws that belong to it.
        number: Its number, from 1.
        weight: Its weight in the mixture.
    """

    kind: Literal["component"]
    array: str
    covariances: str
    draws: str
    label: str
    palette: str
    number: int
    weight: float


class RingsLayer(TypedDict):
    """Circles around the joints where two methods differ most.

    Attributes:
        array: The pose whose joints are circled.
        by: Array of the differences, millimetres, (..., joint).
        palette: Colour where the difference is above 0.
        palette_less: Colour where it is below 0.
        count: The most circles.
        least: The least difference that is circled, millimetres.
    """

    kind: Literal["rings"]
    array: str
    by: str
    label: str
    palette: str
    palette_less: str
    count: int
    least: float


class Terms(TypedDict):
    """Arrays of the terms of Eq. 1, and the joint that they are shown at.

    Attributes:
        alphas: Array of alpha_k for each schedule.
    """

    joint: int
    h_0: str
    mean: str
    noise: str
    alphas: dict[str, str]


class TermsLayer(Terms):
    """The terms of Eq. 1 as arrows at one joint."""

    kind: Literal["terms"]
    array: str
    label: str
    palette: str


Layer = SkeletonLayer | CloudLayer | EllipsoidsLayer | ComponentLayer | RingsLayer | TermsLayer


def skeleton(array: str, label: str, palette: str, **look: Unpack[SkeletonLook]) -> SkeletonLayer:
    """One pose as a skeleton.

    Args:
        array: Name of the poses' array.
        label: Its name in the legend.
        palette: Its colours in the browser's theme; "sides" has one for each side of the body.
        **look: How it is drawn.
    """
    return {"kind": "skeleton", "array": array, "label": label, "palette": palette, **look}


def cloud(array: str, label: str, palette: str, **look: Unpack[CloudLook]) -> CloudLayer:
    """Many samples as faint skeletons. For the arguments see `skeleton`."""
    return {"kind": "cloud", "array": array, "label": label, "palette": palette, **look}
