// Keeps the playground, so that it opens without a network. What is in a file with a hash in its name never
// changes; a new build is a new version, which takes over once no page of the old one is open.
const VERSION = "lodis-playground-__VERSION__";
const FILES = [/* __FILES__ */];

addEventListener("install", (event) => {
  event.waitUntil(keep());
});

addEventListener("activate", (event) => {
  event.waitUntil(forgetOthers().then(() => clients.claim()));
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (!pathname.startsWith(new URL("./", location.href).pathname)) return;
  event.respondWith(answer(request));
});

async function keep() {
  const cache = await caches.open(VERSION);
  // Hosts let the page be kept for a while: it must be the one of this version all the same.
  const page = await fetch("./", { cache: "reload" });
  const named = (await page.clone().text()).match(/\.\/assets\/[^"]+/g) ?? [];
  if (!page.ok || !named.every((name) => FILES.includes(name))) throw new Error("The host has the page of another version yet.");
  await cache.put("./", page);
  await cache.addAll(FILES);
}

async function forgetOthers() {
  const names = await caches.keys();
  const others = names.filter((name) => name.startsWith("lodis-playground-") && name !== VERSION);
  await Promise.all(others.map((name) => caches.delete(name)));
}

async function answer(request) {
  const cache = await caches.open(VERSION);
  // What other sites show is no part of the playground.
  const isPage = request.mode === "navigate" && !new URL(request.url).pathname.endsWith("/embed.html");
  const wanted = isPage ? "./" : request;
  const known = await cache.match(wanted, { ignoreSearch: true });
  if (known) return known;
  const response = await fetch(request);
  const isAsset = response.ok && new URL(request.url).pathname.includes("/assets/");
  // Where there is no room for it, it is fetched the next time as well.
  if (isAsset) await cache.put(request, response.clone()).catch(() => {});
  return response;
}
