// The X-ray viewer: film and heatmaps on one canvas, for Streamlit components v2.
//
// Nothing the reader does is sent to the server, so it never causes a script run, save what is
// drawn where the page asks for it. Streamlit calls the default export again at reruns; what was
// set is kept per key in `memory`, and the film is unpacked again only if it is another one.
// Positions are film pixels unless named otherwise; those of regions are 0..1 of the film.
//
// What it says is English here and in viewer.html, and shown in the language of the page: `texts`
// of the header, listed in texts.py.
//
// Sections: language, payload, layers, geometry, painting, controls, drawing, input, mount.

const OF_THE_FILM = { fit: true, zoom: 1, x: 0, y: 0, preset: "delivered", window: null, invert: false };
const OF_THE_READER = {
  overlay: true, map: 0, opacity: 0.55, colormap: "inferno", layout: "overlaid", lungs: false,
};
const ZOOM_STEP = 1.25;
const MAX_ZOOM = 32; // CSS pixels for one film pixel
const SHARP_FROM = 3; // above this zoom single pixels are shown as squares
const HEAT_FROM = 0.05; // below: not drawn
const HEAT_FULL = 0.5; // from here: at the opacity of the slider
const MAX_REGIONS = 50; // this and the next as in model/reviews.py
const MAX_POINTS = 500;
const SMALLEST = 5; // CSS pixels; less is a click
const LUNGS = "#8ff0e4", REGION = "#fff"; // colours that no heat has

const memory = new Map(); // key -> what the reader set; outlives reruns and changes of page
const mounted = new WeakMap(); // parentElement -> viewer

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// ---- Language -----------------------------------------------------------------------------------

// `{name}` in a sentence stands for a value.
function say({ texts }, sentence, values = {}) {
  return (texts[sentence] ?? sentence).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// Every text and title of the template: [its English, how to set it].
function textsOf(root) {
  const found = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const place = node, [, before, english, after] = node.data.match(/^(\s*)(.*?)(\s*)$/s);
    if (english) found.push([english, (text) => { place.data = before + text + after; }]);
  }
  for (const name of ["title", "aria-label"]) {
    for (const element of [root, ...root.querySelectorAll("*")]) {
      const english = element.getAttribute(name);
      if (english) found.push([english, (text) => element.setAttribute(name, text)]);
    }
  }
  return found;
}

function translate(view, texts) {
  view.texts = texts;
  for (const [english, set] of view.template) set(say(view, english));
  if (areKeysOn()) return;
  for (const element of view.root.querySelectorAll("[title]")) { // which end with their keys
    element.title = element.title.replace(/ \([^)]*\)$/, "");
  }
}

// ---- Payload: see pages/shared/viewer/__init__.py ------------------------------------------

function unpack(bytes) {
  const headerLength = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  let at = 4 + headerLength;
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, at)));
  const [film, colormaps, ...heats] = header.parts.map((length) => bytes.subarray(at, (at += length)));
  return { header, film, colormaps, heats };
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Rows come as differences to the row above, modulo 2**bits: typed arrays wrap in the same way.
function restoreValues(raw, width, height, bits) {
  const count = width * height;
  if (raw.length !== (count * bits) / 8) throw new Error(`${raw.length} bytes for ${width} x ${height}`);
  let values = raw;
  if (bits === 16) {
    values = new Uint16Array(count);
    for (let i = 0; i < count; i++) values[i] = raw[i] | (raw[count + i] << 8);
  }
  for (let i = width; i < count; i++) values[i] += values[i - width];
  return values;
}

// ---- Layers: the film, and each heatmap on a grid finer than the eye resolves -------------------

async function openLayer(packed, [width, height], bits) {
  if (!width) return null; // a heatmap without evidence
  const levels = restoreValues(await inflate(packed), width, height, bits);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  return { levels, width, height, bits, canvas, context, pixels: context.createImageData(width, height) };
}

// u, v: 0..1 over the film.
function levelAt({ levels, width, height }, u, v) {
  return levels[Math.floor(v * height) * width + Math.floor(u * width)];
}

// One table look-up for each pixel, and only when `wanted`, which names the table, has changed.
function render(layer, wanted, colourOf) {
  if (layer.rendered === wanted) return;
  const { levels } = layer;
  const table = new Uint32Array(2 ** layer.bits).map((_, level) => colourOf(level)); // ABGR
  const out = new Uint32Array(layer.pixels.data.buffer);
  for (let i = 0; i < out.length; i++) out[i] = table[levels[i]];
  layer.context.putImageData(layer.pixels, 0, 0);
  layer.rendered = wanted;
}

