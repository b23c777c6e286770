"use client";

import { open } from "lodis";
import { useEffect, useState } from "react";

export function Visits() {
  const [text, setText] = useState("opening");
  useEffect(() => {
    const opened = open("client", { appendfsync: "always" });
    opened.then(async (redis) => setText(`visit ${await redis.incr("visits")}`));
    return () => void opened.then((redis) => redis.close());
  }, []);
  return <p id="client">{text}</p>;
}
