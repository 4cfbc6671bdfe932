// Brings the pictures of a video to the page, once.

import { Footage } from "./footage.js";

/** @param {Component} of */
export default function bring({ data, parentElement }) {
  const holder = parentElement.querySelector(".dps-footage");
  if (!holder || !data || !data.byteLength) return;
  const footage = new Footage(data.slice());
  if (holder.footage?.source === footage.source) return;
  holder.footage = footage;
  for (const stage of document.querySelectorAll(".dps")) stage.dispatchEvent(new CustomEvent("dps-footage"));
}
