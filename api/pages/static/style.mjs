// What the map looks like: a quiet base map from the imported streets, and the plan on top.

const FONT = ["Noto Sans Regular"];
const BOLD = ["Noto Sans Bold"];
const MAJOR = ["motorway", "trunk", "primary", "secondary", "tertiary"];
const PATH = ["footway", "path", "steps", "pedestrian", "cycleway", "track", "corridor", "platform", "bridleway", "elevator"];
const IS_MAJOR = ["in", ["get", "class"], ["literal", MAJOR]];
const DWELLINGS = ["apartments", "residential", "house", "detached", "dormitory", "terrace", "semidetached_house"];
const IS_DWELLING = ["in", ["get", "class"], ["literal", DWELLINGS]];
const IS_PATH = ["in", ["get", "class"], ["literal", PATH]];

/** A MapLibre style for a page's data in the page's colours. */
export function mapStyle(data, colours) {
  const base = baseSources(data.base);
  return {
    version: 8,
    sources: {
      ...base.sources,
      facilities: { type: "geojson", data: data.facilities },
      homes: { type: "geojson", data: data.homes },
      flows: { type: "geojson", data: data.flows },
    },
    layers: [
      { id: "land", type: "background", paint: { "background-color": colours.land } },
      ...(data.base ? baseLayers(base, colours) : []),
      ...planLayers(data, colours),
    ],
  };
}

/** Where the base map comes from: an archive of tiles at the service, or GeoJSON in the file. */
function baseSources(base) {
  if (!base) return { sources: {} };
  if (base.archive) {
    const from = (layer) => ({ source: "base", "source-layer": layer });
    return {
      sources: { base: { type: "vector", url: `pmtiles://${location.origin}${base.archive}` } },
      streets: from("streets"), buildings: from("buildings"), parks: from("parks"), water: from("water"),
    };
  }
  const layers = ["streets", "buildings", "parks", "water"].filter((layer) => base[layer]);
  return {
    sources: Object.fromEntries(layers.map((layer) => [layer, { type: "geojson", data: base[layer] }])),
    ...Object.fromEntries(layers.map((layer) => [layer, { source: layer }])),
  };
}

