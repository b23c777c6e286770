import type { Terminal } from "lodis/terminal/pane";
import { element } from "../element.js";
import { plural } from "../keys/bytes.js";
import { sizeOf } from "../sizes.js";
import type { Store } from "../store.js";
import type { View } from "../view.js";
import { Biggest } from "./biggest.js";
import { type Answer, Client, type Command, turn } from "./client.js";
import { callsOf, clientOf, type CommandStats, commandsOf, type Info, infoOf, keysOf, numberOf } from "./info.js";
import { Leading } from "./leading.js";
import { LoadForm } from "./load-form.js";
import { Plot, round, roundBytes, type Scale, write } from "./plot.js";
import { Settings, SETTINGS_ASKED } from "./settings.js";
import { clientCells, commandRow, count, type Row, type SlowEntry, slowRow, Table } from "./tables.js";
import "./dashboard.css";

const EVERY_MS = 1000;
const SLOW_MAX = 10;
const COMMANDS_MAX = 20;
const CHANNELS_MAX = 20;

const PER_SECOND: Scale = { text: (value) => `${count(value)} /s`, top: round };
const BYTES: Scale = { text: sizeOf, top: roundBytes };
const PERCENT: Scale = { text: (value) => `${value.toFixed(0)} %`, top: () => 100 };
const COUNT: Scale = { text: count, top: round };

/** What is asked every second, in this order. */
const ASKED: readonly Command[] = [
  ["INFO", "everything"],
  ["CLIENT", "LIST"],
  ["SLOWLOG", "GET", SLOW_MAX],
  ["CLIENT", "ID"],
  SETTINGS_ASKED,
  ["PUBSUB", "CHANNELS"],
];

/** What happens in the store, second by second, as the tab that leads counts it. */
export class DashboardView implements View {
  readonly element = element("section", { class: "dashboard", ariaLabel: "Dashboard" });
  private readonly plots = {
    commands: new Plot("Commands", PER_SECOND),
    memory: new Plot("Memory", BYTES),
    keys: new Plot("Keys", COUNT),
    hits: new Plot("Hit rate", PERCENT),
    evicted: new Plot("Evicted", PER_SECOND),
    expired: new Plot("Expired", PER_SECOND),
    messages: new Plot("Messages published", PER_SECOND),
    log: new Plot("Log", BYTES),
    unsynced: new Plot("Not stored yet", BYTES),
    connected: new Plot("Connected", COUNT),
  };
  private readonly commands = new Table("Commands", ["Command", "Calls", "Per second", "On average", "Half within", "99 % within", "Errors"], "Nothing was called yet.");
  private readonly clients = new Table("Clients", ["Id", "Who", "For", "Last command", "Listens to", "Database", "End"], "Nobody is connected.");
  private readonly channels = new Table("Channels", ["Channel", "Subscribers"], "Nobody is subscribed to a channel.");
  private readonly slow = new Table("Slow commands", ["At", "Took", "Command"], "", true);
  private readonly problem = element("p", { class: "problem", role: "alert" });
  private readonly news = element("p", { role: "status" });
  private readonly client: Client;
  private readonly leading: Leading;
  private readonly load: LoadForm;
  private readonly settings: Settings;
  private readonly biggest: Biggest;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last: { readonly info: Info; readonly at: number } | undefined;
  private visit = 0;
  private isShown = false;

  constructor(store: Store, terminal: Terminal) {
    this.client = new Client(store, terminal);
    this.leading = new Leading(this.client);
    this.load = new LoadForm(this.client);
    this.settings = new Settings(this.client);
    this.biggest = new Biggest(this.client, () => (this.last ? [...keysOf(this.last.info).keys()] : [0]));
    const button = (text: string, ...command: Command): HTMLElement => element("button", { type: "button", class: "plain", on: { click: () => void this.change(text, command) } }, text);
    this.element.append(
      element("h2", {}, "What happens"),
      this.problem,
      element("div", { class: "plots" }, ...Object.values(this.plots).map((plot) => plot.element)),
      element("div", { class: "cards-row" }, element("div", {}, this.load.element, this.leading.element), this.settings.element),
      element("h3", {}, "In detail"),
      element("div", { class: "bar" }, button("Count anew", "CONFIG", "RESETSTAT"), button("Empty the slow log", "SLOWLOG", "RESET"), this.news),
      this.commands.element,
      this.clients.element,
      this.channels.element,
      this.slow.element,
      this.biggest.element,
    );
    document.addEventListener("visibilitychange", () => this.look());
  }

  show(): void {
    this.isShown = true;
    this.look();
  }

  hide(): void {
    this.isShown = false;
    this.biggest.stop();
    this.look();
  }

  /** Looks every second, unless nobody looks at what it shows. */
  private look(): void {
    this.visit++;
    clearTimeout(this.timer);
    if (this.isShown && !document.hidden) return void this.measure(this.visit);
    this.load.stop();
    this.last = undefined;
  }

  private async measure(visit: number): Promise<void> {
    const began = performance.now();
    try {
      const answers = await this.client.ask(ASKED);
      if (visit !== this.visit) return;
      write(this.problem, "");
      await this.draw(answers, visit);
    } catch (error) {
      // The tab that leads is leaving, or the one client there is has a transaction: the next time.
      if (visit === this.visit) write(this.problem, `Nothing can be counted just now: ${(error as Error).message}`);
    }
    if (visit !== this.visit) return;
    this.timer = setTimeout(() => void this.measure(visit), Math.max(0, EVERY_MS - (performance.now() - began)));
  }

