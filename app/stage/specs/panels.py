"""Panels of a stage: scenes, images and flat pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict, Unpack

from app.stage.specs.layers import Layer, Terms


class ReadoutWords(TypedDict, total=False):
    """Words of a number beside a panel's title.

    Attributes:
        label: Its name.
        unit: Its unit, or "".
        help: Explanation in the tip.
        digits: Digits behind the point, 0 where not given.
        missing: Words where the number is not known.
    """

    label: str
    unit: str
    help: str
    digits: int
    missing: str


class Readout(ReadoutWords):
    """A number beside a panel's title; the array has no axes but the frame and the step."""

    array: str


class PanelWords(TypedDict, total=False):
    """Optional fields of every panel.

    Attributes:
        caption: Words below it.
        columns: Width, of the usual one.
        span: Columns of the grid that it takes, where the stage has a number of columns.
        readouts: Numbers beside its title.
        part: Whether it is a part of a strip.
        zoom: Enlargement of its scene.
        opens: The view that it leads to.
    """

    caption: str
    columns: float
    span: int
    readouts: list[Readout]
    part: bool
    zoom: float
    opens: str


class ScenePanel(PanelWords):
    """A 3D scene; a mini scene turns with the others and can't be turned by itself."""

    id: str
    kind: Literal["scene", "mini"]
    title: str
    layers: list[Layer]


class MixtureArrays(TypedDict):
    """Arrays of the joints' 2D mixtures: weights, means and standard deviations in pixels."""

    weights: str
    means_px: str
    stds_px: str


class _PosePanel(PanelWords):
    id: str
    title: str
    pose: str
    confidence: str
    centre: str
    half_px: float
    image_px: list[int]
    hidden: NotRequired[str]


class ImagePanel(_PosePanel):
    """A 2D pose over its heatmap mixtures, cut to where the person is.

    Attributes:
        pose: Array of the joints, pixels.
        confidence: Array of the joints' confidences.
        centre: Array of the cut-out's centre, pixels.
        half_px: Half its height, pixels.
        half_u_px: Half its width, pixels.
        image_px: Width and height of the image.
        hidden: Array of the joints that are drawn hollow.
        mixture: The mixtures, or None to show the pose alone.
        result: Array of the 3D pose laid over the picture, pixels.
        plain: Whether scales and marks are left out.
        bare: Whether the pose itself is left out.
    """

    kind: Literal["image"]
    half_u_px: float
    mixture: MixtureArrays | None
    result: NotRequired[str]
    plain: NotRequired[bool]
    bare: NotRequired[bool]


class BeliefPanel(_PosePanel):
    """A 2D pose over its heatmap mixtures in which a joint can be picked.

    Attributes:
        joint: Number of the picked joint.
    """

    kind: Literal["belief"]
    mixture: MixtureArrays
    joint: int


class WeightsPanel(PanelWords):
    """Weights of a mixture's components as bars.

    Attributes:
        weights: Array of the weights.
        spreads: Array of the components' spreads, millimetres.
    """

    id: str
    kind: Literal["weights"]
    title: str
    weights: str
    spreads: str


class SelectionPanel(PanelWords):
    """Curves over the number of a mixture's components.

    Attributes:
        fitted: Array of the mean log-likelihood of the draws that it was fitted to.
        fresh: Array of that of new draws.
        bic: Array of BIC.
        chosen: The number of components that is shown.
    """

    id: str
    kind: Literal["selection"]
    title: str
    fitted: str
    fresh: str
    bic: str
    chosen: int


class EquationPanel(PanelWords, Terms):
    """Eq. 1 with its numbers at one joint."""

    id: str
    kind: Literal["equation"]
    title: str


Panel = ScenePanel | ImagePanel | BeliefPanel | WeightsPanel | SelectionPanel | EquationPanel


def scene(id_: str, title: str, layers: Sequence[Layer], **words: Unpack[PanelWords]) -> ScenePanel:
    """A 3D scene.

    Args:
        id_: Its name within the stage.
        title: Its title.
        layers: Its figures, from the back to the front where they are equally far away.
        **words: Its optional fields.
    """
    return {"id": id_, "kind": "scene", "title": title, "layers": [*layers], **words}


def mini_scene(id_: str, title: str, layers: Sequence[Layer], **words: Unpack[PanelWords]) -> ScenePanel:
    """A small 3D scene that turns with the others. For the arguments see `scene`."""
    return {"id": id_, "kind": "mini", "title": title, "layers": [*layers], **words}
