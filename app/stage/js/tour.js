// Five hints on the first visit, in the line above the scenes. They can be dismissed for good.

import { element, iconButton } from "./dom.js";
import { keep, live, recall } from "./memory.js";

/** What each hint says, and what it points to. */
export const HINTS = [
  ["Drag a scene to turn it: all scenes turn together.", ".dps-grid"],
  ["Press play, or drag the slider, to watch the diffusion step by step.", ".dps-play"],
  ["Drag along the lower track to go to another frame of the clip.", ".dps-row-frame"],
  ["This button explains the view and shows its equation.", ".dps-explain-button"],
  ["Keep what you see: a picture, a loop or a link. Press ? for all keys.", ".dps-download-button"],
];

const touring = { at: 0 };

/** Whether there is a hint to show. */
export const hintsLeft = () => recall("tour", "new") !== "done" && touring.at < HINTS.length;

function finish() {
  keep("tour", "done");
  touring.at = HINTS.length;
}

/**
 * Shows the hint in a stage's line, or takes it away.
 * @param {Stage} stage
 */
export function showHint(stage) {
  stage.root.querySelectorAll(".dps-pointed").forEach((n) => n.classList.remove("dps-pointed"));
  stage.tour?.remove();
  stage.tour = null;
  stage.lead.hidden = hintsLeft();
  if (!hintsLeft()) return;
  const [words, target] = HINTS[touring.at];
  const line = (stage.tour = element("div", "dps-tour"));
  stage.top.prepend(line);
  line.setAttribute("role", "status");
  element("b", "", line, `${touring.at + 1} of ${HINTS.length}`);
  element("span", "", line, words);
  const next = element("button", "", line, touring.at + 1 < HINTS.length ? "Next" : "Done");
  next.type = "button";
  next.title = "The next hint";
  next.addEventListener("click", () => { touring.at += 1; if (!hintsLeft()) finish(); showHintEverywhere(); });
  iconButton(line, "close", "No more hints", () => { finish(); showHintEverywhere(); }, "dps-icon dps-tour-close");
  stage.root.querySelector(target)?.classList.add("dps-pointed");
}

function showHintEverywhere() {
  for (const stage of live) if (stage.header) showHint(stage);
}
