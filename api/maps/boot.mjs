// Unpacks the libraries that this file carries and starts the page; nothing is fetched from anywhere.
const unpack = async (name) => {
  const packed = Uint8Array.from(atob(document.getElementById(`source-${name}`).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
};
const address = (text) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }));

const [library, worker, style, page] = await Promise.all(["library", "worker", "style", "page"].map(unpack));
const maplibregl = await import(address(library));
maplibregl.setWorkerUrl(address(worker));
const { startPage } = await import(address(page.replace("./style.mjs", address(style))));
startPage(maplibregl);
