// The camera: preset views, turning it by hand, and touch. On a touch screen one finger scrolls the page, as on any page;
// two fingers turn a scene, and a tap makes the scene take one finger too, until a tap beside it or on "Done".

const PRESETS = {
  "3/4": "From the front and the side",
  Camera: "As the photo's camera sees it",
  Front: "From where the person looks in this frame",
  Side: "From the person's left in this frame",
  Top: "From above",
};
const EYE_DISTANCE = 1.62;
const HEIGHT_OF_CENTRE = -0.05;
const STEEPEST = 1.5; // radians: a view from straight above has no upright

/** Directions from the person to the eye, in plot axes. heading: the way that the person faces, [x, y]. */
function presetDirection(name, heading) {
  const [x, y] = heading;
  return { Camera: [0, -1, 0], Front: [x, y, 0.12], Side: [-y, x, 0.12], Top: [0, -0.02, 1] }[name] || [0.62, -0.9, 0.3];
}

function presetCamera(name, distance = EYE_DISTANCE, heading = [0, -1]) {
  const d = presetDirection(name, heading);
  const n = distance / Math.hypot(...d);
  return {
    eye: { x: d[0] * n, y: d[1] * n, z: d[2] * n + HEIGHT_OF_CENTRE },
    center: { x: 0, y: 0, z: HEIGHT_OF_CENTRE },
    up: { x: 0, y: 0, z: 1 },
  };
}

/** The way that a pose (17 x 3, plot axes) faces: across the line from its right to its left hip and shoulder. */
function headingOf(pose) {
  const across = (axis) => pose[3 * 1 + axis] - pose[3 * 4 + axis] + pose[3 * 14 + axis] - pose[3 * 11 + axis];
  const x = -across(1), y = across(0);
  const n = Math.hypot(x, y);
  return n > 1e-6 ? [x / n, y / n] : [0, -1];
}

const copyCamera = (c) => ({ eye: { ...c.eye }, center: { ...c.center }, up: { ...c.up } });

/** A camera turned around its centre by angles in radians and brought nearer or further by a factor. */
function orbit(camera, turn, tilt, factor = 1) {
  const { eye, center } = camera;
  const [x, y, z] = [eye.x - center.x, eye.y - center.y, eye.z - center.z];
  const flat = Math.hypot(x, y);
  const distance = Math.min(6, Math.max(0.35, Math.hypot(flat, z) * factor));
  const azimuth = Math.atan2(y, x) + turn;
  const elevation = Math.min(STEEPEST, Math.max(-STEEPEST, Math.atan2(z, flat) + tilt));
  const turned = copyCamera(camera);
  turned.eye = {
    x: center.x + distance * Math.cos(elevation) * Math.cos(azimuth),
    y: center.y + distance * Math.cos(elevation) * Math.sin(azimuth),
    z: center.z + distance * Math.sin(elevation),
  };
  turned.up = { x: 0, y: 0, z: 1 };
  return turned;
}

const TOUCH_HINT = "Two fingers turn the view, or tap it first";
let touchIsKnown = false; // who has turned a scene by touch is told nothing while scrolling

/** Touch on a scene's body. Plotly sees none of it: it would take every finger and the page could not be scrolled. */
class Touch {
  constructor(panel) {
    this.panel = panel;
    this.body = panel.body;
    this.active = false;
    this.done = element("button", "dps-done", this.body, "Done turning");
    this.done.type = "button";
    this.done.hidden = true;
    this.hint = element("p", "dps-hint", this.body, TOUCH_HINT);
    this.hint.hidden = true;
    this.done.addEventListener("click", () => this.activate(false));
    const listen = (name, action) => this.body.addEventListener(name, (e) => {
      if (e.target === this.done) return;
      e.stopPropagation();
      action(e);
    }, { capture: true, passive: false });
    listen("touchstart", (e) => this.start(e));
    listen("touchmove", (e) => this.move(e));
    listen("touchend", (e) => this.end(e));
    listen("touchcancel", (e) => this.end(e));
    this.outside = (e) => { if (this.active && !this.body.contains(e.target)) this.activate(false); };
    document.addEventListener("touchstart", this.outside, { passive: true, capture: true });
  }
  destroy() { document.removeEventListener("touchstart", this.outside, { capture: true }); }
  activate(on) {
    this.active = on;
    touchIsKnown = true;
    this.body.dataset.touch = on;
    this.done.hidden = !on;
    this.showHint(false);
  }
  showHint(on) {
    this.hint.hidden = !on;
    clearTimeout(this.hintTimer);
    if (on) this.hintTimer = setTimeout(() => (this.hint.hidden = true), 1800);
  }
  /** Middle of the fingers and how far they are apart. */
  fingers(e) {
    const t = [...e.targetTouches];
    const middle = (key) => t.reduce((sum, f) => sum + f[key], 0) / t.length;
    const apart = t.length > 1 ? Math.hypot(t[0].clientX - t[1].clientX, t[0].clientY - t[1].clientY) : 0;
    return { count: t.length, x: middle("clientX"), y: middle("clientY"), apart };
  }
  start(e) {
    this.last = this.fingers(e);
    if (e.targetTouches.length === 1) this.tap = { ...this.last, moved: false };
    else this.tap = null;
    if (e.targetTouches.length > 1) e.preventDefault();
  }
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
      const perPixel = Math.PI / this.body.clientHeight;
      const factor = now.apart && this.last.apart ? this.last.apart / now.apart : 1;
      stage.setCamera(orbit(stage.camera, (this.last.x - now.x) * perPixel, (now.y - this.last.y) * perPixel, factor));
    }
    this.last = now;
  }
  end(e) {
    if (e.type === "touchend" && this.tap && !this.tap.moved && !e.targetTouches.length) {
      this.activate(true);
      if (e.cancelable) e.preventDefault(); // no made-up mouse click, which Plotly would take as the start of a drag
    }
    if (e.targetTouches.length) this.last = this.fingers(e);
    this.tap = null;
  }
}
