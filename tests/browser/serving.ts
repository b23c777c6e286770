import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize, sep } from "node:path";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
};

/** Serves the files under `folder` on a free port of 127.0.0.1; `pages` are served as they are. */
export async function serveFolder(folder: string, pages: Record<string, string> = {}) {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const page = pages[path];
    const type = TYPES[extname(path)];
    if (page !== undefined) return void response.setHeader("content-type", type ?? TYPES[".html"]!).end(page);
    const file = normalize(join(folder, decodeURIComponent(path), path.endsWith("/") ? "index.html" : ""));
    if (!file.startsWith(folder + sep)) return void response.writeHead(403).end();
    try {
      const bytes = await readFile(file);
      response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream").end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, close: () => closed(server) };
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
