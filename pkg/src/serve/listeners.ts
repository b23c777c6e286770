// Where a server can be reached: addresses, with TLS or without, and a socket in the file system.
import { chmodSync, lstatSync, readdirSync, readFileSync, unlinkSync } from "node:fs";
import type { Server as HttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { join as joinPath } from "node:path";
import { createServer as createTlsServer, type SecureVersion, type TlsOptions } from "node:tls";
import { join } from "../connection.js";
import { ConfigError, reasonOf } from "./conf.js";
import type { ServerSettings } from "./settings.js";

/** Takes a connection, and the name of its peer. */
export type Accept = (socket: Socket, peer: string) => void;

/** What listens. */
export interface Listeners {
  /** As `127.0.0.1:6379`, `/run/lodis.sock`, `127.0.0.1:6380 (TLS)`. */
  readonly addresses: readonly string[];
  /** The first port without TLS; 0 if there is none. */
  readonly port: number;
  /** Takes no more connections. */
  close(): Promise<void>;
}

/**
 * Listens wherever the settings say.
 *
 * @throws if one of the places cannot be had; then it listens nowhere.
 */
export async function listenAll(settings: ServerSettings, accept: Accept, http: () => HttpServer): Promise<Listeners> {
  const { port, unixsocket, "rest-port": restPort, "tls-port": tlsPort } = settings;
  const servers: Server[] = [];
  const addresses: string[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(
      servers.map((server) => {
        const closed = new Promise((resolve) => server.close(resolve));
        // What streams to a browser does not end by itself.
        if ("closeAllConnections" in server) (server as HttpServer).closeAllConnections();
        return closed;
      }),
    );
  };
  const onSocket = (socket: Socket): void => accept(socket, join(socket.remoteAddress ?? "", socket.remotePort ?? 0));
  const add = (server: Server, suffix = ""): number => {
    servers.push(server);
    const { address, port } = server.address() as AddressInfo;
    addresses.push(join(address, port) + suffix);
    return port;
  };
  try {
    let first = 0;
    // Without another place, 0 is any port that is free, and the same one on all addresses.
    if (port !== 0 || (unixsocket === "" && tlsPort === 0)) {
      for (const host of settings.bind) {
        const server = await listenOn(createServer({ noDelay: true }, onSocket), host, port || first, settings);
        if (server) first = add(server);
      }
    }
    if (unixsocket !== "") {
      servers.push(await listenAtPath(unixsocket, settings.unixsocketperm, accept));
      addresses.push(unixsocket);
    }
    if (tlsPort !== 0) {
      const options = tlsOptions(settings);
      for (const host of settings.bind) {
        const server = await listenOn(createTlsServer(options, onSocket), host, tlsPort, settings);
        // Who cannot agree on anything is gone.
        if (server) add(server.on("tlsClientError", () => {}), " (TLS)");
      }
    }
    if (restPort !== 0) {
      const server = http();
      await listen(server, { host: hostOf(settings.bind[0] ?? "127.0.0.1"), port: restPort });
      servers.push(server);
      const { address, port } = server.address() as AddressInfo;
      addresses.push(`http://${join(address, port)}`);
    }
    if (servers.length === 0) throw new ConfigError("Configured to not listen anywhere, exiting.");
    return { addresses, port: first, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The address that a word of `bind` names. */
function hostOf(word: string): string {
  const name = word.replace(/^-/, "");
  return name === "*" ? "0.0.0.0" : name === "::*" ? "::" : name;
}

/** Listens at an address; undefined if this machine does not have it and need not. */
async function listenOn(
  server: Server,
  word: string,
  port: number,
  settings: ServerSettings,
): Promise<Server | undefined> {
  const isOptional = word.startsWith("-");
  const host = hostOf(word);
  try {
    await listen(server, { host, port, backlog: settings["tcp-backlog"], ipv6Only: host === "::" });
    return server;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (isOptional && ["EADDRNOTAVAIL", "EAFNOSUPPORT", "EPROTONOSUPPORT", "EINVAL"].includes(code ?? "")) return undefined;
    throw error;
  }
}

async function listenAtPath(path: string, mode: number, accept: Accept): Promise<Server> {
  // What a server left behind that was killed.
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) unlinkSync(path);
  const server = createServer((socket) => accept(socket, `${path}:0`));
  await listen(server, { path });
  if (mode !== 0) chmodSync(path, mode);
  return server;
}

function listen(server: Server, where: object): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

const VERSIONS: readonly SecureVersion[] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

/** @throws ConfigError if they do not suffice for TLS. */
function tlsOptions(settings: ServerSettings): TlsOptions {
  const { "tls-cert-file": cert, "tls-ca-cert-file": ca, "tls-ca-cert-dir": caDir, "tls-auth-clients": clients } = settings;
  const failed = (why: string): never => {
    throw new ConfigError(`${why}\nFailed to configure TLS. Check logs for more info.`);
  };
  const read = (path: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (error) {
      return failed(`Failed to load '${path}': ${reasonOf(error)}`);
    }
  };
  if (cert === "") failed("No tls-cert-file configured!");
  if (clients !== "no" && ca === "" && caDir === "") {
    failed("Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-auth-clients is enabled!");
  }
  const inDir = caDir === "" ? [] : readdirSync(caDir).filter((name) => /\.(pem|crt|\d+)$/.test(name));
  const authorities = [...(ca === "" ? [] : [ca]), ...inDir.map((name) => joinPath(caDir, name))].map(read);
  const versions = settings["tls-protocols"].split(" ").filter((word) => word !== "");
  const wanted = VERSIONS.filter((known) => versions.some((word) => word.toLowerCase() === known.toLowerCase()));
  if (wanted.length < versions.length) failed("Invalid tls-protocols specified. Use a combination of 'TLSv1.2' and 'TLSv1.3'.");
  const ciphers = [settings["tls-ciphersuites"], settings["tls-ciphers"]].filter((list) => list !== "").join(":");
  return {
    cert: read(cert),
    key: read(settings["tls-key-file"] || cert),
    ...(settings["tls-key-file-pass"] === "" ? {} : { passphrase: settings["tls-key-file-pass"] }),
    ...(authorities.length === 0 ? {} : { ca: authorities }),
    ...(ciphers === "" ? {} : { ciphers }),
    ...(wanted.length === 0 ? {} : { minVersion: wanted[0]!, maxVersion: wanted.at(-1)! }),
    honorCipherOrder: settings["tls-prefer-server-ciphers"],
    requestCert: clients !== "no",
    rejectUnauthorized: clients === "yes",
    noDelay: true,
  } as TlsOptions;
}
