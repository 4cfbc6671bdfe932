// The way in: Streamlit, or the page of a saved view, calls `mountStage` with the element and the data.

import "./scene.js";
import "./image.js";
import "./belief.js";
import "./mixture.js";
import "./equation.js";
import "./terms.js";
import "./ellipsoids.js";
import "./curves.js";
import "./jointbars.js";
import "./gallery.js";
import "./depth.js";
import { handleKey } from "./keys.js";
import { shared } from "./memory.js";
import { Stage } from "./stage.js";

const stages = new WeakMap();

/** Where nothing has the focus, keys go to the stage under the pointer. */
document.addEventListener("keydown", (event) => {
  const target = document.activeElement;
  if (shared.hovered && (!target || target === document.body)) handleKey(shared.hovered, event);
});

/**
 * When Python first showed this data in its place, which stands behind it; a saved page's data has no server's time.
 * @param {Component} of
 */
function shownAt({ data, setTriggerValue }) {
  if (!setTriggerValue) return 0;
  return new DataView(data.buffer, data.byteOffset + data.byteLength - 8).getFloat64(0, true);
}

/** @param {Component} component */
export default function mountStage(component) {
  const root = /** @type {HTMLElement | null} */ (component.parentElement.querySelector(".dps"));
  if (!root) return undefined;
  let stage = stages.get(root);
  if (!stage) {
    stage = new Stage(root);
    stages.set(root, stage);
  }
  stage.askFor = component.setTriggerValue; // none in a page that plays without a server
  stage.saved = component.start;
  try {
    // Two runs' data may arrive in either order while this script is being loaded: the later one stays.
    const at = component.data && component.data.byteLength ? shownAt(component) : -1;
    if (at >= stage.shownAt) {
      stage.shownAt = at;
      stage.update(component.data);
    }
  } catch (error) {
    stage.fail(error);
  }
  // Streamlit may call this for a run that a newer one has overtaken: only a stage that has left the page ends.
  return () => setTimeout(() => {
    if (!root.isConnected) { stage.destroy(); stages.delete(root); }
  }, 0);
}
