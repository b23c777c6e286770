// From the lines of a configuration to an engine that obeys them.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Loaded } from "../load.js";
import { BAD_DIRECTIVE, type CommandLine, ConfigError, type Directive, directivesOf, readConfig, reasonOf, refusal } from "./conf.js";
import { ServedEngine as Engine } from "./engine.js";
import {
  BEYOND,
  DEFAULTS,
  isSetting,
  Refused,
  type ServerSettings,
  SETTINGS,
  setSetting,
  shown,
  WITHOUT_USE,
} from "./settings.js";

/** An engine with the settings it was given. */
export interface Configured {
  readonly engine: Engine;
  readonly settings: ServerSettings;
  /** Settings that were given and change nothing. */
  readonly unused: readonly string[];
  /** The configuration file. */
  readonly file: string | undefined;
  /** What the engine's and the server's settings are without the flags, for CONFIG REWRITE. */
  readonly fromFile: ReadonlyMap<string, string>;
  readonly defaults: ReadonlyMap<string, string>;
}

const WRONG_NUMBER = "wrong number of arguments";
/** Parameters that take several words. */
const SEVERAL: ReadonlySet<string> = new Set(["save", "client-output-buffer-limit"]);
/** When a server with a configuration file that does not say so saves. */
const DEFAULT_SAVE = "3600 1 300 100 60 10000";

/**
 * Makes an engine of a command line.
 *
 * @throws ConfigError for what redis-server does not start with either.
 */
export function configure(loaded: Loaded, { file, stdin, lines }: CommandLine): Configured {
  let text = file === undefined ? "" : readConfig(file);
  if (stdin) text += `\n${readFileSync(0, "utf8")}`;
  const ofFile = directivesOf(text);
  // Lines of flags are counted after those of the file.
  const ofFlags = directivesOf("\n".repeat(text.split("\n").length) + lines);
  const engine = new Engine(loaded, {
    databases: databasesOf([...ofFile, ...ofFlags]),
    enableDebugCommand: "no",
  });
  try {
    const reading = new Reading(engine, file);
    const defaults = reading.values();
    ofFile.forEach((directive) => reading.obey(directive));
    const fromFile = reading.values();
    ofFlags.forEach((directive) => reading.obey(directive));
    const settings = reading.finish(file !== undefined || stdin);
    return { engine, settings, unused: [...reading.unused], file, fromFile, defaults };
  } catch (error) {
    engine.close();
    throw error;
  }
}

/** How many databases the engine is to have; a line that cannot be obeyed is refused later, in its turn. */
function databasesOf(directives: readonly Directive[]): number {
  const settings = { ...DEFAULTS };
  for (const { name, words } of directives) {
    try {
      if (name === "databases") setSetting(settings, name, words);
    } catch {
      // See above.
    }
  }
  return settings.databases;
}

/** Directives that are obeyed one after the other. */
class Reading {
  readonly unused = new Set<string>();
  private readonly settings: ServerSettings = { ...DEFAULTS };
  private readonly given = new Set<string>();
  private readonly users = new Set<string>();
  private save = "";

  constructor(
    private readonly engine: Engine,
    file: string | undefined,
  ) {
    engine.lodis.attachHost(true, file ?? "");
  }

  /** @throws ConfigError if it cannot be. */
  obey(directive: Directive): void {
    const { name } = directive;
    const reason = this.reasonAgainst(directive);
    if (reason !== undefined) throw refusal(directive, reason);
    this.given.add(name);
  }

  /** Every setting and its value. */
  values(): Map<string, string> {
    return valuesOf(this.engine, this.settings);
  }

