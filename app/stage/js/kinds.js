// The kinds that a header may name. Modules register what they draw; the stage looks it up here.

/** Kind of layer -> function(panel, context, layer, projection, colours). It paints below the skeletons and may return a
 *  function that paints above them.
 * @type {Record<string, LayerPainter>}
 */
export const LAYER_KINDS = {};
/** Kind of panel -> class. @type {Record<string, new (stage: Stage, spec: PanelSpec, host: HTMLElement) => Panel>} */
export const PANEL_KINDS = {};
/** Kind of chart -> class. @type {Record<string, new (stage: Stage, spec: ChartSpec, host: HTMLElement) => Chart>} */
export const CHART_KINDS = {};
