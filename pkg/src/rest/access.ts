import { COMMANDS } from "../commands.js";
import type { Words } from "./request.js";

/** What the bearer of a token may do. */
export type Access =
  | "all"
  | "read"
  | {
      /** The name of a user of the ACL, whose permissions the bearer has. */
      readonly username: string;
      /** The user's password. */
      readonly password: string;
    };

/** Who may use a handler. */
export interface AccessOptions {
  /** The bearer of this token may call everything that the instance's own user may. */
  readonly token?: string;
  /** The bearer of this one may call commands that only read, but for KEYS, SCAN and RANDOMKEY. */
  readonly readOnlyToken?: string;
  /** What the bearer of any other token may do, as which user of the ACL; undefined for nothing. */
  readonly authenticate?: (token: string) => Access | undefined | Promise<Access | undefined>;
  /** Whoever can reach the handler may call everything: needs no token. */
  readonly anyone?: boolean;
}

/** Tells what a request may do: by the token in its header, or in `_token` of its URL. */
export function gate(options: AccessOptions): (request: Request, url: URL) => Promise<Access | undefined> {
  const { token, readOnlyToken, authenticate, anyone = false } = options;
  if (token === "" || readOnlyToken === "") throw new TypeError("a token is not empty");
  if (!anyone && token === undefined && readOnlyToken === undefined && !authenticate) {
    throw new TypeError("a REST handler needs a token, or `anyone: true` if whoever reaches it may call everything");
  }
  return async (request, url) => {
    if (anyone) return "all";
    const bearer = /^Bearer\s+(.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    const given = bearer ?? url.searchParams.get("_token") ?? "";
    if (given === "") return undefined;
    if (token !== undefined && isSame(given, token)) return "all";
    if (readOnlyToken !== undefined && isSame(given, readOnlyToken)) return "read";
    return authenticate?.(given);
  };
}

/** Compares in a time that does not tell where they differ. */
function isSame(given: string, secret: string): boolean {
  let difference = given.length ^ secret.length;
  for (let index = 0; index < given.length; index++) {
    difference |= given.charCodeAt(index) ^ secret.charCodeAt(index % secret.length);
  }
  return difference === 0;
}

/** What reads, but tells of more than the one who asks has named. */
const UNNAMED: ReadonlySet<string> = new Set(["keys", "scan", "randomkey"]);
const HARMLESS: ReadonlySet<string> = new Set(["ping", "echo", "time"]);

let readers: ReadonlySet<string> | undefined;

/** Whether the bearer of the read-only token may call it. */
export function mayRead([name, first]: Words): boolean {
  readers ??= new Set(COMMANDS.filter(({ readOnly }) => readOnly).map((command) => command.name));
  const lower = String(name).toLowerCase();
  if (UNNAMED.has(lower)) return false;
  return HARMLESS.has(lower) || readers.has(lower) || readers.has(`${lower} ${String(first).toLowerCase()}`);
}
