// The camera's buttons: preset views, closer and further away.

import { orbit, presetCamera, PRESETS } from "./camera.js";
import { element, iconButton } from "./dom.js";
import { shared } from "./memory.js";

export class Views {
  /**
   * @param {Stage} stage
   * @param {HTMLElement} host
   */
  constructor(stage, host) {
    this.stage = stage;
    this.root = element("div", "dps-views", host);
    this.opener = iconButton(this.root, "camera", "Views", () => this.open(this.root.dataset.open !== "true"), "dps-icon dps-views-button");
    this.opener.setAttribute("aria-expanded", "false");
    this.fold = element("div", "dps-fold", this.root);
    const group = element("div", "dps-segment", this.fold);
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "View from");
    this.buttons = Object.entries(PRESETS).map(([name, title]) => {
      const b = element("button", "", group, name);
      b.type = "button";
      b.dataset.view = name;
      b.title = title;
      b.setAttribute("aria-label", `${name}: ${title}`);
      b.addEventListener("click", () => {
        stage.setCamera(presetCamera(name, this.distance(), stage.heading()), name);
        this.open(false);
      });
      return b;
    });
    for (const [glyph, factor, title] of /** @type {[string, number, string][]} */ ([["plus", 1 / 1.18, "Closer"], ["minus", 1.18, "Further away"]])) {
      iconButton(this.fold, glyph, title, () => stage.setCamera(orbit(stage.camera, 0, 0, factor), shared.view));
    }
    this.root.addEventListener("focusout", (e) => { if (e.relatedTarget && !this.root.contains(/** @type {Node} */ (e.relatedTarget))) this.open(false); });
    this.root.addEventListener("keydown", (e) => {
      if (e.key !== "Escape" || this.root.dataset.open !== "true") return;
      this.open(false);
      this.opener.focus();
      e.stopPropagation();
    });
  }
  /**
   * Where there is no room for the buttons in the row they fold out of one.
   * @param {boolean} on
   */
  open(on) {
    this.root.dataset.open = String(on);
    this.opener.setAttribute("aria-expanded", on);
  }
  distance() {
    const { eye, center } = this.stage.camera;
    return Math.hypot(eye.x - center.x, eye.y - center.y, eye.z - center.z);
  }
  mark() {
    for (const b of this.buttons) b.setAttribute("aria-pressed", b.dataset.view === shared.view);
  }
}