  /** What follows from what was given, and what was not. */
  finish(hasFile: boolean): ServerSettings {
    const { engine, given, settings } = this;
    const { lodis } = engine;
    if (settings.aclfile !== "") this.readUsers(settings.aclfile);
    if (hasFile && !given.has("save")) lodis.configure("save", DEFAULT_SAVE);
    const saves = lodis.setting("save") !== "";
    if (!given.has("dir")) {
      const isKept = hasFile || saves || lodis.setting("appendonly") === "yes" || given.has("dbfilename");
      settings.dir = isKept ? resolve(".") : "";
    } else if (!hasFile && !saves && !given.has("appendonly")) {
      // A directory is there to keep everything in.
      lodis.configure("appendonly", "yes");
    }
    if (settings.dir === "") lodis.attachHost(false, "");
    for (const name of SETTINGS) {
      const isTold = !["databases", "aclfile", "tls-key-file-pass"].includes(name);
      if (isTold && (name !== "dir" || settings.dir !== "")) lodis.tellSetting(name, shown(settings, name));
    }
    return settings;
  }

  private reasonAgainst({ name, words }: Directive): string | undefined {
    const { engine: { lodis }, settings } = this;
    if (isSetting(name)) {
      try {
        return void setSetting(settings, name, words);
      } catch (error) {
        if (error instanceof Refused) return error.message;
        throw error;
      }
    }
    if (Object.hasOwn(BEYOND, name)) return words[0]?.toLowerCase() === "no" ? undefined : BEYOND[name];
    if (WITHOUT_USE.has(name)) {
      this.unused.add(name);
      return words.length === 0 ? WRONG_NUMBER : undefined;
    }
    if (name === "user") return words[0] === undefined ? BAD_DIRECTIVE : this.addUser(words[0].split(" ")[0]!, words);
    if (name === "rename-command") return words.length === 2 ? bare(lodis.configure(name, words.join("\n"))) : BAD_DIRECTIVE;
    if (lodis.setting(name) === undefined) return BAD_DIRECTIVE;
    if (words.length !== 1 && !(SEVERAL.has(name) && words.length > 0)) return WRONG_NUMBER;
    return name === "save" ? this.addSave(words.join(" ")) : lodis.configure(name, words.join(" "));
  }

  /** Lines add to each other. */
  private addSave(points: string): string | undefined {
    const { lodis } = this.engine;
    const reason = lodis.configure("save", points);
    if (reason !== undefined) return reason;
    this.save = [this.save, points].filter((part) => part !== "").join(" ");
    return lodis.configure("save", this.save);
  }

  private addUser(name: string, rules: readonly string[]): string | undefined {
    const why = "Duplicate user found. A user can only be defined once in config files";
    const reason = this.users.has(name) ? why : this.engine.lodis.configure("user", rules.join(" "));
    this.users.add(name);
    return reason && `Error in user declaration '${name}': ${reason.replace(/^ERR (Error in ACL SETUSER modifier '.*': )?/s, "")}`;
  }

  private readUsers(path: string): void {
    if (this.users.size > 0) {
      throw new ConfigError(
        "Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. " +
          "This setup is very likely to lead to configuration errors and security holes, please define either an ACL " +
          "file or declare users directly in your redis.conf, but not both.",
      );
    }
    let lines: readonly string[];
    try {
      lines = readFileSync(path, "utf8").split("\n");
    } catch (error) {
      throw new ConfigError(`Error loading ACLs, opening file '${path}': ${reasonOf(error)}`);
    }
    for (const [index, line] of lines.entries()) {
      const [keyword, name, ...rules] = line.trim().split(/\s+/);
      if (keyword === "") continue;
      const isUser = keyword === "user" && name !== undefined;
      const reason = isUser ? this.addUser(name, [name, ...rules]) : "should start with user keyword";
      if (reason !== undefined) throw new ConfigError(`${path}:${index + 1}: ${reason}`);
    }
  }
}

/** Every setting of an engine and of its server, with its value; lines of users under `user`. */
export function valuesOf(engine: Engine, settings: ServerSettings): Map<string, string> {
  const values = new Map<string, string>();
  const flat = engine.lodis.settings().split("\0");
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const [name, value] = [flat[index]!, flat[index + 1]!];
    const before = name === "user" ? values.get(name) : undefined;
    values.set(name, before === undefined ? value : `${before}\n${value}`);
  }
  for (const name of SETTINGS) values.set(name, shown(settings, name));
  return values;
}

function bare(error: string | undefined): string | undefined {
  return error?.replace(/^ERR /, "").replace(" in rename-command", (words) => (error.includes("No such") ? words : ""));
}
