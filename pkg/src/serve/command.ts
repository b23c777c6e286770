// `lodis serve` on the command line.
import { commandLineOf, ConfigError } from "./conf.js";
import { serve } from "./server.js";

export const USAGE = `usage: lodis serve [/path/to/redis.conf] [options] [-]

A Redis server (RESP2 and RESP3) in this process. Options are the directives of redis.conf with -- before
them, and come after those of the file; with "-" there are more on the standard input. Every parameter of
CONFIG GET can be given. Without a file, --dir, --save and --appendonly, data is kept in memory only.

where it listens
  --port <port>            6379; 0 for any free one, or for none beside --unixsocket or --tls-port
  --bind <address>...      127.0.0.1; "*" and "::*" for all, one with "-" before it may be missing
  --unixsocket <path>      a socket in the file system, with --unixsocketperm <mode>
  --tls-port <port>        with --tls-cert-file <pem>, --tls-key-file <pem>, --tls-key-file-pass <password>,
                           --tls-ca-cert-file <pem> or --tls-ca-cert-dir <path>,
                           --tls-auth-clients <yes|no|optional> (yes), --tls-protocols "TLSv1.2 TLSv1.3",
                           --tls-ciphers <list>, --tls-ciphersuites <list>, --tls-prefer-server-ciphers <yes|no>
  --rest-port <port>       Upstash's REST API over HTTP, at the first address; the token is the password, or
                           name:password of a user
  --tcp-backlog <count>    connections that wait to be accepted (511)
  --tcp-keepalive <s>      after so much silence, a client is asked whether it is there (300)
  --timeout <s>            after so much silence, a client is let go (0: never)
  --maxclients <count>     10000

who may do what
  --requirepass <password>
  --user <name> <rules>... as "--user alice on '>secret' '~app:*' +@read"; any number
  --aclfile <path>         a file of such users
  --rename-command <old> <new>
                           another name for a command, "" for none; any number
  --protected-mode <yes|no>
                           whether clients of other machines need a password (yes)
  --enable-debug-command <no|local|yes>
                           who may use DEBUG (no)

what is kept
  --dir <path>             the directory; by itself it means --appendonly yes
  --appendonly <yes|no>    whether every write is recorded there
  --appendfsync <always|everysec|no>
                           when that is on the disk (everysec)
  --save "<seconds> <changes>..."
                           write the RDB file after so many seconds if there were so many changes, and at
                           the end; "" for never. With a file that does not say: 3600 1 300 100 60 10000
  --dbfilename <name>      dump.rdb, which is loaded with --appendonly no
  --stop-writes-on-bgsave-error <yes|no>
                           (yes)

what it may use
  --databases <count>      1 to 16384 (16)
  --maxmemory <size>       as 100mb, 0 for no limit (0)
  --maxmemory-policy <policy>
                           which keys go when more would be used (noeviction)

  --pidfile <path>         a file with the number of the process
  -h, --help               show this
  -v, --version            show the version

SIGTERM, SIGINT and SHUTDOWN store everything, and end it with exit code 0; a second signal ends it at once.`;

/** Serves until it is told to end. */
export async function serveCommand(words: readonly string[]): Promise<void> {
  const notice = (text: string): void => console.error(`lodis: ${text}`);
  let stopping = false;
  const server = await serve(commandLineOf(words), {
    onNotice: notice,
    onShutdown: () => {
      stopping = true;
      void end();
    },
  });
  console.log(`lodis is listening on ${server.addresses.join(", ")}`);
  const end = async (): Promise<void> => {
    await server.close().catch((error: Error) => {
      notice(error.message);
      process.exitCode = 1;
    });
    process.off("SIGINT", stop).off("SIGTERM", stop);
  };
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) {
      notice("You insist... exiting now.");
      // What hangs in the file system would keep `process.exit` as well.
      process.off("SIGINT", stop).off("SIGTERM", stop);
      process.kill(process.pid, signal);
      return;
    }
    stopping = true;
    server.save().then(end, () => {
      notice("Error trying to save the DB, can't exit.");
      stopping = false;
    });
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
}

/** Node's own words for the mistakes that everybody makes, in clearer ones. */
export function explained(error: NodeJS.ErrnoException): string {
  if (error instanceof ConfigError) return error.message;
  const { address, port = -1 } = error as { address?: string; port?: number };
  const isPath = port < 0;
  const where = isPath ? `${address}` : `${address}:${port}`;
  if (error.code === "EADDRINUSE") return `${where} is in use; choose another with ${isPath ? "--unixsocket" : "--port"}`;
  if (error.code === "EACCES" && error.syscall === "listen") return `not allowed to listen on ${where}`;
  if (error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND") return "--bind has an address that this machine does not have";
  return error.message;
}
