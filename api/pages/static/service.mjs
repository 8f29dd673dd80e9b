// The page as the service shows it: the library and its worker come from our own address.
import * as maplibregl from "/assets/maplibre-gl/maplibre-gl.mjs";
import { startPage } from "/assets/map.mjs";

maplibregl.setWorkerUrl("/assets/maplibre-gl/maplibre-gl-worker.mjs");
if (globalThis.pmtiles) maplibregl.addProtocol("pmtiles", new globalThis.pmtiles.Protocol().tile);
startPage(maplibregl);
