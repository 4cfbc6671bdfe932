// The live camera: a picture goes to the app, its pose comes back and is drawn. One picture is on its way at a time.

import "../stage/js/scene.js";
import "../stage/js/image.js";
import { element } from "../stage/js/dom.js";
import { viewOf } from "../stage/js/page.js";
import { Stage } from "../stage/js/stage.js";
import { Rate, sentSize, whyNoCamera } from "./camera_live.js";
import { LiveLink } from "./link_live.js";

const QUALITY = 0.8;
const LEAST_MS = 33; // between two pictures

class Live {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    const bar = /** @type {HTMLElement} */ (root.querySelector(".dps-live-bar"));
    this.stageRoot = /** @type {HTMLElement} */ (root.querySelector(".dps"));
    this.startButton = this.button(bar, "dps-live-start", () => (this.on ? this.stop() : this.start()));
    this.keepButton = this.button(bar, "dps-live-keep", () => { this.ask?.("keep", true); this.stop(); });
    this.words = element("p", "dps-live-words", bar);
    this.words.setAttribute("role", "status");
    this.stage = new Stage(this.stageRoot);
    this.video = document.createElement("video");
    this.video.muted = this.video.playsInline = true;
    this.shot = document.createElement("canvas"); // the picture that is on its way
    this.shown = document.createElement("canvas"); // the one whose pose is drawn
    this.rate = new Rate();
    /** @type {MediaStream | null} */
    this.media = null;
    /** @type {LiveLink | null} */
    this.link = null;
    /** @type {Ask | undefined} */
    this.ask;
    this.token = "";
    this.port = 0;
    this.taken = 0; // when the picture that is on its way was taken
    this.on = false;
    this.keptSeconds = 0;
    this.root.classList.add("dps-footage");
    // The stage draws this picture under the 2D pose, as it draws a video's.
    this.root.footage = {
      source: "live",
      glows: [],
      at: () => (this.shown.width > 1 ? this.shown : null),
      heatAt: () => [],
      whenReady: async () => {},
    };
    this.shown.width = 1;
    this.mark();
  }
  /**
   * @param {HTMLElement} host
   * @param {string} className
   * @param {() => void} action
   */
  button(host, className, action) {
    const button = element("button", `dps-live-button ${className}`, host);
    button.type = "button";
    button.addEventListener("click", action);
    return button;
  }
  /** @param {Component<LiveData>} of */
  update({ data, setTriggerValue }) {
    this.ask = setTriggerValue;
    const bytes = Uint8Array.from(atob(data.stage), (c) => c.charCodeAt(0));
    const begun = !!this.stage.header;
    this.stage.update(bytes);
    if (!begun) this.nobody();
    const moved = this.token !== "" && this.token !== data.token;
    [this.token, this.port] = [data.token, data.port];
    if (moved && this.on) this.connect(); // other settings: the camera goes on with them
  }
  mark() {
    this.startButton.textContent = this.on ? "Stop the camera" : "Start the camera";
    this.startButton.dataset.main = String(!this.on);
    this.startButton.title = this.on ? "The camera goes off" : "The browser asks before it gives the camera";
    const seconds = Math.floor(this.keptSeconds);
    this.keepButton.textContent = seconds ? `Keep the last ${seconds} s as a clip` : "Keep the last seconds as a clip";
    this.keepButton.disabled = seconds < 1;
    this.keepButton.title = "Stop, and open what the camera saw last as a clip of yours, in all views";
    this.root.dataset.on = String(this.on);
  }
  /**
   * @param {string} words
   * @param {boolean} [wrong]
   */
  say(words, wrong = false) {
    this.words.textContent = words;
    this.words.dataset.wrong = String(wrong);
  }
  async start() {
    this.on = true;
    this.say("Asking for the camera");
    this.mark();
    try {
      if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
      const media = await navigator.mediaDevices.getUserMedia({ audio: false, video: { width: { ideal: 640 }, height: { ideal: 480 } } });
      if (!this.on || !this.root.isConnected) { media.getTracks().forEach((t) => t.stop()); return; }
      this.media = media;
      media.getTracks()[0].addEventListener("ended", () => this.stop("The camera was taken away.", true));
      this.video.srcObject = media;
      await this.video.play();
      this.connect();
    } catch (error) {
      this.stop(whyNoCamera(error), true);
    }
  }
  /**
   * @param {string} [words]
   * @param {boolean} [wrong]
   */
  stop(words = "", wrong = false) {
    this.on = false;
    this.link?.close();
    this.link = null;
    this.media?.getTracks().forEach((track) => track.stop());
    this.media = this.video.srcObject = null;
    this.rate = new Rate();
    this.say(words, wrong);
    this.mark();
  }
  connect() {
    this.link?.close();
    this.say("Loading the detector");
    this.link = new LiveLink(`ws://127.0.0.1:${this.port}/live`, this.token, {
      ready: () => { this.say(""); this.capture(); },
      answer: (answer) => this.answered(answer),
      closed: (words) => this.stop(words, true),
    });
  }
  /** Sends the camera's picture as it is now. */
  capture() {
    const { video, shot, link } = this;
    if (!this.on || !link) return;
    // Streamlit takes the last view's elements away when the next one is through.
    if (!this.root.isConnected || viewOf(window.location.href) !== "Live") { this.stop(); return; }
    const [width, height] = sentSize(video.videoWidth || 640, video.videoHeight || 480);
    [shot.width, shot.height] = [width, height];
    /** @type {Canvas2D} */ (shot.getContext("2d", { willReadFrequently: true })).drawImage(video, 0, 0, width, height);
    this.taken = performance.now();
    // Not toBlob: that waits until the page has nothing else to do.
    link.send(Uint8Array.from(atob(shot.toDataURL("image/jpeg", QUALITY).split(",")[1]), (c) => c.charCodeAt(0)));
  }
  /**
   * Sends the next picture, and draws this one's pose while the app works on that.
   * @param {LiveAnswer} answer
   */
  answered(answer) {
    const { taken } = this;
    [this.shot, this.shown] = [this.shown, this.shot];
    const wait = LEAST_MS - (performance.now() - taken);
    if (wait > 0) setTimeout(() => this.capture(), wait);
    else this.capture();
    this.draw(answer, taken);
  }
  /**
   * @param {LiveAnswer} answer
   * @param {number} taken
   */
  draw(answer, taken) {
    const { arrays, header } = this.stage;
    const image = header.panels[0];
    const { width, height } = this.shown;
    image.image_px = [width, height];
    [image.half_u_px, image.half_px] = [width / 2, height / 2];
    arrays.centre.values.set([width / 2, height / 2]);
    const wide = String(width > height);
    if (this.root.dataset.wide !== wide) {
      this.root.dataset.wide = wide;
      this.stage.layout.arrange();
    }
    if (answer.points && answer.pose && answer.hypotheses && answer.confidence) {
      arrays.points.values.set(answer.points);
      arrays.confidence.values.set(answer.confidence);
      arrays.pose.values.set(answer.pose);
      if (answer.hypotheses.length === arrays.hypotheses.values.length) arrays.hypotheses.values.set(answer.hypotheses);
      arrays.error.values[0] = answer.error_mm ?? NaN;
      if (this.words.textContent === NOBODY) this.say("");
    } else this.nobody(true);
    this.stage.refresh();
    const now = performance.now();
    this.rate.add(now);
    arrays.rate.values[0] = this.rate.value;
    arrays.latency.values[0] = now - taken;
    this.report(answer, now - taken);
    if (Math.floor(answer.kept_s) !== Math.floor(this.keptSeconds)) {
      this.keptSeconds = answer.kept_s;
      this.mark();
    }
  }
  /**
   * What was measured, for whoever looks at the page from outside.
   * @param {LiveAnswer} answer
   * @param {number} latency
   */
  report(answer, latency) {
    const { root } = this;
    root.dataset.poses = String(Number(root.dataset.poses || 0) + (answer.pose ? 1 : 0));
    root.dataset.measured = JSON.stringify({ ...answer, points: undefined, pose: undefined, hypotheses: undefined, confidence: undefined,
      rate: this.rate.value, latency_ms: latency });
  }
  /** Shows no pose. @param {boolean} [said] */
  nobody(said = false) {
    const { arrays } = this.stage;
    for (const name of ["points", "pose", "hypotheses", "error"]) arrays[name].values.fill(NaN);
    if (said) this.say(NOBODY);
  }
  destroy() {
    this.stop();
    this.stage.destroy();
  }
}

const NOBODY = "Nobody is found: step back until you are seen from head to foot.";

/** @type {WeakMap<HTMLElement, Live>} */
const lives = new WeakMap();

/** @param {Component<LiveData>} component */
export default function mountLive(component) {
  const root = /** @type {HTMLElement | null} */ (component.parentElement.querySelector(".dps-live"));
  if (!root || !component.data) return undefined;
  const live = lives.get(root) ?? new Live(root);
  lives.set(root, live);
  live.update(component);
  return () => setTimeout(() => {
    if (!root.isConnected) { live.destroy(); lives.delete(root); }
  }, 0);
}
