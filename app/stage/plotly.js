// Plotly, from the server's static files, once for all stages of a page.

function loadPlotly() {
  if (window.Plotly && window.Plotly.react) return Promise.resolve();
  if (!window.__diffposePlotly) {
    window.__diffposePlotly = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL("app/static/plotly.min.js", document.baseURI).href;
      script.onload = () => resolve();
      script.onerror = () => reject(new Error(`could not load ${script.src}`));
      document.head.appendChild(script);
    });
  }
  return window.__diffposePlotly;
}
