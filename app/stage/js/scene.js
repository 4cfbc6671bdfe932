// A 3D scene: the floor and the moving figures, seen by the stage's camera.

import { asBodies, MOST_BODIES, paintFaintBodies } from "./bodies.js";
import { drawing, fitCanvas } from "./canvas.js";
import { bodyItems, drawCloud, drawRings, drawShadow, paintItems, skeletonItems } from "./figures.js";
import { paintFloor } from "./floor.js";
import { LAYER_KINDS, PANEL_KINDS } from "./kinds.js";
import { FlatPanel } from "./panel.js";
import { Mouse, Touch } from "./pointer.js";
import { fittingLens, makeProjection, projectPoses } from "./projection.js";
import { jointLabel, JOINTS } from "./skeleton.js";
import { drawPath, ghostItems } from "./tracks.js";

/**
 * What a picture depends on besides where the timeline stands: where nothing of it changed, it need not be painted again.
 * @param {Stage} stage
 * @param {unknown[]} more
 */
export function lookOf(stage, more) {
  const { hidden, ghosts, joint } = stage.memory;
  return JSON.stringify([stage.camera, [...hidden], ghosts, joint, stage.themeKey, stage.header.hash, asBodies(), ...more]);
}

/**
 * Where people are drawn in a scene of this size: the same from all sides, so that linked scenes agree.
 * @param {Stage} stage
 * @param {number} width
 * @param {number} height
 */
function projectionOf(stage, width, height) {
  const small = height < 190 || width < 150;
  const margins = small ? { top: 4, bottom: 6, side: 3 } : { top: 8, bottom: 12, side: 8 };
  const lens = fittingLens(stage.camera, stage.header.bounds, stage.rings, width, height, margins);
  return makeProjection(stage.camera, stage.header.bounds, width, height, lens);
}

/**
 * Whether a person is there at a time: who is not has no places.
 * @param {Numbers} values
 */
const isThere = (values) => Number.isFinite(values[0]);

