// Makes elements, text with subscripts, and icon buttons.

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} [className]
 * @param {Element | null} [parent]
 * @param {string | number | null} [text]
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, className, parent, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text != null) node.textContent = String(text);
  if (parent) parent.appendChild(node);
  return node;
}

/**
 * Text cut at the paper's subscripts: "with f_ST" gives [["with f", false], ["ST", true]].
 * @param {string} text
 */
export function richParts(text) {
  /** @type {[string, boolean][]} */
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(/\b([A-Za-z])_([A-Za-z0-9]+)/g)) {
    parts.push([text.slice(last, match.index) + match[1], false], [match[2], true]);
    last = match.index + match[0].length;
  }
  if (last < text.length) parts.push([text.slice(last), false]);
  return parts;
}

/**
 * Text with the paper's subscripts: f_ST and h_0 get real ones.
 * @param {Element} node
 * @param {string} text
 */
export function rich(node, text) {
  node.replaceChildren();
  for (const [part, low] of richParts(text)) {
    if (low) element("sub", "", node, part);
    else node.append(part);
  }
}

/** @type {Record<string, string>} */
const ICONS = {
  first: '<path d="M5 4h2.4v12H5zM16 4v12l-8-6z"/>',
  back: '<path d="M13.5 4v12l-8-6z"/>',
  play: '<path d="M6 3.6v12.8l10.4-6.4z"/>',
  pause: '<path d="M5.4 4h3.2v12H5.4zM11.4 4h3.2v12h-3.2z"/>',
  next: '<path d="M6.5 4v12l8-6z"/>',
  last: '<path d="M12.6 4H15v12h-2.4zM4 4v12l8-6z"/>',
  loop: '<path d="M10 4.2V1.6l4 3.7-4 3.7V6.4a4.1 4.1 0 1 0 4.1 4.1h2.2A6.3 6.3 0 1 1 10 4.2z"/>',
  stacked: '<path d="M3 3h14v6H3zM3 11h14v6H3z"/>',
  beside: '<path d="M3 4h6v12H3zM11 4h6v12h-6z"/>',
  plus: '<path d="M9 4h2v5h5v2h-5v5H9v-5H4V9h5z"/>',
  minus: '<path d="M4 9h12v2H4z"/>',
  body: '<path d="M10 1.8a2.3 2.3 0 1 1 0 4.6 2.3 2.3 0 0 1 0-4.6zM5.2 7.4h9.6a1.2 1.2 0 0 1 0 2.4h-2.3v7.4a1.1 1.1 0 0 1-2.2 0v-4h-.6v4a1.1 1.1 0 0 1-2.2 0V9.8H5.2a1.2 1.2 0 0 1 0-2.4z"/>',
  close: '<path d="M5.4 4 10 8.6 14.6 4 16 5.4 11.4 10l4.6 4.6-1.4 1.4L10 11.4 5.4 16 4 14.6 8.6 10 4 5.4z"/>',
  only: '<path d="M11.5 3H17v5.5h-2V6.4l-3.6 3.6-1.4-1.4L13.6 5h-2.1zM8.6 10 10 11.4 6.4 15h2.1v2H3v-5.5h2v2.1z"/>',
  legend: '<path d="M3 4h4v3H3zM9 4.7h8v1.6H9zM3 8.5h4v3H3zM9 9.2h8v1.6H9zM3 13h4v3H3zM9 13.7h8v1.6H9z"/>',
  camera: '<path d="M7.2 4h5.6l1.1 2H17a1 1 0 0 1 1 1v8.5a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1h3.1zM10 7.6a3.4 3.4 0 1 0 0 6.8 3.4 3.4 0 0 0 0-6.8zm0 1.7a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.4z"/>',
  book: '<path d="M10 2a8 8 0 1 0 0 16 8 8 0 0 0 0-16zm0 1.8a6.2 6.2 0 1 1 0 12.4 6.2 6.2 0 0 1 0-12.4zM9 8.6h2V14H9zM9 5.6h2v2H9z"/>',
  full: '<path d="M3 3h5v2H5v3H3zM12 3h5v5h-2V5h-3zM3 12h2v3h3v2H3zM15 12h2v5h-5v-2h3z"/>',
  help: '<path d="M2.5 5h15a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1zm.8 1.8v6.4h13.4V6.8zM5 8h1.6v1.6H5zm3 0h1.6v1.6H8zm3 0h1.6v1.6H11zm3 0h1.6v1.6H14zM6 10.8h8v1.4H6z"/>',
  download: '<path d="M9 3h2v7.2l2.8-2.8 1.4 1.4L10 14 4.8 8.8l1.4-1.4L9 10.2zM4 15.5h12v1.8H4z"/>',
};

/** @param {string} name */
export const icon = (name) => `<svg viewBox="0 0 20 20" width="18" height="18" fill="currentColor" aria-hidden="true">${ICONS[name]}</svg>`;

/**
 * A button that shows an icon and is named by its title.
 * @param {Element} parent
 * @param {string} name
 * @param {string} title
 * @param {(event: MouseEvent) => void} action
 */
export function iconButton(parent, name, title, action, className = "dps-icon") {
  const button = element("button", className, parent);
  button.innerHTML = icon(name);
  button.type = "button";
  button.title = title;
  button.setAttribute("aria-label", title);
  button.addEventListener("click", action);
  return button;
}
