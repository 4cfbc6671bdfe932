"""Licences of packages that name none are told by their texts, and none stays unknown."""

from importlib import metadata

import pytest

from benchmarks.licences import completed, fill_in, licence_of_text, table
from tests.conftest import ROOT


def row(name, licence="UNKNOWN", text=""):
    return {"Name": name, "Version": "1.0", "License": licence, "URL": "https://example.org", "LicenseText": text}


MIT = 'Permission is hereby granted, free of charge, to any person\nTHE SOFTWARE IS PROVIDED\n"AS IS"'
BSD = "Redistribution and use in source and binary\nforms are permitted."


def test_a_licence_is_told_by_its_text():
    assert licence_of_text(MIT) == "MIT"
    assert licence_of_text(BSD) == "BSD-2-Clause" and licence_of_text(f"{BSD} Neither the name") == "BSD-3-Clause"
    assert licence_of_text((ROOT / "LICENSE").read_text()) == "Apache-2.0"
    assert licence_of_text("All rights reserved.") is None


def test_the_licence_of_a_package_without_metadata_is_known():
    package = metadata.distribution("ezc3d")
    text = package.read_text("licenses/LICENSE")
    assert text is not None and licence_of_text(text) == "MIT"


def test_every_package_and_every_component_has_one():
    rows = completed([row("a", "BSD"), row("B", text=MIT)])
    assert [found["License"] for found in rows] == ["BSD", "MIT"]
    assert table(rows).splitlines()[-1] == "| B | 1.0 | MIT | https://example.org |"
    given = [{"license": {"id": "BSD-3-Clause"}}]
    bill = {"components": [{"name": "b"}, {"name": "a", "licenses": given}]}
    fill_in(bill, rows)
    assert bill["components"][0]["licenses"] == [{"license": {"name": "MIT"}}]
    assert bill["components"][1]["licenses"] == given
    with pytest.raises(SystemExit, match="no licence is known of c"):
        completed([row("a", "BSD"), row("c", text="All rights reserved.")])
