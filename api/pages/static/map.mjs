// The map of a neighbourhood, kept in step with the list beside it. The list is the control that everybody can use;
// the map repeats it. Shared by the service's page and by the map file, which differ only in where the library comes from.
import { mapStyle } from "./style.mjs";

const WIDE_VIEW = { padding: 40, maxZoom: 17, duration: 0 };

/** Draw the map and tie it to the list. */
export function startPage(maplibregl) {
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const list = new List(document.getElementById("facility-list"));
  let map;
  try {
    map = new maplibregl.Map({
      container: "map",
      style: mapStyle(data, colours()),
      bounds: data.bounds,
      fitBoundsOptions: WIDE_VIEW,
      attributionControl: false,
      canvasContextAttributes: { preserveDrawingBuffer: true }, // or paper stays blank
      dragRotate: false,
      pitchWithRotate: false,
      maxZoom: 19,
      cooperativeGestures: matchMedia("(max-width: 900px)").matches,
    });
  } catch (error) {
    // No WebGL: the list and the numbers stand on their own.
    document.getElementById("map-note").textContent = "This browser cannot draw the map; the list and the numbers say the same.";
    document.documentElement.dataset.map = "failed";
    console.warn(error);
    return;
  }
  document.getElementById("map-note").remove();
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibregl.ScaleControl({}), "bottom-left");
  map.addControl(new maplibregl.AttributionControl({ compact: false, customAttribution: data.attribution }), "bottom-right");
  map.once("idle", () => {
    document.documentElement.dataset.map = "idle";
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => map.setStyle(mapStyle(data, colours())));
  tie(maplibregl, map, list, data);
}

/** The page's colours as they are now, by the names the style sheet gives them. */
function colours() {
  const style = getComputedStyle(document.documentElement);
  return new Proxy({}, { get: (_, name) => style.getPropertyValue(`--${String(name)}`).trim() });
}

/** Let the map and the list point at each other. */
function tie(maplibregl, map, list, data) {
  let popup = null;
  let chosen = null;

  function say(at, title, lines) {
    popup?.remove();
    popup = new maplibregl.Popup({ maxWidth: "280px", offset: 14 }).setLngLat(at).setDOMContent(note(title, lines)).addTo(map);
  }

  function choose(index, { move, quiet }) {
    chosen = index;
    const facility = data.facilities.features[index];
    list.mark(index, { scroll: !move });
    highlight(map, index);
    const at = facility.geometry.coordinates;
    if (move) {
      map.easeTo({ center: at, zoom: Math.max(map.getZoom(), 16), duration: 600 });
      map.getContainer().scrollIntoView({ block: "nearest" });
    }
    if (!quiet) say(at, facility.properties.name, facilityLines(facility.properties));
  }

  function clear() {
    chosen = null;
    popup?.remove();
    list.mark(null, { scroll: false });
    highlight(map, null);
  }

  list.onChoose((index) => choose(index, { move: true }));
  map.on("style.load", () => highlight(map, chosen));
  map.on("click", (event) => {
    const found = map.queryRenderedFeatures(event.point, { layers: ["facilities", "unmet", "homes"] });
    const facility = found.find((feature) => feature.layer.id === "facilities");
    if (facility) choose(facility.properties.i, { move: false });
    else if (found.length) say(found[0].geometry.coordinates, found[0].properties.name, homeLines(found[0].properties));
    else clear();
  });
  for (const layer of ["facilities", "unmet", "homes"]) {
    map.on("mouseenter", layer, () => (map.getCanvas().style.cursor = "pointer"));
    map.on("mouseleave", layer, () => (map.getCanvas().style.cursor = ""));
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") clear();
  });
  const named = /^#facility-(\d+)$/.exec(location.hash);
  if (named && data.facilities.features[named[1]]) map.once("load", () => choose(Number(named[1]), { move: true }));
}

/** Show whose walks end at one facility, and let the others step back. */
function highlight(map, index) {
  if (!map.getLayer("flows")) return;
  const opacity = index === null ? 0.75 : ["case", ["==", ["get", "facility"], index], 0.95, 0.08];
  map.setPaintProperty("flows", "line-opacity", opacity);
  map.setFilter("chosen", ["==", ["get", "i"], index ?? -1]);
}

function facilityLines({ kind, bays, households, when }) {
  return [`${kind} · ${bays} bays · ${households} households`, when];
}

function homeLines({ demands, served, unmet, why }) {
  const lines = [`${served} of ${demands} asking households served`];
  if (unmet) lines.push(why);
  return lines;
}

/** Words for a popup; names are text, never markup. */
function note(title, lines) {
  const box = document.createElement("div");
  const head = document.createElement("b");
  head.textContent = title;
  box.append(head);
  for (const line of lines.filter(Boolean)) {
    const row = document.createElement("div");
    row.textContent = line;
    box.append(row);
  }
  return box;
}

/** The list of facilities: marks the chosen one, and narrows down to what is searched. */
class List {
  constructor(element) {
    this.element = element;
    this.items = [...element.children];
    this.byFacility = new Map(this.items.map((item) => [Number(item.dataset.facility), item]));
    const search = document.getElementById("search");
    search.parentElement.hidden = false;
    search.addEventListener("input", () => this.narrow(search.value.trim().toLocaleLowerCase()));
  }

  onChoose(act) {
    this.element.addEventListener("click", (event) => {
      const item = event.target.closest("li[data-facility]");
      if (!item || !event.target.closest("a")) return;
      event.preventDefault();
      history.replaceState(null, "", `#${item.id}`);
      act(Number(item.dataset.facility));
    });
  }

  mark(index, { scroll }) {
    for (const item of this.element.querySelectorAll("[aria-current]")) item.removeAttribute("aria-current");
    if (index === null) return;
    const item = this.byFacility.get(index);
    item.setAttribute("aria-current", "true");
    if (scroll) this.element.scrollTo({ top: item.offsetTop - this.element.offsetTop - 8 });
  }

  narrow(words) {
    let shown = 0;
    for (const item of this.items) {
      item.hidden = words !== "" && !item.textContent.toLocaleLowerCase().includes(words);
      shown += item.hidden ? 0 : 1;
    }
    document.getElementById("found").textContent = `${shown} of ${this.items.length}`;
  }
}
