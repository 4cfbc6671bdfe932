import assert from "node:assert/strict";
import test from "node:test";

import { keepHistory, viewOf } from "../../app/stage/js/page.js";

/** A window with a history that keeps what is written. */
function fakeWindow(address) {
  const written = [], listeners = [];
  const place = { location: { href: address }, addEventListener: (_, action) => listeners.push(action) };
  const write = (kind) => (data, title, url) => { written.push(kind); place.location.href = url; };
  place.history = { replaceState: write("replace"), pushState: write("push") };
  return { place, written, pop: (url) => { place.location.href = url; listeners.forEach((l) => l()); } };
}

test("another view is a new place of the history, another setting is not", () => {
  const { place, written } = fakeWindow("http://x/");
  keepHistory(place, { view: "Overview", going: false });
  place.history.replaceState(null, "", "http://x/?steps=2");
  place.history.replaceState(null, "", "http://x/?view=Reverse&steps=2");
  place.history.replaceState(null, "", "http://x/?view=Reverse&steps=5");
  assert.deepEqual(written, ["replace", "push", "replace"]);
});

test("going back opens the view of that place and adds none", () => {
  const { place, written, pop } = fakeWindow("http://x/?view=Reverse");
  const opened = [];
  const state = { view: "Reverse", going: false, open: (view) => opened.push(view) };
  keepHistory(place, state);
  pop("http://x/");
  assert.deepEqual(opened, ["Overview"]);
  place.history.replaceState(null, "", "http://x/?view=Reverse");
  assert.deepEqual(written, ["replace"]);
});

test("an address without a view shows the first", () => {
  assert.equal(viewOf("http://x/?clip=a"), "Overview");
});