function renderFilm(view) {
  const { film, state: { invert } } = view;
  const [low, high] = windowOf(view);
  render(film, `${low},${high},${invert}`, (value) => {
    const grey = Math.round(clamp((value - low) / (high - low), 0, 1) * 255);
    return 0xff000000 | ((invert ? 255 - grey : grey) * 0x010101);
  });
}

function renderHeat(view) {
  const colours = coloursOf(view);
  render(view.heat, view.state.colormap, (level) => {
    const [red, green, blue] = colours.subarray(3 * level, 3 * level + 3);
    return (Math.round(255 * heatAlpha(level / 255)) << 24) | (blue << 16) | (green << 8) | red;
  });
}

// Strong heat covers, faint heat lets the film through: a smooth step from HEAT_FROM to HEAT_FULL.
function heatAlpha(value) {
  const part = clamp((value - HEAT_FROM) / (HEAT_FULL - HEAT_FROM), 0, 1);
  return part * part * (3 - 2 * part);
}

function coloursOf({ state, header, colormaps }) {
  const start = 768 * header.colormaps.indexOf(state.colormap);
  return colormaps.subarray(start, start + 768);
}

// ---- Geometry: all panels show the same zoom and the same film point in their middle ---------

function panelsOf(view) {
  const { width, height } = view.box;
  const [filmWidth, filmHeight] = view.header.size;
  if (view.state.layout === "overlaid" || !view.heat) return [{ left: 0, top: 0, width, height, heat: true }];
  const zoomAcross = Math.min(width / 2 / filmWidth, height / filmHeight);
  const zoomStacked = Math.min(width / filmWidth, height / 2 / filmHeight);
  const across = 1.25 * zoomAcross >= zoomStacked; // one above the other only if clearly larger
  const size = across ? { width: (width - 2) / 2, height } : { width, height: (height - 2) / 2 };
  const second = across ? { left: size.width + 2, top: 0 } : { left: 0, top: size.height + 2 };
  return [{ left: 0, top: 0, ...size, heat: false }, { ...second, ...size, heat: true }];
}

function panelAt(view, point) {
  return view.panels.findLast((panel) => point.x >= panel.left && point.y >= panel.top) ?? view.panels[0];
}

function toFilm(view, point, panel = panelAt(view, point)) {
  const { x, y, zoom } = view.state;
  return {
    x: x + (point.x - panel.left - panel.width / 2) / zoom,
    y: y + (point.y - panel.top - panel.height / 2) / zoom,
  };
}

function fitZoom(view) {
  const [width, height] = view.header.size;
  return Math.min(view.panels[0].width / width, view.panels[0].height / height);
}

function settle(view) {
  const { state, header: { size: [width, height] } } = view;
  if (state.fit) Object.assign(state, { zoom: fitZoom(view), x: width / 2, y: height / 2 });
  state.x = clamp(state.x, 0, width); // the middle stays on the film, so it cannot get lost
  state.y = clamp(state.y, 0, height);
}

function zoomBy(view, factor, point) {
  const panel = point ? panelAt(view, point) : view.panels[0];
  point ??= { x: panel.left + panel.width / 2, y: panel.top + panel.height / 2 };
  const { state } = view;
  const held = toFilm(view, point, panel);
  state.zoom = clamp(state.zoom * factor, fitZoom(view) / 4, MAX_ZOOM);
  const moved = toFilm(view, point, panel);
  Object.assign(state, { fit: false, x: state.x + held.x - moved.x, y: state.y + held.y - moved.y });
  schedule(view);
}

function panBy(view, dx, dy) {
  const { state } = view;
  Object.assign(state, { fit: false, x: state.x - dx / state.zoom, y: state.y - dy / state.zoom });
  schedule(view);
}

function windowOf({ state, film }) {
  return state.window ?? film.windows[state.preset];
}

// As on a PACS workstation: across changes the width, upwards brightens.
function windowBy(view, dx, dy) {
  const [low, high] = windowOf(view);
  const step = view.film.range / 400;
  const width = Math.max(step, high - low + dx * step);
  const centre = (low + high) / 2 + dy * step;
  Object.assign(view.state, { preset: "own", window: [centre - width / 2, centre + width / 2] });
  schedule(view);
}

// ---- Painting: at most once a frame, and only after a change ----------------------------------

function schedule(view, { onlyReadout = false } = {}) {
  view.stale ||= !onlyReadout;
  view.frame ||= requestAnimationFrame(() => {
    view.frame = 0;
    if (!view.film) return;
    if (view.stale) measure(view);
    if (view.stale && view.box.width && view.box.height) paint(view);
    showReadout(view);
    view.stale = false;
  });
}

