import { createHash } from "node:crypto";
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

/**
 * Serves the files under `folder` on a free port of 127.0.0.1; `pages` are served as they are. With `isForAll`, pages
 * of other origins may read them.
 */
export async function serveFolder(folder: string, pages: Record<string, string> = {}, isForAll = false) {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    if (isForAll) response.setHeader("access-control-allow-origin", "*");
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

/** What a host has sent: the path, and the bytes of the body as they went over the wire. */
export interface Sent {
  readonly path: string;
  readonly bytes: number;
}

/**
 * Serves a folder at `base` as hosts of static files do: compressed where there is such a file, to be kept for ten
 * minutes, and with a name for what is in it. `sent` grows with each answer.
 */
export async function serveAsHost(folder: string, base = "/") {
  const sent: Sent[] = [];
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    if (!path.startsWith(base)) return void response.writeHead(404).end();
    const name = decodeURIComponent(path.slice(base.length));
    const file = normalize(join(folder, name === "" || name.endsWith("/") ? `${name}index.html` : name));
    if (!file.startsWith(folder + sep)) return void response.writeHead(403).end();
    const takesBrotli = /\bbr\b/.test(request.headers["accept-encoding"] ?? "");
    const small = takesBrotli ? await readFile(`${file}.br`).catch(() => undefined) : undefined;
    const bytes = small ?? (await readFile(file).catch(() => undefined));
    if (!bytes) return void response.writeHead(404).end();
    const tag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 16)}"`;
    response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
    response.setHeader("cache-control", "max-age=600");
    response.setHeader("etag", tag);
    response.setHeader("vary", "accept-encoding");
    if (request.headers["if-none-match"] === tag) return void response.writeHead(304).end();
    if (small) response.setHeader("content-encoding", "br");
    response.setHeader("content-length", bytes.length);
    response.end(bytes);
    sent.push({ path, bytes: bytes.length });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}${base}`, sent, close: () => closed(server) };
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
