// The download menu. Pictures are made here. The server turns pictures into animations and packs pages and numbers.

import { orbit } from "./camera.js";
import { element, icon } from "./dom.js";
import { footageOf, frameNumber } from "./footage.js";
import { linkTo } from "./link.js";
import { PICTURE_MARGIN, pictureOf } from "./picture.js";

const WIDEST_ANIMATION = 1280; // pixels

const LOOP_PICTURES = 30;
const LOOP_MS = 5000; // the server shows the last picture, which is the first, for another second
const ANSWER_MS = 300000; // a busy server takes a minute for an animation; who does not want to wait can cancel

const DOWNLOADS = [
  ["png", "Picture (PNG)", "This view as it stands, with its legend and numbers"],
  ["mp4", "Animation (MP4)", "All steps or frames, from this angle: for slides and video players"],
  ["loop", "Loop of 6 seconds (GIF)", "A turn around these figures, repeated"],
  ["gif", "Animation (GIF)", "All steps or frames, from this angle: for web pages and chats"],
  ["html", "Page that plays offline (HTML)", "One file with this view, its controls and this angle; needs no network"],
  ["npz", "Numbers (npz)", "Every array of this view, with units and frame of reference in its readme"],
  ["link", "Copy link to this view", "An address that opens this clip, frame, step, angle and settings"],
];

/**
 * "walk_forward_frame12_k20.png": the clip, the view, and where it stands; what plays has no place of its own.
 * @param {Stage} stage
 * @param {string} kind
 */