function measure(view) {
  const { clientWidth: width, clientHeight: height } = view.el.stage;
  const ratio = window.devicePixelRatio || 1;
  view.box = { width, height, ratio };
  view.font = getComputedStyle(view.root).fontFamily;
  view.panels = panelsOf(view);
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (view.canvas.width !== pixelWidth) view.canvas.width = pixelWidth;
  if (view.canvas.height !== pixelHeight) view.canvas.height = pixelHeight;
}

function paint(view) {
  const { context, box, panels } = view;
  settle(view);
  renderFilm(view);
  if (view.heat) renderHeat(view);
  context.setTransform(box.ratio, 0, 0, box.ratio, 0, 0);
  context.clearRect(0, 0, box.width, box.height);
  for (const panel of panels) paintPanel(view, panel);
  if (panels.length > 1) paintTwinPointer(view);
  showState(view);
}

function paintPanel(view, panel) {
  const { context, state, film, heat, header: { size: [width, height] } } = view;
  const at = [
    panel.left + panel.width / 2 - state.x * state.zoom, panel.top + panel.height / 2 - state.y * state.zoom,
    width * state.zoom, height * state.zoom,
  ];
  context.save();
  context.beginPath();
  context.rect(panel.left, panel.top, panel.width, panel.height);
  context.clip();
  context.imageSmoothingEnabled = state.zoom <= SHARP_FROM;
  context.imageSmoothingQuality = "high";
  context.drawImage(film.canvas, ...at);
  if (heat && panel.heat && state.overlay && !view.peek) {
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "low"; // already smooth, and cheap without a graphics card
    context.globalAlpha = state.opacity;
    context.drawImage(heat.canvas, ...at);
    context.globalAlpha = 1;
  }
  if (view.panels.length > 1) paintCaption(view, panel);
  context.translate(at[0], at[1]);
  context.scale(state.zoom, state.zoom);
  if (!view.peek) stroke(context, regionsPath(view), REGION, state.zoom);
  if (panel.heat && state.lungs && !view.peek) {
    stroke(context, view.header.lungs, LUNGS, state.zoom);
  }
  context.restore();
}

function paintCaption(view, panel) {
  const { context, state, peek } = view;
  const heat = state.overlay && !peek ? say(view, "Film with heatmap") : say(view, "Film, heatmap off");
  const text = panel.heat ? heat : say(view, "Film");
  const left = panel.left + 10, bottom = panel.top + panel.height - 10;
  context.font = `12px ${view.font}`;
  context.fillStyle = "rgb(5 6 8 / 72%)";
  context.fillRect(left, bottom - 22, context.measureText(text).width + 16, 22);
  context.fillStyle = "#aab1b8";
  context.fillText(text, left + 8, bottom - 7);
}

// Side by side, the place under the pointer is marked in the other panel too.
function paintTwinPointer(view) {
  const { context, pointer, panels } = view;
  if (!pointer) return;
  const from = panelAt(view, pointer);
  const to = panels.find((panel) => panel !== from);
  const x = pointer.x - from.left + to.left, y = pointer.y - from.top + to.top;
  stroke(context, `M${x + 5} ${y}h7M${x - 5} ${y}h-7M${x} ${y + 5}v7M${x} ${y - 5}v-7`, LUNGS);
}

// Light on dark, to be seen on any film.
function stroke(context, path, colour, zoom = 1) {
  for (const [strokeStyle, lineWidth] of [["#000", 4], [colour, 2]]) {
    Object.assign(context, { strokeStyle, lineWidth: lineWidth / zoom });
    context.stroke(new Path2D(path));
  }
}

// ---- Controls: shown from the state, never read back from the page ----------------------------

const figure = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(value < 100 ? 1 : 0));
const percent = (part) => `${Math.round(100 * part)} %`;

