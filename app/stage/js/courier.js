// Hands a file that the server made to the stage that asked for it.

/** @param {Component} of */
export default function hand({ data }) {
  if (!data || !data.byteLength) return;
  const length = new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
  const detail = { ...header, content: data.slice(4 + length) };
  const stage = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".dps")]).find((s) => s.dataset.stage === header.stage);
  stage?.dispatchEvent(new CustomEvent("dps-file", { detail }));
}