/** One painting of a scene: what it is painted on and for whom, at which frame and step. */
class Painting {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Owner} owner
   * @param {LayerSpec[]} layers
   * @param {number} width
   * @param {number} height
   * @param {number} frame
   * @param {number} step
   * @param {boolean} small
   */
  constructor(canvas, owner, layers, width, height, frame, step, small) {
    const { stage } = owner;
    this.owner = owner;
    this.stage = stage;
    this.width = width;
    this.height = height;
    this.frame = frame;
    this.step = step;
    this.small = small;
    this.context = fitCanvas(canvas, width, height);
    this.projection = projectionOf(stage, width, height);
    this.visible = (layers || []).filter((l) => !stage.memory.hidden.has(l.label));
    // Ghosts and paths are those of the timeline's place.
    this.bodies = asBodies() && !this.hidesMuch();
    this.here = frame === stage.frame && step === stage.step;
  }
  /** Whether bodies would hide what a scene is about: a cloud of many poses, figures in one place, or a single joint. */
  hidesMuch() {
    const { arrays, closeUp } = this.stage;
    const many = this.visible.some((l) => l.kind === "cloud" && arrays[l.array].length("sample") > MOST_BODIES);
    const figures = this.visible.filter((l) => l.kind === "skeleton" && !l.under && l.opacity !== 0);
    return many || (figures.length > 1 && !figures.every((l) => l.apart)) || closeUp;
  }
  /** @param {LayerSpec} layer */
  at(layer) { return this.stage.arrays[layer.array].at(this.frame, this.step); }
  /** @param {LayerSpec} layer */
  moves(layer) { return this.stage.arrays[layer.array]?.axes.includes("step"); }
  /**
   * @param {Canvas2D} onto
   * @param {LayerSpec} layer
   */
  shadow(onto, layer) {
    if (layer.kind !== "skeleton" || layer.shadow === false || !isThere(this.at(layer))) return;
    drawShadow(onto, this.at(layer), this.projection, this.stage.header.bounds.floor, this.stage.theme);
  }
  /**
   * @param {Canvas2D} onto
   * @param {LayerSpec} layer
   */
  cloud(onto, layer) {
    const colours = this.stage.theme.palette(layer.palette);
    const values = this.at(layer);
    const samples = values.length / 51;
    if (this.bodies && samples <= MOST_BODIES) {
      const screens = Array.from({ length: samples }, (_, s) => projectPoses(values.subarray(51 * s, 51 * s + 51), this.projection));
      paintFaintBodies(onto, screens, colours, this.projection, layer.opacity || 1);
      return;
    }
    drawCloud(onto, projectPoses(values, this.projection), colours, layer.opacity || 1);
  }
  /** Floor, shadows, and clouds that stand still while others move: those are painted once, not at every step. */
  ground() {
    const { stage, owner, width, height } = this;
    const firstMoving = this.visible.findIndex((l) => l.kind !== "cloud" || this.moves(l));
    if (firstMoving <= 0 || !this.visible.some((l) => this.moves(l))) {
      paintFloor(this.context, this.projection, stage, this);
      for (const layer of this.visible) this.shadow(this.context, layer);
      return;
    }
    const [still, rest] = [this.visible.slice(0, firstMoving), this.visible.slice(firstMoving)];
    const look = lookOf(stage, [width, height, this.frame, drawing.ratio]);
    if (owner.stillLook !== look) {
      owner.stillLook = look;
      owner.stillCanvas ??= document.createElement("canvas");
      const below = fitCanvas(owner.stillCanvas, width, height);
      paintFloor(below, this.projection, stage, this);
      for (const layer of rest) if (!this.moves(layer)) this.shadow(below, layer);
      for (const layer of still) this.cloud(below, layer);
    }
    if (owner.stillCanvas) this.context.drawImage(owner.stillCanvas, 0, 0, width, height);
    for (const layer of rest) if (this.moves(layer)) this.shadow(this.context, layer);
    this.visible = rest;
  }
  /**
   * @param {LayerSpec} layer
   * @param {Palette} colours
   * @param {Item[]} items
   */
  skeleton(layer, colours, items) {
    const { stage, owner, projection } = this;
    const values = this.at(layer);
    if (!isThere(values)) return;
    const screen = projectPoses(values, projection);
    if (this.here && stage.memory.ghosts) ghostItems(stage, layer, projection, colours, items);
    if (this.bodies && layer.opacity !== 0) bodyItems(screen, colours, layer, projection, stage.theme, items);
    else skeletonItems(screen, colours, layer, projection, items);
    for (let j = 0; j < JOINTS && layer.opacity !== 0; j++) {
      /** @param {number} i */
      const metres = (i) => values[3 * j + i].toFixed(2);
      // Plot axes are (x, z, -y) of the camera frame.
      const y = (-values[3 * j + 2]).toFixed(2);
      owner.targets.push({
        joint: j, x: screen[3 * j], y: screen[3 * j + 1],
        text: `${layer.label}: ${jointLabel(j)}  x ${metres(0)}  y ${y}  z ${metres(1)} m`,
      });
    }
  }
  figures() {
    const { stage, owner, context, projection } = this;
    /** @type {Item[]} */
    const items = [];
    const rings = [], above = [];
    owner.targets = [];
    for (const layer of this.visible) {
      const colours = stage.theme.palette(layer.palette);
      if (LAYER_KINDS[layer.kind]) above.push(LAYER_KINDS[layer.kind](owner, context, layer, projection, colours));
      else if (layer.kind === "cloud") this.cloud(context, layer);
      else if (layer.kind === "rings") rings.push(layer);
      else this.skeleton(layer, colours, items);
    }
    paintItems(context, items, stage.theme);
    for (const paint of above) paint?.();
    this.paths();
    for (const layer of rings) {
      const by = stage.arrays[layer.by].at(this.frame, this.step);
      drawRings(context, projectPoses(this.at(layer), projection), by, layer, stage.theme);
    }
  }
  paths() {
    const { joint } = this.stage.memory;
    if (joint == null || !this.here) return;
    for (const layer of this.visible.filter((l) => l.kind === "cloud" || l.kind === "skeleton")) {
      drawPath(this.context, this.stage, layer, joint, this.projection, this.stage.theme.palette(layer.palette));
    }
  }
}