function showState(view) {
  const { root, el, state, heat, header } = view;
  const [low, high] = windowOf(view);
  const lungs = Boolean(header.lungs) && state.lungs;
  const overlay = !heat ? "none" : state.overlay && !view.peek ? "on" : "off";
  Object.assign(root.dataset, {
    zoom: state.zoom, panX: state.x, panY: state.y, window: `${low},${high}`, preset: state.preset,
    invert: state.invert, overlay, opacity: state.opacity, colormap: state.colormap,
    layout: state.layout, lungs, map: header.heats[view.map]?.name ?? "", filmId: header.film_id, ready: true,
    tool: state.tool, regions: state.regions.length,
  });
  const isSide = view.panels.length > 1;
  const pressed = {
    overlay: Boolean(heat) && state.overlay, invert: state.invert, lungs, overlaid: !isSide, side: isSide,
    help: !el.help.hidden, full: isFull(view), box: state.tool === "box", outline: state.tool === "outline",
  };
  for (const [name, on] of Object.entries(pressed)) view.buttons[name].setAttribute("aria-pressed", on);
  el.opacity.value = 100 * state.opacity;
  el.opacityText.textContent = percent(state.opacity);
  el.zoomText.textContent = percent(state.zoom);
  el.colormap.value = state.colormap;
  el.map.selectedIndex = view.map;
  el.preset.value = state.preset;
  const [centre, width] = [(low + high) / 2, high - low];
  const values = { low, high, centre, width };
  for (const [name, value] of Object.entries(values)) values[name] = figure(value);
  el.windowText.textContent = say(view, "{low} to {high} (C {centre} W {width})", values);
  if (el.legend.dataset.colormap !== state.colormap) showLegend(view);
}

function showReadout(view) {
  const { el, film, heat, header: { size: [width, height] } } = view;
  let texts = ["-", "-", "-", "-"];
  const at = view.pointer && toFilm(view, view.pointer);
  if (at && at.x >= 0 && at.y >= 0 && at.x < width && at.y < height) {
    const [u, v] = [at.x / width, at.y / height];
    const warm = heat ? (levelAt(heat, u, v) / 255).toFixed(2) : say(view, "none");
    texts = [Math.floor(at.x), Math.floor(at.y), levelAt(film, u, v), warm];
  }
  ["x", "y", "value", "heatValue"].forEach((name, i) => (el[name].textContent = texts[i]));
}

function showLegend(view) {
  const colours = coloursOf(view);
  const stops = Array.from({ length: 33 }, (_, i) => {
    const level = Math.round((i / 32) * 255);
    return `rgb(${colours.subarray(3 * level, 3 * level + 3).join(" ")} / ${heatAlpha(level / 255)})`;
  });
  view.el.scale.style.backgroundImage = `linear-gradient(to right, ${stops})`;
  view.el.legend.dataset.colormap = view.state.colormap;
}

// What belongs to the film and not to the reader's settings.
function showFilmFacts(view) {
  const { root, el, buttons, header, heat } = view;
  const [width, height] = header.size;
  const facts = { width, height, bits: header.bits, shown: header.shown.join(" × ") };
  root.style.setProperty("--height", `${header.height_px}px`);
  root.dataset.evidence = Boolean(heat);
  el.info.textContent = header.shown[0] < width
    ? say(view, "{width} × {height} px, {bits} bit, shown as area means of {shown}", facts)
    : say(view, "{width} × {height} px, {bits} bit", facts);
  el.note.textContent = header.note;
  el.verdict.textContent = heat ? "" : header.empty;
  const label = heat ? say(view, "Chest X-ray, {width} by {height} pixels, with heatmap.", facts)
    : say(view, "Chest X-ray, {width} by {height} pixels, without heatmap.", facts);
  const keys = areKeysOn() ? ` ${say(view, "Press question mark for the keys.")}` : "";
  el.canvas.setAttribute("aria-label", label + keys);
  const needHeat = ".tools .heat :is(button, input, [data-el=colormap]), [data-do=side]";
  for (const control of root.querySelectorAll(needHeat)) control.disabled = !heat;
  buttons.lungs.disabled = !header.lungs;
  el.drawing.hidden = el.drawingHelp.hidden = !header.drawing;
  fillSelect(el.map, header.heats.map(({ name }) => name));
  fillSelect(el.colormap, header.colormaps);
}

function fillSelect(select, names) {
  select.hidden = names.length < 2;
  select.replaceChildren(...names.map((name) => new Option(name[0].toUpperCase() + name.slice(1), name)));
}

// ---- Drawing: boxes and outlines, where the page asks for them -----------------------------------

const DRAWING = {
  box: (view) => setTool(view, "box", "Box: drag over the film, or Enter for all that is in view"),
  outline: (view) => setTool(view, "outline", "Outline: drag around the place"),
  undo: (view) => view.state.before.length && setRegions(view, view.state.before.pop(), "Undone"),
  clear: (view) => view.state.regions.length && changeRegions(view, [], "Cleared"),
};

function setTool({ state }, tool, sentence) {
  state.tool = state.tool === tool ? "" : tool;
  return state.tool ? sentence : "Drawing ended";
}

