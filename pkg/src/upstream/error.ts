/** Why upstream cannot be used, or has refused something. */
export class UpstreamError extends Error {
  /**
   * `NETWORK`: it cannot be reached, or the connection broke; `TIMEOUT`: it did not answer in time; `AUTH`:
   * it wants another token, or allows too little; `PROTOCOL`: what it answers is not understood;
   * `ELSEWHERE`: another upstream is in use, or another tab sends; `CLOSED`: it was closed; `LOCAL`: it is
   * the instance that cannot go on; otherwise the first word of what the server says, such as `READONLY`, `OOM`,
   * `WRONGTYPE` or `CROSSSLOT`.
   */
  readonly code: string;

  /** Its message is the code and `message`. */
  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }

  /** The name of the class. */
  override get name(): string {
    return "UpstreamError";
  }
}
