// Turning a scene by hand. The mouse drags it. On a touch screen one finger scrolls the page, as on any page; two fingers
// turn a scene, and a tap lets it take one finger too, until a tap beside it or on "Done".

import { orbit } from "./camera.js";
import { element } from "./dom.js";

/** @param {Event} event */
const targetOf = (event) => /** @type {HTMLElement} */ (event.target);

const TOUCH_HINT = "Two fingers turn the view, or tap it first";
let touchIsKnown = false; // who has turned a scene by touch is told nothing while scrolling

/** A mouse on a scene's body: dragging turns every scene, the wheel with Ctrl (or a pinch) zooms. */
export class Mouse {
  /** @param {FlatPanel} panel */
  constructor(panel) {
    const { body, stage } = panel;
    /** @type {number[] | null} */
    this.at = null;
    body.addEventListener("pointerdown", (e) => {
      if (e.pointerType !== "mouse" || e.button !== 0 || targetOf(e).closest("button, select")) return;
      this.at = [e.clientX, e.clientY];
      body.setPointerCapture(e.pointerId);
      body.dataset.turning = "true";
    });
    body.addEventListener("pointermove", (e) => {
      if (!this.at || !(e.buttons & 1)) return;
      const perPixel = Math.PI / Math.max(240, body.clientHeight);
      stage.setCamera(orbit(stage.camera, (this.at[0] - e.clientX) * perPixel, (e.clientY - this.at[1]) * perPixel));
      this.at = [e.clientX, e.clientY];
    });
    const end = () => { this.at = null; delete body.dataset.turning; };
    body.addEventListener("pointerup", end);
    body.addEventListener("pointercancel", end);
    body.addEventListener("wheel", (e) => {
      if (!e.ctrlKey) return;
      e.preventDefault();
      stage.setCamera(orbit(stage.camera, 0, 0, Math.exp(e.deltaY / 300)), stage.cameraName);
    }, { passive: false });
  }
}

/** Touch on a scene's body. */
export class Touch {
  /** @param {FlatPanel} panel */
  constructor(panel) {
    this.panel = panel;
    this.body = panel.body;
    this.active = false;
    this.last = { count: 0, x: 0, y: 0, apart: 0 };
    /** @type {{ x: number, y: number, moved: boolean } | null} */
    this.tap = null;
    this.done = element("button", "dps-done", this.body, "Done turning");
    this.done.type = "button";
    this.done.hidden = true;
    this.hint = element("p", "dps-hint", this.body, TOUCH_HINT);
    this.hint.hidden = true;
    this.done.addEventListener("click", () => this.activate(false));
    /**
     * @param {string} name
     * @param {(event: TouchEvent) => void} action
     */
    const listen = (name, action) => this.body.addEventListener(name, (e) => {
      if (targetOf(e).closest("button, select, .dps-legend")) return;
      action(/** @type {TouchEvent} */ (e));
    }, { passive: false });
    listen("touchstart", (e) => this.start(e));
    listen("touchmove", (e) => this.move(e));
    listen("touchend", (e) => this.end(e));
    listen("touchcancel", (e) => this.end(e));
    /** @param {TouchEvent} e */
    this.outside = (e) => { if (this.active && !this.body.contains(targetOf(e))) this.activate(false); };
    document.addEventListener("touchstart", this.outside, { passive: true, capture: true });
  }
  destroy() { document.removeEventListener("touchstart", this.outside, { capture: true }); }
  /** @param {boolean} on */
  activate(on) {
    this.active = on;
    touchIsKnown = true;
    this.body.dataset.touch = String(on);
    this.done.hidden = !on;
    this.showHint(false);
  }
  /** @param {boolean} on */
  showHint(on) {
    this.hint.hidden = !on;
    clearTimeout(this.hintTimer);
    if (on) this.hintTimer = setTimeout(() => (this.hint.hidden = true), 1800);
  }
  /**
   * Middle of the fingers, and how far they are apart.
   * @param {TouchEvent} e
   */
  fingers(e) {
    const t = [...e.targetTouches];
    /** @param {"clientX" | "clientY"} key */
    const middle = (key) => t.reduce((sum, f) => sum + f[key], 0) / t.length;
    const apart = t.length > 1 ? Math.hypot(t[0].clientX - t[1].clientX, t[0].clientY - t[1].clientY) : 0;
    return { count: t.length, x: middle("clientX"), y: middle("clientY"), apart };
  }
  /** @param {TouchEvent} e */
  start(e) {
    this.last = this.fingers(e);
    if (e.targetTouches.length === 1) this.tap = { ...this.last, moved: false };
    else this.tap = null;
    if (e.targetTouches.length > 1) e.preventDefault();
  }
  /** @param {TouchEvent} e */
  move(e) {
    const now = this.fingers(e);
    if (this.tap && Math.hypot(now.x - this.tap.x, now.y - this.tap.y) > 8) this.tap.moved = true;
    const turns = now.count > 1 || this.active;
    if (!turns) {
      const across = this.tap && Math.abs(now.x - this.tap.x) > Math.abs(now.y - this.tap.y);
      if (this.tap?.moved && (across || !touchIsKnown)) this.showHint(true);
      return;
    }
    touchIsKnown = true;
    if (e.cancelable) e.preventDefault();
    if (now.count === this.last.count) {
      const { stage } = this.panel;
      const perPixel = Math.PI / Math.max(240, this.body.clientHeight);
      const factor = now.apart && this.last.apart ? this.last.apart / now.apart : 1;
      stage.setCamera(orbit(stage.camera, (this.last.x - now.x) * perPixel, (now.y - this.last.y) * perPixel, factor));
    }
    this.last = now;
  }
  /** @param {TouchEvent} e */
  end(e) {
    if (e.type === "touchend" && this.tap && !this.tap.moved && !e.targetTouches.length) {
      this.activate(true);
      if (e.cancelable) e.preventDefault(); // no made-up mouse click after it
    }
    if (e.targetTouches.length) this.last = this.fingers(e);
    this.tap = null;
  }
}
