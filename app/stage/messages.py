"""Messages of the stage's browser side, checked by type and range: their sender is not trusted."""

from __future__ import annotations

import logging
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import InvalidInput
from diffpose_core.words import quoted, short

#: Limits of an animation: pictures, bytes of all of them, and milliseconds that each is shown.
MOST_PICTURES, MOST_BYTES, INTERVAL_MS = 400, 150_000_000, (5.0, 10_000.0)
_LOG = logging.getLogger(__name__)


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False, frozen=True)


class OpenView(_Message):
    """A click on a part that leads to another view.

    Attributes:
        view: Name of the view.
        frame: Number of the clip's frame to show there.
    """

    view: str
    frame: int


Length = Annotated[float, Field(ge=-1e3, le=1e3)]
Index = Annotated[int, Field(ge=0, lt=1_000_000)]


class Point(_Message):
    """A point in plot axes."""

    x: Length
    y: Length
    z: Length


class Camera(_Message):
    """The camera of the scenes, in heights of their box."""

    eye: Point
    center: Point
    up: Point


class Theme(_Message):
    """Colours of the page, as style rules write them."""

    background: str = ""
    text: str = ""
    primary: str = ""
    dark: bool = False


class FileRequest(_Message):
    """A file that the visitor wants from a stage.

    Attributes:
        id: Chosen by the browser, which finds its answer by it.
        kind: Kind of file.
        name: Name that the file is saved under.
        camera, step, frame, joint, hidden, ghosts, theme: State that a page opens in.
        pictures: Pictures of an animation, PNG in base64.
        interval_ms: Milliseconds that each picture is shown.
    """

    kind: Literal["npz", "html", "mp4", "gif"]
    id: str = Field("", max_length=40)
    name: str = Field("", max_length=500)
    camera: Camera | None = None
    step: Index | None = None
    frame: Index | None = None
    joint: Annotated[int, Field(ge=0, lt=NUM_JOINTS)] | None = None
    hidden: list[str] = Field([], max_length=200)
    ghosts: bool | None = None
    theme: Theme = Theme()
    pictures: list[str] = Field([], max_length=MOST_PICTURES)
    interval_ms: Annotated[float, Field(ge=INTERVAL_MS[0], le=INTERVAL_MS[1])] | None = None


_INTEGER = TypeAdapter(int)


def number(value: object, allowed: range) -> int | None:
    """A whole number of a range, or None for anything else, which is logged."""
    try:
        found = _INTEGER.validate_python(value, strict=True)
    except ValidationError as error:
        _ignore(_sentence(error, "number"))
        return None
    if found not in allowed:
        _ignore(f"the number should be in {allowed}, found {_shown(found)}")
        return None
    return found


def open_view(value: object, views: tuple[str, ...], frames: int) -> OpenView | None:
    """A wish to open a view, or None for one that can't be met, which is logged."""
    try:
        wish = OpenView.model_validate(value)
    except ValidationError as error:
        _ignore(_sentence(error, "wish"))
        return None
    if wish.view not in views or wish.frame not in range(frames):
        _ignore(f"no view {_shown(wish.view)} with a frame {_shown(wish.frame)}")
        return None
    return wish


def file_request(value: object) -> FileRequest:
    """A request for a file. Raises InvalidInput, with the first thing that is wrong, for anything else."""
    try:
        return FileRequest.model_validate(value)
    except ValidationError as error:
        raise InvalidInput(_sentence(error, "request")) from None


def request_id(value: object) -> str:
    """The id of a request that may be malformed otherwise; "" where it has none."""
    found = value.get("id") if isinstance(value, dict) else None
    return found if isinstance(found, str) and len(found) <= 40 else ""


def _ignore(reason: str) -> None:
    _LOG.warning("a message of the browser is ignored: %s", reason)


def _sentence(error: ValidationError, noun: str) -> str:
    """The first of pydantic's complaints in words: which part, what was expected, what was found."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:80]
    expected = first["msg"].removeprefix("Input ").removeprefix("Field ")
    return f"the {noun}{f': {place}' if place else ''} {expected}, found {_shown(first['input'])}"


def _shown(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else short(value)
