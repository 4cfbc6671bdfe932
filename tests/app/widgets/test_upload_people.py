"""Files of several people: who is picked, joined, or shown with all the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit")

from streamlit.testing.v1 import AppTest

from app.stage.payload import unpack
from app.views import everybody
from benchmarks.pose_files import alphapose, detected, walking
from tests.app.widgets.uploading import COCO, choice, newest, own, pick, press, said, send


def test_one_of_several_people_is_picked_by_its_picture(app: AppTest) -> None:
    send(app, ("two.json", alphapose([COCO, detected(walking(5) + 150, "COCO-17")])))
    assert "2 people" in said(app)
    pick(app, "Person", "2")
    press(app, "Use this clip")
    clip = newest(app)
    assert len(clip) == 5 and clip.provenance["person"] == "2"


def test_everybody_of_a_file_is_one_scene_of_the_comparison(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    send(app, ("two.json", alphapose([COCO, detected(walking(8) + 300, "COCO-17")])))
    pick(app, "Person", "2")
    press(app, "Use this clip")
    assert list(next(iter(own(app).values())).people) == ["2", "1"]
    monkeypatch.setattr(everybody, "stage", lambda packed, key: shown.append(unpack(packed)))
    shown: list[Any] = []
    app.segmented_control(key="view").set_value("Compare").run()
    app.segmented_control(key="layout").set_value("Everybody").run()
    assert not app.exception
    ((header, arrays),) = shown
    assert [layer["label"] for layer in header["panels"][0]["layers"]] == ["Person 2", "Person 1"]
    assert arrays["person0"].shape == (8, 17, 3) and np.isfinite(arrays["person1"]).all()
    assert next(button.label for button in app.get("download_button")) == "Everybody as glTF (3D scene)"
    app.segmented_control(key="layout").set_value("Overlaid").run()
    assert not app.exception and not app.get("download_button")


def test_one_of_many_people_is_picked_from_the_list(app: AppTest) -> None:
    people = [detected(walking(10 - number) + 100 * number, "COCO-17") for number in range(8)]
    send(app, ("many.json", alphapose(people)))
    everybody = next(box for box in app.selectbox if box.label.startswith("Everybody"))
    assert len(everybody.options) == 8
    pick(app, "Person", "2")
    assert everybody.value == "2"
    everybody.set_value("8").run()
    assert choice(app, "Person").value is None, "no picture shows this person"
    press(app, "Use this clip")
    assert newest(app).provenance["person"] == "8" and len(newest(app)) == 3


def test_the_largest_of_many_people_is_among_the_pictures(app: AppTest) -> None:
    people = [detected(walking(10 - number) + 100 * number, "COCO-17") for number in range(8)]
    people[7] = people[7] * (2, 2, 1)
    send(app, ("many.json", alphapose(people)))
    shown = {words.split("**")[1]: words for words in choice(app, "Person").options}
    assert "Person 8" in shown and "Person 6" not in shown
    assert ["largest" in words for words in shown.values()].count(True) == 1 and "largest" in shown["Person 8"]


def test_a_piece_that_may_be_the_same_person_is_joined_where_it_is_chosen(app: AppTest) -> None:
    walker = detected(walking(60, 2.0), "COCO-17")
    first, second = walker.copy(), walker.copy()
    first[20:], second[:45] = np.nan, np.nan
    send(app, ("lost.json", alphapose([first, second])))
    pick(app, "Person", "1")
    (offer,) = app.multiselect
    assert offer.options == ["Person 2: frames 45 to 59"] and offer.value == []
    offer.set_value(["2"]).run()
    press(app, "Use this clip")
    clip = newest(app)
    assert len(clip) == 60 and clip.provenance["person"] == "1+2"
