// The quiet buttons above the scenes: legend, views, download, explanation, full screen and help.

import { asBodies } from "./bodies.js";
import { element, iconButton } from "./dom.js";
import { DownloadMenu } from "./download.js";
import { KEYS } from "./keys.js";
import { keep, live, recall } from "./memory.js";
import { Views } from "./views.js";

export class Tools {
  /**
   * @param {Stage} stage
   * @param {HTMLElement} host
   */
  constructor(stage, host) {
    this.stage = stage;
    this.root = element("div", "dps-tools", host);
    iconButton(this.root, "legend", "Legend (L)", () => stage.legend.toggle(), "dps-icon dps-legend-button");
    this.arrangement = element("div", "", this.root);
    this.bodyButton = iconButton(this.root, "body", "Bodies or stick figures (B)", () => this.switchFigures());
    this.views = new Views(stage, this.root);
    stage.download = new DownloadMenu(stage, this.root);
    this.explainButton = iconButton(this.root, "book", "Explanation", () => this.explain(!explained()), "dps-icon dps-explain-button");
    this.fullButton = iconButton(this.root, "full", "Full screen (F)", () => this.fullScreen(), "dps-icon dps-wide");
    iconButton(this.root, "help", "Keyboard help (?)", () => this.help(), "dps-icon dps-wide");
  }
  /**
   * Opens or closes the drawer with words and equations beside the stage; it stays so in every view.
   * @param {boolean} on
   */
  explain(on) {
    keep("explain", on ? "open" : "closed");
    showExplanation();
    if (on && this.stage.narrow) document.querySelector(".st-key-explanation")?.scrollIntoView({ block: "start", behavior: "smooth" });
  }
  mark() {
    this.bodyButton.setAttribute("aria-pressed", asBodies());
    this.explainButton.hidden = !document.querySelector(".st-key-explanation");
    this.explainButton.setAttribute("aria-pressed", explained());
    this.fullButton.hidden = !this.stage.root.requestFullscreen;
  }
  /** Bodies or stick figures, in all stages. */
  switchFigures() {
    keep("figures", asBodies() ? "sticks" : "bodies");
    for (const stage of live) {
      stage.tools.mark();
      stage.schedule();
    }
  }
  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.stage.root.requestFullscreen?.();
  }
  help() {
    if (!this.dialog) this.dialog = this.buildHelp();
    this.dialog.showModal();
  }
  buildHelp() {
    const dialog = element("dialog", "dps-help", this.stage.root);
    dialog.setAttribute("aria-label", "Keyboard help");
    element("h2", "", dialog, "Keys");
    const list = element("dl", "", dialog);
    for (const [key, words] of KEYS) {
      element("dt", "", list, key);
      element("dd", "", list, words);
    }
    const close = element("button", "", dialog, "Close");
    close.type = "button";
    close.title = "Close the help (Esc)";
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (e) => { if (e.target === dialog) dialog.close(); });
    dialog.addEventListener("keydown", (e) => e.stopPropagation());
    return dialog;
  }
}

const explained = () => recall("explain", "closed") === "open";

/** Lets the page's style rules know whether the explanation is open. */
export function showExplanation() {
  document.documentElement.dataset.explain = explained() ? "open" : "closed";
  for (const b of document.querySelectorAll(".dps-explain-button")) b.setAttribute("aria-pressed", explained());
}