/**
 * Paints a scene at a frame and a step. The owner, a panel or a chart, gets the shown joints as its targets.
 * @param {HTMLCanvasElement} canvas
 * @param {Owner} owner
 * @param {LayerSpec[]} layers
 * @param {number} width
 * @param {number} height
 * @param {number} frame
 * @param {number} step
 */
export function paintScene(canvas, owner, layers, width, height, frame, step, small = true) {
  const painting = new Painting(canvas, owner, layers, width, height, frame, step, small);
  painting.ground();
  painting.figures();
}

/** A scene that is turned by hand; all scenes of all stages turn with it. */
class ScenePanel extends FlatPanel {
  /**
   * @param {Stage} stage
   * @param {PanelSpec} spec
   * @param {HTMLElement} host
   */
  constructor(stage, spec, host) {
    super(stage, spec, host);
    this.canvas.classList.add("dps-over");
    /** @type {number[] | null} */
    this.pressed = null;
    this.touch = new Touch(this);
    this.mouse = new Mouse(this);
    this.body.addEventListener("pointerdown", (e) => (this.pressed = [e.clientX, e.clientY]), { capture: true });
    this.body.addEventListener("pointerup", (e) => this.released(e), { capture: true });
  }
  /**
   * A click on a joint, not the end of a drag, asks for its path, or takes it away.
   * @param {PointerEvent} event
   */
  released(event) {
    const [x, y] = this.pressed || [NaN, NaN];
    this.pressed = null;
    if (event.pointerType !== "mouse" || !(Math.hypot(event.clientX - x, event.clientY - y) < 4)) return;
    const target = this.targetAt(event);
    if (target) this.stage.track(this.stage.memory.joint === target.joint ? null : target.joint ?? null);
  }
  draw() {
    const { stage } = this;
    const [width, height] = this.size();
    paintScene(this.canvas, this, this.spec.layers, width, height, stage.frame, stage.step, height < 190 || width < 240);
    this.body.joints = this.targets; // where the figures are, for whoever looks at the page from outside
    const { eye } = stage.camera;
    this.root.dataset.eye = [eye.x, eye.y, eye.z].map((v) => v.toFixed(4)).join(" ");
    this.root.dataset.ready = "true";
    this.drawReadouts();
    this.canvas.setAttribute("aria-label", `${this.spec.title}: 3D scene, drag to turn, ${stage.positionText()}`);
  }
  destroy() { this.touch.destroy(); }
}

/** A small scene that turns with the others and is not turned itself: a part of a strip, which leads to a view. */
class MiniScene extends FlatPanel {
  /**
   * @param {Stage} stage
   * @param {PanelSpec} spec
   * @param {HTMLElement} host
   */
  constructor(stage, spec, host) {
    super(stage, spec, host);
    this.look = "";
  }
  draw() {
    const { stage } = this;
    const [width, height] = this.size();
    const moves = this.spec.layers.some((l) => stage.arrays[l.array].axes.includes("step"));
    const look = lookOf(stage, [width, height, stage.frame, moves ? stage.step : null]);
    if (look === this.look) return;
    this.look = look;
    paintScene(this.canvas, this, this.spec.layers, width, height, stage.frame, stage.step);
    this.drawReadouts();
    this.canvas.setAttribute("aria-label", `${this.spec.title}, ${stage.positionText()}`);
  }
}

PANEL_KINDS.scene = ScenePanel;
PANEL_KINDS.mini = MiniScene;
