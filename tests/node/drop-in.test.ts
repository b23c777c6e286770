// `vi.mock`, as the README has it.
import { inProcessIoredis, inProcessRedis } from "lodis/node";
import { vi } from "vitest";
import { checks } from "./drop-in/checks.js";

vi.mock("ioredis", async (original) => inProcessIoredis(await original<typeof import("ioredis")>()));
vi.mock("redis", async (original) => inProcessRedis(await original<typeof import("redis")>()));

checks();
