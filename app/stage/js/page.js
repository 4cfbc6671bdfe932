// The page as a whole: every view is a place of the browser's history, and style rules know the theme.

import { readTheme } from "./theme.js";

const FIRST = "Overview";

/**
 * The view that an address shows.
 * @param {string} address
 */
export const viewOf = (address) => new URL(address, "http://x").searchParams.get("view") || FIRST;

/**
 * Lets another view add to the history, where Streamlit alone would overwrite the last entry.
 * place: the window. state.going: whether the person goes back or forward just now.
 * @param {Window} place
 * @param {PageState} state
 */
export function keepHistory(place, state) {
  const { history } = place;
  const replace = history.replaceState;
  /**
   * @param {unknown} data
   * @param {string} title
   * @param {string | URL | null} url
   */
  history.replaceState = function replaceOrPush(data, title, url) {
    const moves = url != null && viewOf(String(url)) !== viewOf(place.location.href);
    const write = moves && !state.going ? history.pushState : replace;
    return write.call(history, data, title, url);
  };
  place.addEventListener("popstate", () => {
    const view = viewOf(place.location.href);
    if (view === state.view) return;
    state.going = true;
    state.open?.(view);
  });
}

/** @type {PageState} */
const state = { view: null, going: false };

/** @param {Component<{ view: string }>} of */
export default function mountPage({ data, setTriggerValue, parentElement }) {
  document.documentElement.dataset.dpsTheme = readTheme(parentElement).dark ? "dark" : "light";
  if (state.view == null) keepHistory(window, state);
  if (data.view === viewOf(window.location.href)) state.going = false;
  state.view = data.view;
  state.open = (view) => setTriggerValue?.("view", view);
}
