import type { Commands } from "./generated/commands.js";
import type { Input, Reply } from "./types.js";

/** A command as an array of its words: its name, and what its method takes. */
export type LiveCommand = readonly [name: string, ...inputs: Input[]];

/** The reply of a command by its words, as far as these are known. */
export type LiveReply<C extends LiveCommand> = Paired<C, ReplyOf<MethodOf<C>>>;

type Table = Commands<"sync">;
/** The words of a method's name in lower case: they are joined, and nothing is between them. */
type Joined<Name extends string> = Lowercase<Without<Without<Without<Without<Name, "_">, "-">, ".">, " ">>;
/** One separator after the other: a union of them would come to every way of parting the text. */
type Without<Text extends string, Separator extends string> = Text extends `${infer Before}${Separator}${infer After}`
  ? Without<`${Before}${After}`, Separator>
  : Text;
/** Commands whose second word names a subcommand; that of others is a key, or a script, of any length. */
type Container =
  | "acl" | "client" | "cluster" | "command" | "config" | "debug" | "function" | "latency"
  | "memory" | "module" | "object" | "pubsub" | "script" | "slowlog" | "xgroup" | "xinfo";
type MethodOf<C extends LiveCommand> = Lowercase<C[0]> extends Container
  ? C extends readonly [string, infer Second extends string, ...Input[]]
    ? Joined<`${C[0]}${Second}`> extends infer Name extends keyof Table
      ? Name
      : Joined<C[0]>
    : Joined<C[0]>
  : Joined<C[0]>;
type ReplyOf<Name> = Name extends keyof Table
  ? Table[Name] extends (...inputs: never[]) => infer R
    ? R
    : Reply
  : Reply;

/** Members come with their scores where that is asked for, which can be seen if all words are known. */
type Paired<C extends LiveCommand, R> = [string, number][] extends R
  ? string[] extends R
    ? string extends Plain<C[number]>
      ? R
      : HasScores<C> extends true
        ? Exclude<R, string[]>
        : Exclude<R, [string, number][]>
    : R
  : R;
type Plain<T> = T extends string ? T : never;
type HasScores<C extends LiveCommand> = "WITHSCORES" extends Uppercase<Plain<C[number]>>
  ? true
  : { readonly WITHSCORES: true } extends C[number]
    ? true
    : false;