function regionsPath({ state, path, header: { size: [width, height] } }) {
  const shown = path ? [...state.regions, { kind: state.tool, points: path.points }] : state.regions;
  return shown.map(({ kind, points }) => {
    const [[x, y], ...rest] = points.map(([u, v]) => [u * width, v * height]);
    if (kind === "box" && rest.length) return `M${x} ${y}H${rest[0][0]}V${rest[0][1]}H${x}Z`;
    return `M${x} ${y}${rest.map(([a, b]) => `L${a} ${b}`).join("")}Z`;
  }).join("");
}

// The panel where a path began holds to its end: beside it lies another copy of the film.
function shareAt(view, point, panel) {
  const at = toFilm(view, point, panel);
  return [at.x, at.y].map((value, i) => Number(clamp(value / view.header.size[i], 0, 1).toFixed(5)));
}

function beginPath(view, at) {
  const panel = panelAt(view, at);
  view.path = { panel, last: at, points: [shareAt(view, at, panel)] };
}

function goOn(view, at) {
  const { path, state } = view;
  if (Math.hypot(at.x - path.last.x, at.y - path.last.y) < (state.tool === "box" ? 0 : SMALLEST)) return;
  const point = shareAt(view, at, path.panel);
  path.last = at;
  path.points = state.tool === "box" ? [path.points[0], point] : [...path.points, point];
  schedule(view);
}

function endPath(view) {
  const { path: { points }, state } = view;
  view.path = null;
  schedule(view); // takes away what is too small
  if (state.tool === "box") addBox(view, ...points);
  else if (points.length > 2) {
    const step = Math.ceil(points.length / MAX_POINTS);
    addRegion(view, { kind: "outline", points: points.filter((_, i) => i % step === 0) });
  }
}

function addBox(view, a, b = a) {
  const [low, high] = [Math.min, Math.max].map((pick) => a.map((value, i) => pick(value, b[i])));
  const isLarge = high.every((end, i) => (end - low[i]) * view.header.size[i] * view.state.zoom >= SMALLEST);
  if (isLarge) addRegion(view, { kind: "box", points: [low, high] });
}

function boxOfView(view) {
  const { panels: [panel] } = view;
  const corners = [[0, 0], [panel.width, panel.height]];
  addBox(view, ...corners.map(([x, y]) => shareAt(view, { x: panel.left + x, y: panel.top + y }, panel)));
}

function addRegion(view, region) {
  const { regions } = view.state;
  const isFull = regions.length >= MAX_REGIONS;
  const drawn = region.kind === "box" ? "box {n} drawn" : "outline {n} drawn";
  const sentence = isFull ? "{n} at most" : changeRegions(view, [...regions, region], drawn);
  view.el.live.textContent = say(view, sentence, { n: isFull ? MAX_REGIONS : regions.length + 1 });
}

function changeRegions(view, regions, sentence) {
  view.state.before.push(view.state.regions);
  return setRegions(view, regions, sentence);
}

function setRegions(view, regions, sentence) {
  view.state.regions = regions;
  view.setStateValue("drawn", { drawing: view.header.drawing, regions });
  schedule(view);
  return sentence;
}

// ---- Input -----------------------------------------------------------------------------------

// Each action may return a sentence for screen readers, or [sentence, its values].
const ACTIONS = {
  zoomIn: (view) => zoomBy(view, ZOOM_STEP),
  zoomOut: (view) => zoomBy(view, 1 / ZOOM_STEP),
  fit: ({ state }) => { state.fit = true; return "Fit"; },
  invert: (view) => toggle(view, "invert", "Inverted", "Not inverted"),
  overlay: (view) => toggle(view, "overlay", "Heatmap on", "Heatmap off"),
  lungs: (view) => view.header.lungs && toggle(view, "lungs", "Outline of the lungs on", "Outline off"),
  fainter: (view) => setOpacity(view, view.state.opacity - 0.05),
  stronger: (view) => setOpacity(view, view.state.opacity + 0.05),
  nextColormap: ({ state, header: { colormaps } }) => {
    state.colormap = colormaps[(colormaps.indexOf(state.colormap) + 1) % colormaps.length];
    return ["Colour map {name}", { name: state.colormap }];
  },
  nextMap: (view) => view.heats.length > 1 && setMap(view, (view.map + 1) % view.heats.length),
  overlaid: ({ state }) => { state.layout = "overlaid"; return "Overlaid"; },
  side: ({ state }) => { state.layout = "side"; return "Side by side"; },
  otherLayout: (view) => ACTIONS[view.state.layout === "side" ? "overlaid" : "side"](view),
  reset: (view) => {
    Object.assign(view.state, OF_THE_FILM, OF_THE_READER);
    showFilmFacts(view); // they depend on the map
    return "Everything reset";
  },
  help: toggleHelp,
  full: toggleFull,
  ...DRAWING,
};
const ONLY_WITH_HEAT = ["overlay", "fainter", "stronger", "nextColormap", "otherLayout"];
const KEYS = {
  "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", 0: "fit", f: "fit", i: "invert", o: "overlay", "[": "fainter",
  "]": "stronger", c: "nextColormap", m: "nextMap", l: "lungs", s: "otherLayout", r: "reset", "?": "help",
  b: "box", p: "outline", z: "undo", Delete: "clear",
};
// Keys that are a single character can be switched off, on all pages: pages/shared/shortcuts.js.
const areKeysOn = () => document.documentElement.dataset.shortcuts !== "off";
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function act(view, name) {
  if (!view.film || (!view.heat && ONLY_WITH_HEAT.includes(name))) return;
  if (name in DRAWING && !view.header.drawing) return;
  const sentence = ACTIONS[name](view);
  if (typeof sentence === "string") view.el.live.textContent = say(view, sentence);
  else if (Array.isArray(sentence)) view.el.live.textContent = say(view, ...sentence);
  schedule(view);
}

