// What errors mean, in plain words.

/** What there is to say about an error. */
export interface Explanation {
  readonly text: string;
  /** What it has to do with. */
  readonly topic: string;
}

/** The beginning of an error, what it means, and what it has to do with. The first that fits is taken. */
const EXPLANATIONS: readonly (readonly [error: RegExp, text: string, topic: string])[] = [
  [/^WRONGTYPE/, "The key holds a value of another type than this command works on. TYPE tells which, and DEL makes room for a new one.", "types"],
  [/^ERR unknown command/, "There is no command of that name. Look at the spelling; HELP lists what there is.", "start"],
  [/^ERR unknown subcommand/, "The command is there, but it has no such subcommand. Its HELP lists them.", "start"],
  [/^ERR wrong number of arguments/, "Something is missing, or there is something too much. Words with blanks in them need quotes: \"like this\".", "start"],
  [/^ERR syntax error/, "The words are not in an order that the command understands: a misspelt option, one without its value, or two that exclude each other.", "start"],
  [/is not an integer or out of range/, "A whole number is needed here, of at most 64 bits. The value of the key, or the argument, is something else.", "numbers"],
  [/is not a valid float|is not a float/, "A number is needed here, such as 3.5.", "numbers"],
  [/would overflow|would produce NaN/, "The result would be too large for a number of Redis, so nothing was changed.", "numbers"],
  [/^ERR invalid expire time/, "A time to live has to be larger than zero, and not beyond the end of the calendar.", "expiry"],
  [/^ERR no such key/, "The key has to be there for this command. It may never have been, or it has expired.", "start"],
  [/^ERR index out of range/, "The list is shorter than that. LLEN tells how long it is; the first element has the index 0.", "lists"],
  [/^(min or max|ERR min or max)/, "The ends of a range are numbers, -inf or +inf for scores, or [word and (word for names.", "sorted-sets"],
  [/^OOM/, "The memory that maxmemory allows is used up, and maxmemory-policy forbids to throw keys away. Delete something, or change one of the two with CONFIG SET.", "memory"],
  [/^NOAUTH/, "A password is needed first: AUTH password, or AUTH user password.", "security"],
  [/^WRONGPASS/, "That user and that password do not go together, or the user is switched off.", "security"],
  [/^NOPERM/, "The user of this session is not allowed to do that. ACL WHOAMI tells who it is; somebody with more rights can change that with ACL SETUSER.", "security"],
  [/^ERR AUTH <password> called without any password/, "The user default needs no password here, so there is nothing to log in with.", "security"],
  [/^NOSCRIPT/, "No script with that SHA1 is loaded. Send it with EVAL or SCRIPT LOAD first.", "scripts"],
  [/^EXECABORT/, "A command between MULTI and EXEC was refused when it was queued, so none of them was run. Begin again with MULTI.", "transactions"],
  [/^ERR (EXEC|DISCARD) without MULTI/, "No transaction was begun: MULTI comes first.", "transactions"],
  [/^ERR MULTI calls can not be nested/, "A transaction is open already, as (TX) in the prompt says. EXEC runs it, DISCARD gives it up.", "transactions"],
  [/^ERR WATCH inside MULTI/, "WATCH comes before MULTI: it looks after keys from then until EXEC.", "transactions"],
  [/^ERR Can't execute/, "In RESP2 a client that has subscribed can do little else until it has unsubscribed. UNSUBSCRIBE, Ctrl+C or HELLO 3 ends that.", "pubsub"],
  [/^READONLY/, "This copy can be read but not written: another tab has the lead. It usually passes by itself; try once more.", "tabs"],
  [/^MISCONF/, "What was written could not be stored lately, so nothing more is accepted that could be lost. The badge at the top says why.", "persistence"],
  [/^BUSYGROUP/, "The stream has a consumer group of that name already.", "streams"],
  [/^NOGROUP/, "There is no such stream, or it has no such consumer group. XGROUP CREATE key group $ MKSTREAM makes both.", "streams"],
  [/^ERR The ID specified in XADD/, "IDs of a stream only grow. Let * choose the next one.", "streams"],
  [/^(CROSSSLOT|ERR CROSSSLOT)/, "In a cluster, keys of one command have to be in the same slot: those with the same {tag} in their names are.", "cluster"],
  [/^ERR This instance has cluster support disabled/, "This is a single server, not a part of a cluster.", "cluster"],
  [/^BUSYKEY/, "A key of that name is there already. RESTORE with REPLACE takes its place.", "start"],
  [/^BUSY /, "A script has been running for long. SCRIPT KILL ends one that has not written yet.", "scripts"],
  [/^UNBLOCKED|^ERR UNBLOCKED/, "The wait was ended before there was anything to answer.", "lists"],
  [/^NOPROTO/, "There are two protocols: HELLO 2 and HELLO 3.", "protocol"],
  [/^ERR DB index is out of range/, "Databases are numbered from 0; CONFIG GET databases tells how many there are.", "start"],
  [/^NOREPLICAS/, "Too few replicas are connected for a write to be accepted.", "persistence"],
  [/^(NOTBUSY|ERR No such user|ERR Error in ACL)/, "The list of users does not have that, or the rule is not written as ACL SETUSER wants it.", "security"],
  [/script: |^ERR Error compiling script|^ERR user_script/, "The script itself failed. The text behind tells the line and the reason.", "scripts"],
];

/** What an error means; undefined where its own words say all. */
export function explanationOf(error: string): Explanation | undefined {
  const found = EXPLANATIONS.find(([pattern]) => pattern.test(error));
  return found && { text: found[1], topic: found[2] };
}
