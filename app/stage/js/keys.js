// The keyboard: steps, frames, playing and turning.

import { orbit } from "./camera.js";

const TURN = Math.PI / 24;

/** What the keys do, for the help. */
export const KEYS = [
  ["Space", "Play or pause"],
  ["← →", "One diffusion step back or on"],
  ["↑ ↓", "One frame of the clip on or back"],
  ["Home, End", "First and last step"],
  ["Shift + arrows", "Turn all scenes"],
  ["F", "Full screen"],
  ["L", "Show or hide the legend"],
  ["B", "Bodies or stick figures"],
  ["?", "This help"],
];

function turnByKey(stage, event) {
  const turn = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (!turn || event.target.tagName === "INPUT") return null;
  return () => stage.setCamera(orbit(stage.camera, turn[0] * TURN, turn[1] * TURN));
}

function actionOf(stage, event) {
  const { timeline } = stage;
  if (event.key === "?") return () => stage.tools.help();
  if (event.shiftKey) return turnByKey(stage, event);
  const slider = event.target.tagName === "INPUT" && event.target.dataset.axis;
  const axis = slider || "step";
  const actions = {
    ArrowRight: () => timeline.nudge(1, axis), ArrowLeft: () => timeline.nudge(-1, axis),
    Home: () => timeline.jump(0, axis), End: () => timeline.jump(-1, axis),
    " ": () => timeline.toggle(),
    f: () => stage.tools.fullScreen(), l: () => stage.legend.toggle(), b: () => stage.tools.switchFigures(),
  };
  if (stage.header.axes.frame) {
    actions.ArrowUp = () => timeline.nudge(1, "frame");
    actions.ArrowDown = () => timeline.nudge(-1, "frame");
  }
  if (event.key === " " && event.target.tagName === "BUTTON") return null;
  return actions[event.key];
}

/** Does what a key stands for, if anything. */
export function handleKey(stage, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  const action = actionOf(stage, event);
  if (!action) return;
  event.preventDefault();
  event.stopPropagation();
  action();
}
