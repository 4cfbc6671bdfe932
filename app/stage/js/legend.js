// The legend: what is drawn in which colour, as switches in a corner of the first scene. It folds away.

import { element, rich } from "./dom.js";
import { footageOf, HEAT, PICTURE } from "./footage.js";
import { ELLIPSES, RESULT } from "./image.js";
import { keep, recall } from "./memory.js";
import { JOINT_NAMES, jointLabel } from "./skeleton.js";

/** What a newcomer can't know from an entry's name. @type {Record<string, string>} */
const HELP = {
  [HEAT]: "What the detector saw: the brighter, the likelier the joint is there",
  [ELLIPSES]: "Where each joint may be: Gaussians fitted to its heatmap, or made from its confidence",
};

/**
 * What can be switched on and off in the pictures.
 * @param {PanelSpec[]} pictures
 * @param {ReturnType<typeof footageOf>} footage
 */
function keysOf(pictures, footage) {
  const mixed = pictures.some((p) => p.mixture);
  return [
    ...(footage ? [{ label: PICTURE, palette: "grey", kind: "glow" }] : []),
    ...(mixed && footage?.glows.some((glows) => glows.length) ? [{ label: HEAT, palette: "heat", kind: "glow" }] : []),
    ...(mixed ? [{ label: ELLIPSES, palette: "sides", kind: "ellipsoids" }] : []),
    ...(pictures.some((p) => p.result) ? [{ label: RESULT, palette: "teal", kind: "skeleton" }] : []),
  ];
}

export class Legend {
  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.root = element("div", "dps-legend");
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "What is shown");
    // A drag that begins on the legend turns nothing.
    this.root.addEventListener("pointerdown", (e) => e.stopPropagation());
  }
  get open() { return recall("legend", this.stage.narrow ? "closed" : "open") === "open"; }
  toggle() {
    keep("legend", this.open ? "closed" : "open");
    this.place();
  }
  /** Puts the legend above the curves beside the scenes, or without them into the first scene. */
  place() {
    const { panels, root } = this.stage;
    const shown = panels.filter((p) => !p.root.hidden);
    const { side } = this.stage;
    const scene = shown.find((p) => p.spec.kind === "scene") || shown[0];
    const host = side.hidden ? scene?.body : side;
    if (host && this.root.parentNode !== host) host.prepend(this.root);
    this.root.dataset.beside = String(host === side);
    this.root.dataset.open = String(this.open);
    this.root.inert = !this.open;
    root.querySelector(".dps-legend-button")?.setAttribute("aria-pressed", this.open);
  }
  build() {
    const { stage } = this;
    this.root.replaceChildren();
    const seen = new Set();
    const { panels, source } = stage.header;
    const pictures = panels.filter((p) => p.kind === "image" || p.kind === "belief");
    const layers = [...keysOf(pictures, pictures.length ? footageOf(source) : null), ...panels.flatMap((p) => p.layers || [])];
    for (const layer of layers) {
      if (seen.has(layer.label)) continue;
      seen.add(layer.label);
      this.addKey(layer);
    }
    this.addTracks();
    this.addSides();
    this.place();
  }
  /** @param {Pick<LayerSpec, "label" | "palette" | "kind">} layer */
  addKey(layer) {
    const { stage } = this;
    const b = element("button", "dps-key", this.root);
    b.type = "button";
    b.title = [`Show or hide: ${layer.label}`, HELP[layer.label]].filter(Boolean).join(". ");
    const colours = stage.theme.palette(layer.palette);
    const mark = element("i", `dps-mark dps-mark-${layer.kind}`, b);
    mark.style.setProperty("--a", colours[0]);
    mark.style.setProperty("--b", colours[2]);
    rich(element("span", "", b), layer.label);
    const paint = () => b.setAttribute("aria-pressed", !stage.memory.hidden.has(layer.label));
    b.addEventListener("click", () => {
      const { hidden } = stage.memory;
      if (!hidden.delete(layer.label)) hidden.add(layer.label);
      paint();
      stage.schedule();
    });
    paint();
  }
  addSides() {
    const { header, theme } = this.stage;
    const sides = element("span", "dps-sides", this.root);
    const c = theme.palette("sides");
    const bySide = header.panels.some((p) => p.kind === "image" || (p.layers || []).some((l) => l.palette === "sides"));
    for (const [name, i, cls] of /** @type {[string, number, string][]} */ ([["left", 0, "dash"], ["right", 2, ""]])) {
      const s = element("span", "", sides);
      const m = element("i", cls, s);
      m.style.color = bySide ? c[i] : theme.label;
      s.append(name);
    }
  }
  /** Layers of poses that change with the step: they have earlier steps and paths. */
  stepped() {
    const { header, arrays } = this.stage;
    return header.panels.flatMap((p) => (p.kind === "scene" ? p.layers || [] : []))
      .filter((l) => (l.kind === "cloud" || l.kind === "skeleton") && arrays[l.array].axes.includes("step"));
  }
  /** Switches for the way through the steps: earlier poses, and the path of one joint. */
  addTracks() {
    this.jointPicker = null;
    if (!this.stepped().length || this.stage.closeUp) return;
    const { stage } = this;
    const { memory } = stage;
    const ghosts = element("button", "dps-key dps-ghosts", this.root, "Earlier steps");
    ghosts.type = "button";
    ghosts.title = "Keep the poses of earlier steps visible, the older the fainter";
    const paint = () => ghosts.setAttribute("aria-pressed", memory.ghosts);
    ghosts.addEventListener("click", () => { memory.ghosts = !memory.ghosts; paint(); stage.schedule(); });
    paint();
    const picker = element("select", "dps-select dps-joint", this.root);
    this.jointPicker = picker;
    picker.title = "Draw a joint's path through all steps; clicking a joint in a scene does the same";
    picker.setAttribute("aria-label", "Path of a joint through the steps");
    for (const [value, name] of [["", "Path of a joint"], ...JOINT_NAMES.map((_, j) => [String(j), `Path: ${jointLabel(j)}`])]) {
      element("option", "", picker, name).value = value;
    }
    picker.value = String(memory.joint ?? "");
    picker.addEventListener("change", () => this.track(picker.value === "" ? null : Number(picker.value)));
  }
  /** @param {number | null} joint */
  track(joint) {
    if (!this.jointPicker) return;
    this.stage.memory.joint = joint;
    this.jointPicker.value = String(joint ?? "");
    this.stage.schedule();
  }
}