function fileName(stage, kind) {
  const { axes, clip, id, shows_frame: shown } = stage.header;
  const frame = axes.frame ? axes.frame.values[stage.frame] : shown;
  const step = stage.placeText("step", stage.step).replace(" = ", "");
  const plays = kind === "mp4" || kind === "gif" ? stage.memory.axis : null;
  const place = kind === "npz" || kind === "html" ? []
    : [plays === "frame" || frame == null ? null : `frame${frame}`, plays === "step" ? "steps" : step, plays === "frame" ? "frames" : null];
  return `${[clip, id, ...place].filter(Boolean).join("_").replace(/[^A-Za-z0-9_-]+/g, "-")}.${kind}`;
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/**
 * A canvas as a PNG in base64, made at once: toBlob waits until the page rests, which it hardly does where scenes are drawn
 * without a graphics card, a second or more for every picture.
 * @param {HTMLCanvasElement} canvas
 */
function base64Of(canvas) {
  const [type, content] = canvas.toDataURL("image/png").split(";base64,");
  if (!type.endsWith("png") || !content) throw new Error(`the browser can't keep a picture of ${canvas.width} by ${canvas.height} pixels`);
  return content;
}

/** @param {HTMLCanvasElement} canvas */
const blobOf = (canvas) => new Blob([Uint8Array.from(atob(base64Of(canvas)), (c) => c.charCodeAt(0))], { type: "image/png" });

const breathe = () => new Promise((resolve) => setTimeout(resolve));

/** The "Download" button and its menu. */
export class DownloadMenu {
  /**
   * @param {Stage} stage
   * @param {HTMLElement} host
   */
  constructor(stage, host) {
    this.stage = stage;
    this.root = element("div", "dps-download", host);
    this.button = element("button", "dps-download-button", this.root);
    this.button.type = "button";
    this.button.innerHTML = `${icon("download")}<span>Download</span>`;
    this.button.title = "Save this view as a picture, an animation, a page or numbers";
    this.button.setAttribute("aria-haspopup", "menu");
    this.menu = element("div", "dps-menu", this.root);
    this.menu.setAttribute("role", "menu");
    this.menu.setAttribute("aria-label", "Download");
    this.items = DOWNLOADS.map(([kind, label, help]) => {
      const b = element("button", "", this.menu);
      b.type = "button";
      b.dataset.kind = kind;
      b.setAttribute("role", "menuitem");
      element("span", "dps-menu-label", b, label);
      element("small", "", b, help);
      b.addEventListener("click", () => this.choose(kind));
      return b;
    });
    this.status = element("div", "dps-download-status", this.root);
    this.words = element("span", "", this.status);
    this.words.setAttribute("role", "status");
    this.progress = element("progress", "", this.status);
    this.progress.setAttribute("aria-label", "Download");
    this.cancel = element("button", "", this.status, "Cancel");
    this.cancel.type = "button";
    this.cancel.addEventListener("click", () => {
      this.cancelled = true;
      this.drop?.();
      this.say("");
    });
    this.button.addEventListener("click", () => this.open(this.menu.hidden === true));
    this.root.addEventListener("keydown", (e) => this.key(e));
    this.root.addEventListener("focusout", (e) => { if (!this.root.contains(/** @type {Node | null} */ (e.relatedTarget))) this.open(false); });
    this.open(false);
    this.say("");
  }
  /** @param {boolean} on */
  open(on) {
    this.menu.hidden = !on;
    this.button.setAttribute("aria-expanded", on);
    if (!on) return;
    // The server makes all but pictures and links; a page that plays by itself has none.
    for (const b of this.items) b.hidden = !this.stage.askFor && b.dataset.kind !== "png";
    this.items[0].focus({ preventScroll: true });
  }
  /** @param {KeyboardEvent} event */
  key(event) {
    if (this.menu.hidden) return;
    const shown = this.items.filter((b) => !b.hidden);
    const at = shown.findIndex((b) => b === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (event.key === "Escape") { this.open(false); this.button.focus(); }
    else if (to != null) shown[(to + shown.length) % shown.length].focus();
    else if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    event.stopPropagation();
  }
  /**
   * Words, and how far along: a share, true where nobody knows, null where it is over.
   * @param {string} words
   * @param {number | true | null} [share]
   */
  say(words, share = null) {
    this.status.hidden = !words;
    this.words.textContent = words;
    this.progress.hidden = this.cancel.hidden = share == null;
    if (typeof share === "number") this.progress.value = share;
    else this.progress.removeAttribute("value");
    clearTimeout(this.timer);
    if (words && share == null) this.timer = setTimeout(() => this.say(""), 6000);
  }
  /** @param {string} kind */
  async choose(kind) {
    this.open(false);
    this.button.focus({ preventScroll: true });
    if (this.busy) return;
    this.busy = true;
    this.cancelled = false;
    this.drop = null;
    const { stage } = this;
    stage.stop();
    try {
      if (kind === "png") await this.picture();
      else if (kind === "link") await this.link();
      else if (kind === "loop") await this.ask("gif", await this.loop());
      else await this.ask(kind, kind === "mp4" || kind === "gif" ? await this.animation() : {});
    } catch (error) {
      this.say(`This could not be made: ${/** @type {Error} */ (error).message}`);
    }
    this.busy = false;
  }
  async picture() {
    const ratio = Math.max(2, window.devicePixelRatio || 1);
    const canvas = this.stage.at({}, ratio, () => pictureOf(this.stage, ratio));
    save(blobOf(canvas), fileName(this.stage, "png"));
    this.say("Picture saved");
  }
  async link() {
    await navigator.clipboard.writeText(linkTo(this.stage));
    this.say("Link copied");
  }
  /** Pictures of the whole axis that plays, from one camera, and how long each is shown. */
  async animation() {
    const { stage } = this;
    const { axis } = stage.memory;
    const { camera } = stage;
    const pictures = await this.draw(stage.count(axis), (i) => ({ camera, [axis]: i }));
    return { pictures, interval_ms: stage.timeline.interval() / stage.memory.speed };
  }
  /** Pictures from all around, as the figures stand. */
  async loop() {
    const { camera } = this.stage;
    const pictures = await this.draw(LOOP_PICTURES, (i) => ({ camera: orbit(camera, (2 * Math.PI * (i + 1)) / LOOP_PICTURES, 0) }));
    const name = fileName(this.stage, "gif").replace(/[^_]*\.gif$/, "around.gif");
    return { pictures, interval_ms: LOOP_MS / LOOP_PICTURES, name };
  }
  /**
   * Pictures of the stage. place: what it shows in the i-th.
   * @param {number} count
   * @param {(i: number) => { camera: Camera, step?: number, frame?: number }} place
   */
  async draw(count, place) {
    const { stage } = this;
    const ratio = Math.min(2, WIDEST_ANIMATION / (stage.grid.getBoundingClientRect().width + 2 * PICTURE_MARGIN));
    const pictures = [];
    const canvas = document.createElement("canvas"); // one for all: fifty of them fill the memory before they are let go
    for (let i = 0; i < count && !this.cancelled; i++) {
      this.say(`Drawing ${i + 1} of ${count}`, i / count);
      await breathe();
      const here = place(i);
      // A film has every picture of the video, however fast it is drawn.
      await footageOf(stage.header.source)?.whenReady(frameNumber(stage, here.frame));
      stage.at(here, ratio, () => pictureOf(stage, ratio, { extras: false, even: true, canvas }));
      pictures.push(base64Of(canvas));
    }
    return pictures;
  }
  /**
   * Have the server make a file; it comes back as an event.
   * @param {string} kind
   * @param {object} words
   */
  async ask(kind, words) {
    if (this.cancelled) return;
    const { stage } = this;
    const { background, text, dark } = stage.theme;
    const id = `${Date.now()}`;
    this.say(kind === "npz" ? "Packing the numbers" : kind === "html" ? "Packing the page" : "Putting the animation together", true);
    const answer = new Promise((/** @type {(file: MadeFile | null) => void} */ resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("the server did not answer")), ANSWER_MS);
      /** @param {MadeFile} file */
      this.arrived = (file) => { if (file.id === id) { clearTimeout(timer); resolve(file); } };
      // The answer of a server that was told to stop is not waited for.
      this.drop = () => { clearTimeout(timer); stage.askFor?.("cancel", id); resolve(null); };
    });
    stage.askFor?.("file", {
      id, kind, name: fileName(stage, kind), camera: stage.camera, step: stage.step, frame: stage.frame,
      hidden: [...stage.memory.hidden], ghosts: stage.memory.ghosts, joint: stage.memory.joint,
      theme: { background, text, dark, primary: getComputedStyle(stage.root).getPropertyValue("--accent").trim() },
      ...words,
    });
    const file = await answer;
    if (this.cancelled || !file) return;
    if (file.error) throw new Error(file.error);
    save(new Blob([file.content], { type: file.type }), file.name);
    this.say(`${file.name} saved`);
  }
}