  /** Shows what was answered, a part in each task. */
  private async draw(answers: readonly Answer[], visit: number): Promise<void> {
    const refused = answers.find((answer) => answer instanceof Error);
    if (refused) throw refused;
    const [text, list, slow, self, settings, channels] = answers as [string, string, SlowEntry[], number, unknown, string[]];
    const info = infoOf(text);
    const subscribers = channels.length > 0 ? await this.client.run("PUBSUB", "NUMSUB", ...channels.slice(0, CHANNELS_MAX)) : [];
    const at = performance.now();
    const parts = [
      () => this.plot(info, at),
      () => this.leading.show(info),
      () => this.settings.take(settings),
      () => this.load.tell(),
      () => this.commands.show(this.commandRows(info, at)),
      () => this.clients.show(this.clientRows(list, String(self))),
      () => this.channels.show(channelRows(subscribers as (string | number)[])),
      () => this.slow.show(slow.map(slowRow), nothingSlow(settings as Record<string, string>)),
    ];
    for (const part of parts) {
      await turn();
      if (visit !== this.visit) return;
      part();
    }
    this.last = { info, at };
  }

  /** How fast something grows. Another tab that leads counts from 0. */
  private rate(info: Info, at: number, of: (info: Info) => number): number {
    const { last } = this;
    const isSame = last?.info.get("run_id") === info.get("run_id");
    return last && isSame ? Math.max(0, ((of(info) - of(last.info)) * 1000) / (at - last.at)) : 0;
  }

  private plot(info: Info, at: number): void {
    const { plots } = this;
    const number = (name: string): number => numberOf(info, name);
    const grows = (...names: string[]): number => this.rate(info, at, (one) => names.reduce((sum, name) => sum + numberOf(one, name), 0));
    const published = (one: Info): number => callsOf(one, "publish") + callsOf(one, "spublish");
    const [hits, misses] = [grows("keyspace_hits"), grows("keyspace_misses")];
    const limit = number("maxmemory");
    const keys = [...keysOf(info)];
    const isKept = number("aof_enabled") === 1;
    plots.commands.add(at, grows("total_commands_processed"), `${count(number("total_commands_processed"))} so far, the dashboard's own among them`);
    plots.memory.add(at, number("used_memory"), limit > 0 ? `of ${sizeOf(limit)}, ${info.get("maxmemory_policy")}` : "no limit");
    plots.keys.add(at, keys.reduce((sum, [, some]) => sum + some, 0), keys.length > 1 ? `in ${plural(keys.length, "database")}` : "");
    plots.hits.add(at, hits + misses > 0 ? (100 * hits) / (hits + misses) : undefined, `${count(number("keyspace_hits"))} hits, ${count(number("keyspace_misses"))} misses so far`);
    plots.evicted.add(at, grows("evicted_keys"), `${count(number("evicted_keys"))} so far, for lack of memory`);
    plots.expired.add(at, grows("expired_keys"), `${count(number("expired_keys"))} so far`);
    plots.messages.add(at, this.rate(info, at, published), `${plural(number("pubsub_channels"), "channel")}, ${plural(number("pubsub_patterns"), "pattern")}`);
    plots.log.add(at, number("aof_current_size"), isKept ? `${sizeOf(number("aof_base_size"))} after the last rewrite` : "nothing is kept: appendonly no");
    plots.unsynced.add(at, number("aof_buffer_length"), isKept ? `appendfsync ${this.settings.of("appendfsync")}` : "");
    plots.connected.add(at, number("connected_clients"), `${plural(number("blocked_clients"), "client")} waiting for something`);
  }

  private commandRows(info: Info, at: number): Row[] {
    const rate = ({ name }: CommandStats): number => this.rate(info, at, (one) => callsOf(one, name));
    const most = commandsOf(info).sort((a, b) => b.calls - a.calls);
    return most.slice(0, COMMANDS_MAX).map((stats) => commandRow(stats, rate(stats)));
  }

  private clientRows(list: string, self: string): Row[] {
    const clients = list.split("\n").filter((line) => line !== "").map(clientOf);
    clients.sort((a, b) => Number(a.get("id")) - Number(b.get("id")));
    return clients.map((client) => {
      const id = client.get("id") ?? "";
      const kill = (): HTMLElement => element("button", { type: "button", class: "plain", ariaLabel: `Kill client ${id}`, on: { click: () => void this.kill(id) } }, "Kill");
      return { key: id, cells: clientCells(client, self), action: id === self ? undefined : kill };
    });
  }

  private async kill(id: string): Promise<void> {
    try {
      const killed = await this.client.run("CLIENT", "KILL", "ID", id);
      this.news.textContent = killed === 0 ? `Client ${id} was gone already.` : `Client ${id} was killed. A tab begins another session at once, as a client that connects again.`;
    } catch (error) {
      this.news.textContent = (error as Error).message;
    }
  }

  private async change(what: string, command: Command): Promise<void> {
    try {
      await this.client.run(...command);
      this.news.textContent = `${what}: done.`;
    } catch (error) {
      this.news.textContent = (error as Error).message;
    }
  }
}

/** Of what PUBSUB NUMSUB answers. */
function channelRows(answer: readonly (string | number)[]): Row[] {
  const rows: Row[] = [];
  for (let index = 0; index + 1 < answer.length; index += 2) {
    rows.push({ key: String(answer[index]), cells: [String(answer[index]), String(answer[index + 1])] });
  }
  return rows;
}

function nothingSlow({ "slowlog-log-slower-than": micros = "-1" }: Record<string, string>): string {
  if (Number(micros) < 0) return "Nothing is noted: the slow log is off. Say in the settings from how many microseconds on a command is slow.";
  return `No command took longer than ${count(Number(micros))} µs.`;
}
