// Users, passwords and renamed commands, as an embedded instance has them.
import { open, type OpenOptions, type Redis, ReplyError } from "lodis";
import { afterEach, describe, expect, test } from "vitest";

let redis: Redis;
afterEach(() => redis?.close());

const opened = async (options: OpenOptions): Promise<Redis> => {
  redis = await open("acl", { store: "memory", ...options });
  return redis;
};

describe("requirepass", () => {
  test("without the password nothing can be called, by whatever surface", async () => {
    await opened({ requirepass: "sesame" });
    const noAuth = /^NOAUTH Authentication required\.$/;
    await expect(redis.get("k")).rejects.toThrow(noAuth);
    expect(() => redis.sync.get("k")).toThrow(noAuth);
    expect(() => redis.sync.set("k", "v")).toThrow(noAuth);
    await expect(redis.blPop("k", 0)).rejects.toThrow(noAuth);
    await expect(redis.subscribe("channel", () => {})).rejects.toThrow(noAuth);
    const replies = await redis.pipeline().set("k", "v").get("k").exec();
    for (const reply of replies as unknown[]) expect(reply).toMatchObject({ message: expect.stringMatching(noAuth) });
    await expect(redis.exportRdb()).rejects.toThrow(/^NOPERM/);
    await expect(redis.importRdb(new Blob([]))).rejects.toThrow(/^NOPERM/);
    await expect(redis.auth("wrong")).rejects.toThrow(/^WRONGPASS/);
    expect(await redis.auth("sesame")).toBe("OK");
    expect(await redis.set("k", "v")).toBe("OK");
    expect((await redis.exportRdb()).size).toBeGreaterThan(0);
  });

  test("with the password of the options everything can", async () => {
    await opened({ requirepass: "sesame", password: "sesame" });
    expect(await redis.set("k", "v")).toBe("OK");
    expect(redis.sync.get("k")).toBe("v");
    expect(await redis.configGet("requirepass")).toEqual({ requirepass: "sesame" });
    expect(await redis.aclWhoami()).toBe("default");
  });

  test("a wrong password, or one that nobody asks for, is told by open", async () => {
    const wrong = open("acl", { store: "memory", requirepass: "sesame", password: "wrong" });
    await expect(wrong).rejects.toThrow(ReplyError);
    await expect(wrong).rejects.toMatchObject({ code: "WRONGPASS" });
    await expect(open("acl", { store: "memory", password: "any" })).rejects.toThrow(/^ERR AUTH <password> called/);
    const nobody = open("acl", { store: "memory", username: "nobody", password: "any" });
    await expect(nobody).rejects.toMatchObject({ code: "WRONGPASS" });
  });
});

describe("users", () => {
  const users = ["alice on >pw ~app:* +@read +@write +acl|whoami +multi +exec +auth -keys &news"];

  test("an instance does what its user may", async () => {
    await opened({ users, username: "alice", password: "pw" });
    expect(await redis.aclWhoami()).toBe("alice");
    expect(await redis.set("app:k", "v")).toBe("OK");
    const noKey = "NOPERM No permissions to access a key";
    await expect(redis.set("other", "v")).rejects.toThrow(noKey);
    expect(() => redis.sync.get("other")).toThrow(noKey);
    await expect(redis.keys("*")).rejects.toThrow("NOPERM User alice has no permissions to run the 'keys' command");
    await expect(redis.aclUsers()).rejects.toThrow(/^NOPERM/);
    await expect(redis.subscribe("secret", () => {})).rejects.toThrow(/^NOPERM/);
    await expect(redis.blPop("other", 0)).rejects.toThrow(/^NOPERM/);
    await expect(redis.exportRdb()).rejects.toThrow(/^NOPERM/);
    const [first, second] = (await redis.pipeline().get("app:k").get("other").exec()) as unknown[];
    expect(first).toBe("v");
    expect(second).toBeInstanceOf(ReplyError);
  });

  test("no value is answered that was read by another user, or when its user still might", async () => {
    await opened({ users });
    redis.sync.set("other", "v");
    for (let times = 0; times < 3; times++) expect(redis.sync.get("other")).toBe("v");
    redis.sync.auth("alice", "pw");
    expect(() => redis.sync.get("other")).toThrow(/^NOPERM/);
    await expect(redis.get("other")).rejects.toThrow(/^NOPERM/);
    redis.sync.auth("default", "any");
    for (let times = 0; times < 3; times++) expect(redis.sync.get("other")).toBe("v");
    redis.sync.aclSetuser("default", "-get");
    expect(() => redis.sync.get("other")).toThrow(/^NOPERM/);
    for (let times = 0; times < 3; times++) expect(() => redis.sync.get("other")).toThrow(/^NOPERM/);
  });

  test("the session of a user who is deleted may do nothing before it authenticates", async () => {
    await opened({ users: ["alice on >pw ~* &* +@all"], username: "alice", password: "pw" });
    expect(await redis.aclDeluser("alice")).toBe(1);
    await expect(redis.get("k")).rejects.toThrow(/^NOAUTH/);
    await expect(redis.auth("alice", "pw")).rejects.toThrow(/^WRONGPASS/);
    expect(await redis.auth("default", "any")).toBe("OK");
    expect(await redis.get("k")).toBeNull();
  });

  test("rules that are wrong are told by open", async () => {
    const wrong = open("acl", { store: "memory", users: ["alice on +nosuch"] });
    await expect(wrong).rejects.toThrow("ERR Error in ACL SETUSER modifier '+nosuch': Unknown command");
  });

  test("passwords that are made are not made twice", async () => {
    await opened({});
    const made = [redis.sync.aclGenpass(), redis.sync.aclGenpass(), redis.sync.aclGenpass(5)];
    expect(made.map((password) => password.length)).toEqual([64, 64, 2]);
    expect(made[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(made[0]).not.toBe(made[1]);
  });
});

test("a renamed command is called by its new name only", async () => {
  await opened({ renameCommand: { FLUSHALL: "", CONFIG: "secret", get: "fetch" } });
  await redis.set("k", "v");
  await expect(redis.flushAll()).rejects.toThrow(/^ERR unknown command 'flushall'/i);
  expect(() => redis.sync.configGet("databases")).toThrow(/^ERR unknown command 'config'/i);
  expect(await redis.call("secret", "get", "databases")).toEqual({ databases: "16" });
  await expect(redis.get("k")).rejects.toThrow(/^ERR unknown command 'get'/i);
  expect(redis.sync.call("fetch", "k")).toBe("v");
  const other = open("acl", { store: "memory", renameCommand: { get: "set" } });
  await expect(other).rejects.toThrow("ERR Target command name already exists in rename-command");
});

test.each([
  [{ requirepass: 1 }, "open: requirepass is a string"],
  [{ password: null }, "open: password is a string"],
  [{ username: "alice" }, "open: a username needs a password"],
  [{ users: "alice on" }, "open: users are an array of strings"],
  [{ users: [1] }, "open: users are an array of strings"],
  [{ renameCommand: { get: null } }, "open: renameCommand is an object of strings"],
  [{ renameCommand: "get" }, "open: renameCommand is an object of strings"],
])("%j is a TypeError", async (options, message) => {
  const wrong = open("acl", { store: "memory", ...(options as object) });
  await expect(wrong).rejects.toThrow(new TypeError(message));
});