function baseLayers({ streets, buildings, parks, water }, c) {
  const area = (id, source, colour, more = {}) =>
    source && { id, type: "fill", ...source, filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": colour, ...more } };
  const width = (small, large) => ["interpolate", ["exponential", 1.6], ["zoom"], 12, small, 19, large];
  const line = (id, source, filter, colour, lineWidth, more = {}) =>
    source && {
      id, type: "line", ...source, filter, layout: { "line-cap": "round", "line-join": "round" },
      paint: { "line-color": colour, "line-width": lineWidth, ...more },
    };
  const minor = ["all", ["!", IS_MAJOR], ["!", IS_PATH]];
  return [
    area("parks", parks, c.park),
    area("water", water, c.water),
    line("rivers", water, ["==", ["geometry-type"], "LineString"], c.water, width(1, 12)),
    area("buildings", buildings, ["case", IS_DWELLING, c["home-building"], c.building], { "fill-outline-color": c["street-rim"] }),
    line("paths", streets, IS_PATH, c.path, width(0.4, 4), { "line-dasharray": [2, 1.5] }),
    line("minor-rims", streets, minor, c["street-rim"], width(0.8, 17)),
    line("major-rims", streets, IS_MAJOR, c["street-rim"], width(2.2, 30)),
    line("minor-streets", streets, minor, c.street, width(0.5, 14)),
    line("major-streets", streets, IS_MAJOR, c.street, width(1.6, 26)),
    streets && {
      id: "street-names", type: "symbol", ...streets, minzoom: 14.5, filter: ["has", "name"],
      layout: {
        "symbol-placement": "line", "text-field": ["get", "name"], "text-font": FONT, "text-size": 11.5, "symbol-spacing": 320,
      },
      paint: { "text-color": c["map-ink"], "text-halo-color": c.street, "text-halo-width": 1.4 },
    },
  ].filter(Boolean);
}

/** The number that only one in twenty exceeds: what counts as large here, in a lane as in a city. */
function large(collection, property) {
  const numbers = collection.features.map((feature) => feature.properties[property]).sort((a, b) => a - b);
  return Math.max(1, numbers[Math.floor(numbers.length * 0.95)] ?? 1);
}

/** A radius in pixels whose circle's area follows a number; from afar, and in a crowd, it shrinks. */
function radius(property, largest, crowd, { from, to }) {
  const share = ["min", 1.3, ["sqrt", ["/", ["get", property], largest]]];
  const at = (factor) => ["*", factor, ["max", from, ["*", to, share]]];
  return ["interpolate", ["exponential", 1.6], ["zoom"], 10, at(0.12), 12.5, at(0.25), 15, at(crowd), 17, at(1.1), 19, at(1.7)];
}

function planLayers({ facilities, homes }, c) {
  const walked = ["step", ["get", "walk_m"], c.near, 151, c.middle, 301, c.far, 501, c.beyond];
  const count = ["sqrt", ["get", "households"]];
  const byCount = ["interpolate", ["linear"], ["zoom"], 11, 0.5, 15, ["interpolate", ["linear"], count, 1, 1.3, 10, 6]];
  const rim = (width) => ["interpolate", ["linear"], ["zoom"], 11, width / 4, 15, width];
  // Many facilities on one screen leave less room for each.
  const crowd = Math.min(1, Math.max(0.6, (60 / Math.max(1, facilities.features.length)) ** 0.25));
  const facilityRadius = radius("bays", large(facilities, "bays"), crowd, { from: 8.5, to: 24 });
  const unmetRadius = radius("unmet", large(homes, "unmet"), crowd, { from: 3.5, to: 13 });
  return [
    {
      id: "flows", type: "line", source: "flows", layout: { "line-cap": "round" },
      paint: { "line-color": walked, "line-width": byCount, "line-opacity": 0.75 },
    },
    {
      id: "homes", type: "circle", source: "homes", filter: ["==", ["get", "unmet"], 0],
      paint: { "circle-color": c.near, "circle-radius": ["interpolate", ["linear"], ["zoom"], 10, 0.4, 13, 1.5, 15, 3, 19, 6], "circle-stroke-color": c["bay-rim"], "circle-stroke-width": rim(1) },
    },
    {
      id: "unmet", type: "circle", source: "homes", filter: [">", ["get", "unmet"], 0],
      paint: {
        "circle-color": c.unmet, "circle-opacity": 0.88, "circle-radius": unmetRadius,
        "circle-stroke-color": c["bay-rim"], "circle-stroke-width": rim(1),
      },
    },
    {
      id: "facilities", type: "circle", source: "facilities",
      paint: {
        "circle-color": c.bay, "circle-opacity": 0.94, "circle-radius": facilityRadius,
        "circle-stroke-color": c["bay-rim"], "circle-stroke-width": rim(2),
      },
    },
    {
      id: "chosen", type: "circle", source: "facilities", filter: ["==", ["get", "i"], -1],
      paint: { "circle-color": "transparent", "circle-radius": facilityRadius, "circle-stroke-color": c.accent, "circle-stroke-width": 5 },
    },
    {
      id: "facility-bays", type: "symbol", source: "facilities", minzoom: 14.2, filter: [">", ["get", "bays"], 0],
      layout: { "text-field": ["to-string", ["get", "bays"]], "text-font": BOLD, "text-size": 11, "text-allow-overlap": true, "symbol-sort-key": ["-", 0, ["get", "bays"]] },
      paint: { "text-color": c["bay-rim"] },
    },
    {
      id: "facility-names", type: "symbol", source: "facilities", minzoom: 14.5,
      layout: {
        "text-field": ["get", "name"], "text-font": FONT, "text-size": 12.5, "text-max-width": 8, "text-padding": 5,
        "text-variable-anchor": ["top", "bottom", "left", "right"], "text-radial-offset": ["+", 0.9, ["*", 1.5, ["min", 1.3, ["sqrt", ["/", ["get", "bays"], large(facilities, "bays")]]]]], "text-justify": "auto",
        "symbol-sort-key": ["-", 0, ["get", "bays"]],
      },
      paint: { "text-color": c.bay, "text-halo-color": c["bay-rim"], "text-halo-width": 1.6 },
    },
  ];
}