function toggle({ state }, name, on, off) {
  state[name] = !state[name];
  return state[name] ? on : off;
}

function setMap(view, index) {
  view.state.map = index;
  showFilmFacts(view);
  schedule(view);
  return ["Heatmap {name}", { name: view.header.heats[index].name }];
}

function setOpacity({ state }, opacity) {
  state.opacity = clamp(Math.round(20 * opacity) / 20, 0, 1);
  return ["Opacity {share}", { share: percent(state.opacity) }];
}

function showKeys(view) {
  view.root.dataset.shortcuts = areKeysOn() ? "on" : "off";
  view.el.shortcuts.checked = areKeysOn();
  translate(view, view.texts);
  if (view.film) showFilmFacts(view);
}

// The film alone while a key or the button is held; `by` names which, "" ends it.
function setPeek(view, by) {
  if (view.peek === by || !view.heat) return;
  view.peek = by;
  schedule(view);
}

function toggleHelp({ el, canvas }) {
  el.help.hidden = !el.help.hidden;
  (el.help.hidden ? canvas : el.helpClose).focus({ preventScroll: true });
}

function isFull({ root }) {
  return root.getRootNode().fullscreenElement === root || root.classList.contains("filling");
}

// An iPhone has no full screen for elements: there the viewer fills the window, in the top layer.
async function toggleFull(view) {
  const { root } = view;
  if (root.getRootNode().fullscreenElement === root) return document.exitFullscreen();
  if (root.classList.contains("filling")) return fill(view, false);
  try {
    await root.requestFullscreen();
  } catch {
    fill(view, true);
  }
}

function fill(view, on) {
  view.root.classList.toggle("filling", on);
  view.root.popover = on ? "manual" : null;
  if (on) view.root.showPopover?.();
  schedule(view);
}

function listen(view) {
  const { root, canvas, el } = view;
  const on = (target, type, handler, options) =>
    target.addEventListener(type, handler, { signal: view.ended.signal, ...options });
  for (const [name, button] of Object.entries(view.buttons)) on(button, "click", () => act(view, name));
  on(el.helpClose, "click", () => act(view, "help"));
  on(el.shortcuts, "change", () => {
    document.documentElement.dataset.shortcuts = el.shortcuts.checked ? "on" : "off";
  });
  on(el.opacity, "input", () => { setOpacity(view, el.opacity.value / 100); schedule(view); });
  on(el.colormap, "change", () => { view.state.colormap = el.colormap.value; schedule(view); });
  on(el.map, "change", () => setMap(view, el.map.selectedIndex));
  on(el.preset, "change", () => {
    Object.assign(view.state, { preset: el.preset.value, window: null });
    schedule(view);
  });
  on(el.peek, "pointerdown", () => setPeek(view, "pointer"));
  for (const type of ["pointerup", "pointercancel", "pointerleave", "blur"]) {
    on(el.peek, type, () => setPeek(view, ""));
  }
  on(root, "keydown", (event) => onKeyDown(view, event));
  on(root, "keyup", (event) => onKeyUp(view, event));
  on(root, "fullscreenchange", () => schedule(view));
  on(root, "focusout", () => view.peek === "key" && setPeek(view, "")); // its release goes elsewhere
  on(canvas, "contextmenu", (event) => event.preventDefault());
  on(canvas, "dblclick", () => act(view, "fit"));
  on(canvas, "wheel", (event) => onWheel(view, event), { passive: false });
  on(canvas, "pointerdown", (event) => onPointerDown(view, event));
  on(canvas, "pointermove", (event) => onPointerMove(view, event));
  for (const type of ["pointerup", "pointercancel"]) on(canvas, type, (event) => onPointerUp(view, event));
  on(canvas, "pointerleave", () => pointAt(view, null));
  on(window, "resize", () => schedule(view)); // the device pixel ratio may have changed alone
}

