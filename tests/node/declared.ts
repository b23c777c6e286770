// What the declarations of the package say of calls: whether they may be made, and of what type their replies
// are, to compare them with what comes.
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { programOf } from "./checking.js";

const FILE = fileURLToPath(new URL("./declared.virtual.ts", import.meta.url));

/** The types of calls, and what is wrong with them. */
export class Declared {
  readonly checker: ts.TypeChecker;
  private readonly source: ts.SourceFile;
  private readonly calls: ts.CallExpression[] = [];
  private readonly program: ts.Program;

  /** Each call is an expression, to which `head` has declared what it needs. */
  constructor(head: string, calls: readonly string[]) {
    const text = `${head}\n${calls.map((call) => `void ${call};`).join("\n")}`;
    this.program = programOf(new Map([[FILE, text]]));
    this.checker = this.program.getTypeChecker();
    this.source = this.program.getSourceFile(FILE)!;
    for (const statement of this.source.statements) {
      if (!ts.isExpressionStatement(statement) || !ts.isVoidExpression(statement.expression)) continue;
      this.calls.push(statement.expression.expression as ts.CallExpression);
    }
  }

  /** What is wrong with each call; empty if it may be made. */
  errors(): string[][] {
    const [lines, errors] = [this.calls.map((call) => this.lineOf(call)), this.calls.map(() => [] as string[])];
    const byLine = new Map(lines.map((line, index) => [line, index]));
    for (const { start, messageText } of this.program.getSemanticDiagnostics(this.source)) {
      const index = byLine.get(this.source.getLineAndCharacterOfPosition(start ?? 0).line);
      const message = ts.flattenDiagnosticMessageText(messageText, " ");
      if (index === undefined) throw new Error(message);
      errors[index]!.push(message);
    }
    return errors;
  }

  /** The type of the call's value. */
  type(index: number): ts.Type {
    return this.checker.getTypeAtLocation(this.calls[index]!);
  }

  /** What a method was called on. */
  object(index: number): ts.Node {
    return (this.calls[index]!.expression as ts.PropertyAccessExpression).expression;
  }

  /** Every name that a type has. */
  names(type: ts.Type): Set<string> {
    return new Set(this.checker.getPropertiesOfType(type).map((property) => property.name));
  }

  private lineOf(node: ts.Node): number {
    return this.source.getLineAndCharacterOfPosition(node.getStart()).line;
  }
}

/** Compares values with types, and keeps in mind which alternatives of a type have been seen. */
export class Comparison {
  /** Alternatives, by where they are, and whether they have been seen. */
  readonly seen = new Map<string, boolean>();
  private trials = 0;
  private readonly texts = new Map<ts.Type, string>();

  constructor(private readonly checker: ts.TypeChecker) {}

  /** Why `value` is not of the type; nothing if it is. `place` names the type's alternatives. */
  difference(value: unknown, type: ts.Type, place: string): string | undefined {
    if (type.isUnion()) return this.union(value, type, place);
    const wrong = (): string => `${place}: ${show(value)} is no ${this.text(type)}`;
    const { flags } = type;
    if (type.isStringLiteral() || type.isNumberLiteral()) return value === type.value ? undefined : wrong();
    const primitives: [number, boolean][] = [
      [ts.TypeFlags.String | ts.TypeFlags.TemplateLiteral, typeof value === "string"],
      [ts.TypeFlags.Number, typeof value === "number"],
      [ts.TypeFlags.BigInt, typeof value === "bigint"],
      [ts.TypeFlags.Null, value === null],
      [ts.TypeFlags.Undefined, value === undefined],
    ];
    for (const [flag, fits] of primitives) if (flags & flag) return fits ? undefined : wrong();
    if (!(flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection))) return `${wrong()}, which is no type of a reply`;
    if (type.symbol?.name === "Uint8Array") return value instanceof Uint8Array ? undefined : wrong();
    if (this.checker.isTupleType(type)) {
      const elements = this.checker.getTypeArguments(type as ts.TypeReference);
      if (!Array.isArray(value) || value.length !== elements.length) return wrong();
      return first(elements, (element, index) => this.difference(value[index], element, `${place}[${index}]`));
    }
    if (this.checker.isArrayType(type)) {
      const [element] = this.checker.getTypeArguments(type as ts.TypeReference);
      if (!Array.isArray(value)) return wrong();
      return first(value, (each) => this.difference(each, element!, `${place}[]`));
    }
    return this.object(value, type, place) ?? undefined;
  }

  private union(value: unknown, type: ts.UnionType, place: string): string | undefined {
    const names = type.types.map((each) => `${place}: ${this.text(each)}`);
    if (this.trials === 0) for (const name of names) if (!this.seen.has(name)) this.seen.set(name, false);
    for (const [index, each] of type.types.entries()) {
      // Nothing is seen of a type that it is not.
      this.trials++;
      const fits = this.difference(value, each, names[index]!) === undefined;
      this.trials--;
      if (!fits) continue;
      if (this.trials > 0) return undefined;
      this.seen.set(names[index]!, true);
      return this.difference(value, each, names[index]!);
    }
    return `${place}: ${show(value)} is no ${this.text(type)}`;
  }

  /** A type as it is written. */
  text(type: ts.Type): string {
    let text = this.texts.get(type);
    if (text === undefined) this.texts.set(type, (text = this.checker.typeToString(type)));
    return text;
  }

  private object(value: unknown, type: ts.Type, place: string): string | undefined {
    const wrong = (): string => `${place}: ${show(value)} is no ${this.text(type)}`;
    if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array) return wrong();
    const names = new Set(Object.keys(value));
    const found = value as Record<string, unknown>;
    for (const property of this.checker.getPropertiesOfType(type)) {
      const optional = (property.flags & ts.SymbolFlags.Optional) !== 0;
      if (!names.delete(property.name)) {
        if (optional) continue;
        return `${wrong()}: ${property.name} is missing`;
      }
      const declared = this.checker.getTypeOfSymbol(property);
      const of = optional ? this.checker.getNonNullableType(declared) : declared;
      const difference = this.difference(found[property.name], of, `${place}.${property.name}`);
      if (difference) return difference;
    }
    const index = this.checker.getIndexTypeOfType(type, ts.IndexKind.String);
    return first([...names], (name) =>
      index ? this.difference(found[name], index, `${place}{}`) : `${wrong()}: nothing is said of ${name}`,
    );
  }
}

function first<T>(list: readonly T[], find: (each: T, index: number) => string | undefined): string | undefined {
  for (const [index, each] of list.entries()) {
    const found = find(each, index);
    if (found !== undefined) return found;
  }
  return undefined;
}

const show = (value: unknown): string =>
  JSON.stringify(value, (_, each) => (typeof each === "bigint" ? `${each}n` : each instanceof Uint8Array ? "<bytes>" : each));