function onKeyDown(view, event) {
  // Streamlit has keys of its own (R runs again, C clears caches) and cannot see, from outside of
  // the shadow root, that a field of this viewer has the focus.
  if (event.key !== "Escape") event.stopPropagation();
  if (event.ctrlKey || event.metaKey || event.altKey || !view.film) return;
  if (event.key === "Escape") return onEscape(view, event);
  const on = event.target.closest("select, input, button");
  const pressesButton = on && on !== view.el.peek && [" ", "Enter"].includes(event.key);
  if (on?.matches("select, input") || pressesButton) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key.length === 1 && key !== " " && !areKeysOn()) return;
  if (key === " " || key === "h") setPeek(view, "key");
  else if (key in ARROWS) onArrow(view, ARROWS[key], event.shiftKey);
  else if (key === "Enter" && view.state.tool === "box") boxOfView(view);
  else if (key in KEYS) act(view, KEYS[key]);
  else return;
  event.preventDefault();
}

function onKeyUp(view, event) {
  event.stopPropagation();
  if ([" ", "h", "H"].includes(event.key)) setPeek(view, "");
}

function onEscape(view, event) {
  if (!view.el.help.hidden) act(view, "help");
  else if (view.state.tool) act(view, view.state.tool);
  else if (view.root.classList.contains("filling")) fill(view, false);
  else return; // for the page: it may close a dialog around the viewer
  event.stopPropagation();
}

function onArrow(view, [x, y], shift) {
  if (shift) windowBy(view, -10 * x, -10 * y);
  else panBy(view, 60 * x, 60 * y);
}

function onWheel(view, event) {
  event.preventDefault();
  if (!view.film) return;
  const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
  const speed = event.ctrlKey ? 0.01 : 0.0015; // a pinch on a touch pad comes as small ctrl + wheel steps
  zoomBy(view, Math.exp(-clamp(pixels, -300, 300) * speed), place(view, event));
}

function place({ canvas }, event) {
  const { left, top } = canvas.getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
}

function onPointerDown(view, event) {
  if (!view.film) return;
  view.canvas.focus({ preventScroll: true });
  view.canvas.setPointerCapture(event.pointerId);
  const at = place(view, event);
  view.fingers.set(event.pointerId, at);
  view.dragsWindow = event.button === 2 || event.shiftKey;
  view.press = { ...at, time: event.timeStamp, single: view.fingers.size === 1 };
  view.path = null; // a second finger pinches
  if (view.state.tool && view.press.single && !view.dragsWindow && event.button === 0) beginPath(view, at);
}

function onPointerMove(view, event) {
  if (!view.film) return;
  const to = place(view, event);
  const from = view.fingers.get(event.pointerId);
  pointAt(view, to);
  if (from) {
    const before = handOf(view.fingers);
    view.fingers.set(event.pointerId, to);
    const after = handOf(view.fingers);
    if (view.path) goOn(view, to);
    else if (view.fingers.size === 1 && view.dragsWindow) windowBy(view, to.x - from.x, to.y - from.y);
    else {
      panBy(view, after.x - before.x, after.y - before.y);
      if (before.spread && after.spread) zoomBy(view, after.spread / before.spread, after);
    }
  }
}

// Overlaid, a pointer that only moves changes the read-out and not one pixel.
function pointAt(view, pointer) {
  view.pointer = pointer;
  schedule(view, { onlyReadout: view.panels.length < 2 });
}

// Middle of the fingers (or the mouse) on the canvas, and how far two of them are apart.
function handOf(fingers) {
  const [a, b = a] = [...fingers.values()];
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, spread: Math.hypot(a.x - b.x, a.y - b.y) };
}

// Two taps in a row fit the film; a mouse says "dblclick", a finger on touch-action none does not.
function onPointerUp(view, event) {
  view.fingers.delete(event.pointerId);
  if (view.path && event.type === "pointerup") endPath(view);
  view.path = null;
  if (event.pointerType !== "touch") return;
  pointAt(view, null);
  const at = place(view, event);
  const near = (point) => point && Math.hypot(at.x - point.x, at.y - point.y) < 24;
  const isShort = event.type === "pointerup" && event.timeStamp - view.press.time < 300;
  const isTap = isShort && view.press.single && near(view.press);
  const isSecond = isTap && near(view.tap) && event.timeStamp - view.tap.time < 400;
  view.tap = isTap && !isSecond ? { ...at, time: event.timeStamp } : null;
  if (isSecond) act(view, "fit");
}

// ---- Mount -----------------------------------------------------------------------------------

function create(root) {
  const named = (attribute) => [...root.querySelectorAll(`[${attribute}]`)];
  const el = Object.fromEntries(named("data-el").map((element) => [element.dataset.el, element]));
  const buttons = Object.fromEntries(named("data-do").map((button) => [button.dataset.do, button]));
  const view = {
    root, el, buttons, canvas: el.canvas, context: el.canvas.getContext("2d"), ended: new AbortController(),
    fingers: new Map(), path: null, pointer: null, peek: "", film: null, heats: [], panels: [], frame: 0, calls: 0,
    template: textsOf(root), texts: {},
    get map() { return this.state?.map < this.heats.length ? this.state.map : 0; },
    get heat() { return this.heats[this.map] ?? null; }, // null: no evidence
  };
  view.observer = new ResizeObserver(() => schedule(view));
  view.observer.observe(el.stage);
  view.keys = new MutationObserver(() => showKeys(view));
  view.keys.observe(document.documentElement, { attributeFilter: ["data-shortcuts"] });
  listen(view);
  showKeys(view);
  return view;
}

function destroy(view) {
  view.ended.abort();
  view.observer.disconnect();
  view.keys.disconnect();
  cancelAnimationFrame(view.frame);
  view.calls = Infinity; // a film that is still being unpacked finds itself out of date
  view.film = null;
  view.heats = [];
}

async function show(view, bytes, call) {
  const { header, film: packed, colormaps, heats } = unpack(bytes);
  const { revision } = header;
  translate(view, header.texts);
  if (view.opened?.revision !== revision) {
    view.film = null; // never the film before under the name of this one
    view.root.dataset.ready = false;
    view.context.reset();
    view.el.verdict.textContent = view.el.note.textContent = "";
    view.el.message.textContent = say(view, "Opening the film");
    view.opened = { revision, film: openLayer(packed, header.shown, header.bits) };
  }
  if (view.opened.heatRevision !== header.heat_revision) {
    view.opened.heatRevision = header.heat_revision;
    view.opened.heats = Promise.all(heats.map((heat, i) => openLayer(heat, header.heats[i].size, 8)));
  }
  const [film, opened] = await Promise.all([view.opened.film, view.opened.heats]);
  if (call !== view.calls) return;
  const [low, high] = header.auto;
  film.range = high - low;
  film.windows = { // the definitions are stated to the reader in the help
    delivered: header.window, auto: header.auto,
    lung: [low, low + 0.6 * film.range], bone: [low + 0.4 * film.range, high],
  };
  // A mark that was begun on the film before ends with it.
  if (view.header?.film_id !== header.film_id || view.header.drawing !== header.drawing) view.path = null;
  Object.assign(view, { header, colormaps, film, heats: opened, state: recall(header) });
  showFilmFacts(view);
  view.el.message.textContent = "";
  schedule(view);
}

function recall({ key, film_id: filmId, drawing, regions }) {
  const state = memory.get(key) ?? { ...OF_THE_FILM, ...OF_THE_READER };
  const isOther = state.filmId !== filmId;
  if (isOther) Object.assign(state, OF_THE_FILM, { filmId });
  // Marks are those of one film; where none are drawn, they are what the page says now.
  if (isOther || !drawing || state.drawing !== drawing) {
    Object.assign(state, { drawing, regions, before: [], tool: "" });
  }
  memory.set(key, state);
  return state;
}

export default function mount({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".viewer");
  let view = mounted.get(parentElement);
  if (view?.root !== root) {
    if (view) destroy(view);
    view = create(root);
    mounted.set(parentElement, view);
  }
  view.setStateValue = setStateValue;
  const call = ++view.calls;
  show(view, data, call).catch((error) => {
    console.warn("X-ray viewer:", error);
    view.el.message.textContent = say(view, "This film cannot be shown: its data could not be unpacked " +
      "({error}). Reload the page; if that does not help, use a current Chrome, Edge, Firefox or Safari.",
      { error: error.message });
  });
  // Streamlit may clean up after an overtaken call when a later one is already showing.
  return () => {
    if (call !== view.calls) return;
    destroy(view);
    mounted.delete(parentElement);
  };
}
